#include "tests/sim/planted.h"

#include <algorithm>
#include <utility>

#include "engine/cluster/due.h"
#include "engine/files/file_commands.h"
#include "engine/files/plan_support.h"
#include "engine/objects/commands.h"
#include "engine/objects/keys.h"
#include "engine/objects/payloads.h"
#include "engine/objects/planners.h"

namespace flashstor::sim {
namespace {

using cluster::raft::Defects;

constexpr std::pair<std::string_view, bool Defects::*> kConsensus[] = {
    {"ack-before-sync", &Defects::ack_before_sync},
    {"commit-old-term-by-counting", &Defects::commit_old_term},
    {"match-past-prefix", &Defects::match_past_prefix},
    {"survive-failed-append", &Defects::survive_failed_append},
    {"lease-from-receipt", &Defects::lease_from_receipt},
    {"deposed-leader-reads", &Defects::deposed_leader_reads},
    {"vote-after-lost-tail", &Defects::vote_after_lost_tail},
    {"transfer-keeps-lease", &Defects::transfer_keeps_lease},
    {"vote-while-hearing", &Defects::vote_while_hearing},
    {"forget-vote", &Defects::forget_vote},
    {"serve-before-first-entry", &Defects::serve_before_first_entry},
};

/// The planner of dropped references as it must not be.
objects::PlanTask drop_hastily(cluster::RowView& rows, const cluster::Command& command) {
  auto plan = co_await or_return(objects::plan_drop_references(rows, command));
  const auto in = co_await or_return(objects::decode<objects::ReferencesPayload>(command.payload));
  if (!in.intents_only)
    for (const objects::DroppedReference& use : in.uses)
      plan.changes.push_back(cluster::free_later(use.data, rows.now()));
  plan.write = !plan.changes.empty();
  co_return plan;
}

/// The planner of writes as it must not be: the sender is taken to know the bucket as it is now.
objects::PlanTask put_whatever_the_epoch(cluster::RowView& rows, const cluster::Command& command) {
  auto in = co_await or_return(objects::decode<objects::PutVersionPayload>(command.payload));
  const auto value =
      co_await or_return(rows.get(storage::Family::kIntents, objects::gate_key(in.target.bucket)));
  if (value) in.target.epoch = (co_await or_return(objects::decode_gate(*value))).epoch;
  cluster::Command believed;
  believed.kind = command.kind;
  believed.request_id = command.request_id;
  believed.payload = objects::encode(in);
  believed.data = command.data;
  co_return co_await objects::plan_put_version(rows, believed);
}

/// The planner that settles a rename as it must not be: the old name goes though the new one was never made.
objects::PlanTask settle_as_placed(cluster::RowView& /*rows*/, const cluster::Command& /*command*/) {
  files::FileOutcome outcome;
  outcome.more = true;
  co_return files::answered({}, outcome);
}

}  // namespace

bool plant(Defects& defects, std::string_view name) {
  for (const auto& [what, member] : kConsensus)
    if (what == name) return defects.*member = true;
  return false;
}

bool plant(PlantedDefects& defects, std::string_view name) {
  const std::pair<std::string_view, bool*> known[] = {
      {"acknowledge-early", &defects.acknowledge_early},
      {"replay-past-torn", &defects.replay_past_torn},
      {"free-referenced", &defects.free_referenced},
      {"ignore-epoch", &defects.ignore_epoch},
      {"rename-half-seen", &defects.rename_half_seen},
      {"one-drive-too-few", &defects.set.one_drive_too_few},
      {"show-pending", &defects.set.show_pending},
      {"void-early", &defects.set.void_early},
      {"excuse-nobody", &defects.set.excuse_nobody},
      {"free-in-use", &defects.set.free_in_use},
      {"sweep-at-start", &defects.set.sweep_at_start},
  };
  for (const auto& [what, flag] : known)
    if (what == name) return *flag = true;
  return plant(defects.set.consensus, name);
}

void register_planted(cluster::CommandRegistry& registry, const PlantedDefects& defects) {
  objects::register_object_commands(registry);
  files::register_file_commands(registry);
  const auto replace = [&registry](auto kind, auto planner) {
    registry.replace_planner(static_cast<cluster::CommandKind>(kind), planner);
  };
  if (defects.free_referenced) replace(objects::ObjectCommand::kDropReferences, drop_hastily);
  if (defects.ignore_epoch) replace(objects::ObjectCommand::kPutVersion, put_whatever_the_epoch);
  if (defects.rename_half_seen) replace(files::FileCommand::kMoveSettle, settle_as_placed);
}

}  // namespace flashstor::sim
