#include <algorithm>

#include "engine/base/log.h"
#include "engine/cluster/drive_keeper_slot.h"
#include "engine/cluster/limits.h"

// A set whose majority is lost goes on with the drives that stand, when an administrator says so.
// Source: protocol.md, Reads.
namespace flashstor::cluster {

std::vector<Standing> DriveKeeper::standing_here() const {
  std::vector<Standing> out;
  for (const auto& slot : slots_) {
    const MemberState& member = set_.group().member(slot->number);
    if (!member.open() || member.core == nullptr) continue;
    const raft::LogView& log = member.core->log();
    const raft::Index commit = member.core->commit_index();
    out.push_back({.member = member.id,
                   .generation = member.generation,
                   .last_term = log.last_term(),
                   .last_index = log.last_index(),
                   .members = member.core->membership(),
                   .retired = member.retired,
                   .commit = commit,
                   .commit_term = log.has(commit) ? log.term_at(commit) : 0,
                   .in_doubt = set_.group().cannot_vouch(slot->number)});
  }
  return out;
}

Task<Result<void>> DriveKeeper::raise_here(RecoverPlan plan) {
  for (const auto& slot : slots_) {
    const MemberState& member = set_.group().member(slot->number);
    const bool now = plan.leader_turn ? member.id == plan.leader
                                      : std::ranges::find(plan.standbys, member.id) != plan.standbys.end();
    if (!now || !member.open() || member.generation >= plan.generation) continue;
    while (slot->busy && !stopping_) co_await async::sleep_for(home_, Milliseconds(1));
    if (stopping_) co_return fail(ErrorCode::kCancelled, "the set is closing");
    slot->busy = true;
    auto raised = co_await raise_slot(*slot, plan);
    slot->busy = false;
    if (!raised) co_return raised;
  }
  wake_.notify_all();
  co_return Result<void>();
}

// The member stops, its drive says durably who takes part now, and it starts over from there.
Task<Result<void>> DriveKeeper::raise_slot(Slot& slot, const RecoverPlan& plan) {
  const MemberState& member = set_.group().member(slot.number);
  const std::string words = slot.drive.path + ": its set is recovered";
  co_await set_.fail_drive(slot.number, words);
  const MonotonicTime deadline = home_.now() + limits::kRaiseDeadline;
  while (!member.quiet() && home_.now() < deadline) co_await async::sleep_for(home_, Milliseconds(1));
  if (!member.quiet()) co_return fail(ErrorCode::kTimeout, slot.drive.path + " does not answer");
  StoredConfiguration configuration = configuration_of(member);
  configuration.membership = {.voters = {plan.leader}, .standbys = plan.standbys};
  configuration.membership_index = plan.index;
  configuration.generation = plan.generation;
  configuration.retired = plan.retired;
  co_await or_return(slot.drive.place->set_configuration(encode_configuration(configuration)));
  base::log_warning("drive {} of set {} at {} takes part in generation {}", slot.number + 1,
                    set_.info().index + 1, slot.drive.path, plan.generation);
  slot.drive.place->take_out(slot.describe(storage::DriveInfo::State::kFailed, words));
  slot.next_try = {};
  slot.backoff = {};
  co_return Result<void>();
}

Task<Result<RecoverPlan>> DriveKeeper::recover_home(bool accept_loss) {
  const std::uint32_t index = set_.info().index;
  if (set_.group().leader() || set_.group().leader_node() >= 0)
    co_return fail(ErrorCode::kConflict, "the set has a leader: there is nothing to recover");
  std::vector<Standing> standing = standing_here();
  std::vector<std::uint32_t> nodes;
  for (const std::uint32_t node : place_.others) {
    auto there = co_await place_.peers->standing(node, index);
    if (!there) continue;
    nodes.push_back(node);
    std::ranges::move(*there, std::back_inserter(standing));
  }
  RecoverPlan plan = co_await or_return(plan_recovery(standing, set_.info().drives, accept_loss));
  // The one with the highest log last: until then nobody has a vote in the new generation.
  for (const bool leader_turn : {false, true}) {
    plan.leader_turn = leader_turn;
    for (const std::uint32_t node : nodes) co_await or_return(place_.peers->raise(node, index, plan));
    co_await or_return(raise_here(plan));
  }
  co_return plan;
}

Task<Result<RecoverPlan>> DriveKeeper::recover(bool accept_loss) {
  const auto serving = std::make_shared<Serving>(*this);
  co_return co_await async::run_on(home_, recover_home(accept_loss));
}

}  // namespace flashstor::cluster
