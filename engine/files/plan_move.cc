#include <algorithm>

#include "engine/cluster/due.h"
#include "engine/files/forward.h"

/// Rename of a file to a name that lies in another set. The row of Family::kIntents at the old name's set
/// keeps others from moving or unlinking the file meanwhile and remembers what is to be finished after a
/// crash; the one at the new name's set, written in one entry with the new name, decides: once it says
/// "placed" the old name goes, whoever does it, and once the rename was refused (a kept result under its
/// name, since another node may have asked while the one that renames is about to place) the new name is
/// never made. Between the two both names show the file, as rename(2) allows; no reader of either name pays
/// for it. Source: docs/decisions/0007-rename-over-sets.md.
namespace flashstor::files {
namespace {

std::string intent_key(const Uuid& bucket, const std::string& from_key) {
  return std::string(kMoveIntents) + bucket.to_bytes() + from_key;
}

std::string directory_move_key(const Uuid& bucket, const std::string& from) {
  return std::string(kDirectoryMoves) + bucket.to_bytes() + from;
}

std::string decision_key(const Uuid& bucket, const Uuid& move) {
  return std::string(kMoveDecisions) + bucket.to_bytes() + move.to_bytes();
}

}  // namespace

Task<Result<void>> check_not_moving(cluster::RowView& rows, const Uuid& bucket, const std::string& key) {
  if (co_await or_return(rows.get(Family::kIntents, intent_key(bucket, key))))
    co_return fail(ErrorCode::kConflict, std::string(kMoving));
  co_return {};
}

Task<Result<void>> check_mover(cluster::RowView& rows, const Uuid& bucket, const Uuid& mover) {
  if (mover.is_nil()) co_return {};
  const auto now = co_await or_return(rows.get(Family::kIntents, std::string(kMover) + bucket.to_bytes()));
  if (now != mover.to_bytes()) co_return fail(ErrorCode::kConflict, std::string(kOvertaken));
  co_return {};
}

PlanTask plan_move_begin(cluster::RowView& rows, const cluster::Command& command) {
  const auto in = co_await or_return(decode<MovePayload>(command.payload));
  const Uuid& bucket = in.target.bucket;
  co_await or_return(objects::check_gate(rows, bucket, in.target.epoch));
  co_await or_return(check_mover(rows, bucket, in.mover));
  co_await or_return(check_not_moving(rows, bucket, in.from_key));
  const LiveFile from = co_await or_return(require_live(rows, bucket, in.from_key, in.target.inode));
  if (from.row.attributes.posix && from.row.attributes.posix->nlink > 1)
    co_return fail(ErrorCode::kCrossDevice, "the names of a file with several are in one set");
  cluster::Plan plan;
  FileOutcome outcome;
  outcome.row = objects::encode_version(from.row);
  MovePayload intent = in;
  intent.version = from.found.id;
  plan.changes.push_back({Family::kIntents, intent_key(bucket, in.from_key), encode(intent)});
  co_return answered(std::move(plan), outcome);
}

PlanTask plan_move_place(cluster::RowView& rows, const cluster::Command& command) {
  const auto in = co_await or_return(decode<MovePayload>(command.payload));
  const FileTarget& target = in.target;
  co_await or_return(objects::check_gate(rows, target.bucket, target.epoch));
  const std::string decision = decision_key(target.bucket, in.move);
  if (co_await or_return(rows.get(Family::kIntents, decision)) ||
      co_await or_return(rows.get(Family::kResults, in.move.to_bytes())))
    co_return fail(ErrorCode::kConflict, "the rename was given up meanwhile");
  LiveFile from;
  from.row = co_await or_return(objects::decode_version(in.row));
  const std::vector<objects::Slice> slices = from.row.slices;
  cluster::Plan plan;
  FileOutcome outcome;
  const auto room =
      co_await or_return(make_room(rows, target, {in.to_key, in.mode, in.keep_orphan}, plan, outcome));
  std::vector<RowChange> beside;
  if (!in.slices_row.empty())
    beside.push_back({Family::kExtents, objects::slices_key(from.row.extent_root), in.slices_row});
  co_await or_return(
      place(rows, target, in.to_key, from, room.there, room.keep_data, std::move(beside), plan, outcome));
  if (in.slices_row.empty()) {
    co_await or_return(objects::use_references(rows, slices, plan.changes));
  } else {
    const auto list = co_await or_return(objects::decode_slices(in.slices_row));
    co_await or_return(objects::use_references(rows, list.slices, plan.changes));
  }
  plan.changes.push_back({Family::kIntents, decision, "p" + in.to_key});
  co_return answered(std::move(plan), outcome);
}

PlanTask plan_move_settle(cluster::RowView& rows, const cluster::Command& command) {
  const auto in = co_await or_return(decode<MovePayload>(command.payload));
  const std::string decision = decision_key(in.target.bucket, in.move);
  const auto made = co_await or_return(rows.get(Family::kIntents, decision));
  cluster::Plan plan;
  FileOutcome outcome;
  outcome.more = made && made->starts_with('p');
  const bool open = !made && !co_await or_return(rows.get(Family::kResults, in.move.to_bytes()));
  if (open) cluster::keep_result(plan.changes, in.move, "refused", rows.now());
  co_return answered(std::move(plan), outcome);
}

PlanTask plan_move_end(cluster::RowView& rows, const cluster::Command& command) {
  const auto in = co_await or_return(decode<MovePayload>(command.payload));
  const Uuid& bucket = in.target.bucket;
  co_await or_return(objects::check_gate(rows, bucket, in.target.epoch));
  cluster::Plan plan;
  FileOutcome outcome;
  const std::string intent = intent_key(bucket, in.from_key);
  const auto held = co_await or_return(rows.get(Family::kIntents, intent));
  if (!held) co_return answered(std::move(plan), outcome);  // somebody settled it
  if ((co_await or_return(decode<MovePayload>(*held))).move != in.move)
    co_return answered(std::move(plan), outcome);
  if (in.placed) {
    // What S3 put there since is a new object: it came after the rename and stays.
    const auto live = co_await or_return(find_live(rows, bucket, in.from_key));
    if (live && live->found.id == in.version)
      co_await or_return(plan_vanish(rows, in.target, *live, false, plan, outcome));
    if (in.forward && !in.from_key.ends_with('/'))
      co_await or_return(forward_file(rows, bucket, in.target.inode, in.to_key, plan));
  }
  plan.changes.push_back({Family::kIntents, intent, std::nullopt});
  co_return answered(std::move(plan), outcome);
}

PlanTask plan_move_forget(cluster::RowView& /*rows*/, const cluster::Command& command) {
  const auto in = co_await or_return(decode<MovePayload>(command.payload));
  cluster::Plan plan;
  plan.changes.push_back({Family::kIntents, decision_key(in.target.bucket, in.move), std::nullopt});
  co_return answered(std::move(plan), {});
}

// One at a time for each directory.
PlanTask plan_directory_move_begin(cluster::RowView& rows, const cluster::Command& command) {
  const auto in = co_await or_return(decode<RenamePayload>(command.payload));
  co_await or_return(objects::check_gate(rows, in.target.bucket, in.target.epoch));
  co_await or_return(check_mover(rows, in.target.bucket, in.mover));
  const std::string intent = directory_move_key(in.target.bucket, in.target.key);
  if (co_await or_return(rows.get(Family::kIntents, intent)))
    co_return fail(ErrorCode::kBusy, "the directory is being renamed");
  cluster::Plan plan;
  plan.changes.push_back({Family::kIntents, intent, encode(in)});
  co_return answered(std::move(plan), {});
}

PlanTask plan_directory_move_end(cluster::RowView& rows, const cluster::Command& command) {
  const auto in = co_await or_return(decode<RenamePayload>(command.payload));
  co_await or_return(check_mover(rows, in.target.bucket, in.mover));
  const std::string intent = directory_move_key(in.target.bucket, in.target.key);
  const auto held = co_await or_return(rows.get(Family::kIntents, intent));
  cluster::Plan plan;
  if (held && (co_await or_return(decode<RenamePayload>(*held))).move == in.move)
    plan.changes.push_back({Family::kIntents, intent, std::nullopt});
  co_return answered(std::move(plan), {});
}

PlanTask plan_mover_change(cluster::RowView& rows, const cluster::Command& command) {
  const auto in = co_await or_return(decode<RenamePayload>(command.payload));
  co_await or_return(objects::check_gate(rows, in.target.bucket, in.target.epoch));
  cluster::Plan plan;
  plan.changes.push_back(
      {Family::kIntents, std::string(kMover) + in.target.bucket.to_bytes(), in.mover.to_bytes()});
  co_return answered(std::move(plan), {});
}

Task<Result<std::string>> query_intent(std::string_view kind, cluster::RowView& rows,
                                       std::string_view payload) {
  const auto in = co_await or_return(decode<FileTarget>(payload));
  const std::string key = std::string(kind) + in.bucket.to_bytes() + in.key;
  const auto held = co_await or_return(rows.get(Family::kIntents, key));
  co_return held.value_or("");
}

}  // namespace flashstor::files
