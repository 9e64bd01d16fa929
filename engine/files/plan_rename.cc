#include <algorithm>

#include "engine/files/forward.h"

namespace flashstor::files {
namespace {

using objects::VersionRow;

}  // namespace

Task<Result<void>> place(cluster::RowView& rows, const FileTarget& target, const std::string& key,
                         const LiveFile& live, const std::optional<objects::FoundVersion>& there,
                         bool keep_replaced_data, std::vector<RowChange> beside, cluster::Plan& plan,
                         FileOutcome& outcome) {
  objects::NewVersion version{
      .bucket = target.bucket, .key = key, .versioning = target.versioning, .row = live.row};
  VersionRow& row = version.row;
  row.hides = {};
  row.foreign_id.clear();
  row.header.has_foreign_id = false;
  if (!row.attributes.posix) row.attributes.posix = posix_of(live.row, key.ends_with('/'), {});
  row.attributes.posix->inode = inode_of(live.row);
  row.attributes.posix->ctime_ns = base::to_nanoseconds(rows.now());
  version.beside = std::move(beside);
  if (keep_replaced_data) version.releases.emplace();
  VersionRow made = row;
  objects::VersionOutcome placed;
  cluster::Plan part = co_await or_return(objects::plan_new_version(rows, std::move(version), there, placed));
  for (RowChange& change : part.changes) plan.changes.push_back(std::move(change));
  made.id = placed.id;
  made.header.is_null = placed.is_null;
  if (outcome.row.empty()) outcome.row = objects::encode_version(made);
  std::ranges::copy(placed.drops, std::back_inserter(outcome.drops));
  co_return {};
}

Task<Result<void>> rename_in_links(cluster::RowView& rows, const Uuid& bucket, const VersionRow& row,
                                   const std::string& from, const std::optional<std::string>& to,
                                   cluster::Plan& plan) {
  if (!row.attributes.posix || row.attributes.posix->nlink < 2) co_return {};
  const InodeId inode = inode_of(row);
  auto names = co_await or_return(links_of(rows, bucket, inode));
  std::erase(names, from);
  if (to) names.push_back(*to);
  set_links(bucket, inode, names, plan);
  if (!to && !names.empty()) co_await or_return(forward_file(rows, bucket, inode, names.front(), plan));
  for (const std::string& name : names) {
    if (to && name == *to) continue;
    auto other = co_await or_return(find_live(rows, bucket, name));
    if (!other || inode_of(other->row) != inode || !other->row.attributes.posix) continue;
    other->row.attributes.posix->nlink = static_cast<std::uint32_t>(names.size());
    other->row.attributes.posix->ctime_ns = base::to_nanoseconds(rows.now());  // unlink(2), rename(2)
    put_row(bucket, name, other->row, plan);
  }
  co_return {};
}

Task<Result<Room>> make_room(cluster::RowView& rows, const FileTarget& target, const RoomWanted& wanted,
                             cluster::Plan& plan, FileOutcome& outcome) {
  const std::string& to_key = wanted.to_key;
  const auto to = co_await or_return(find_live(rows, target.bucket, to_key));
  const std::string to_directory = to_key + "/";
  const bool onto_directory = !to && (co_await or_return(find_live(rows, target.bucket, to_directory)) ||
                                      co_await or_return(has_children(rows, target.bucket, to_directory)));
  if (wanted.mode == RenameMode::kNoReplace && (to || onto_directory)) co_return fail(ErrorCode::kExists);
  if (onto_directory) co_return fail(ErrorCode::kIsDirectory);
  Room room;
  if (to) {
    co_await or_return(require_live(rows, target.bucket, to_key, {}));  // retention
    const bool last = to->row.attributes.posix.value_or(objects::PosixAttributes{}).nlink < 2;
    if (wanted.keep_orphan && last)
      room.keep_data = co_await or_return(plan_orphan(rows, target, to_key, to->row, plan, outcome));
    co_await or_return(rename_in_links(rows, target.bucket, to->row, to_key, std::nullopt, plan));
  }
  room.there = co_await or_return(objects::find_newest(rows, target.bucket, to_key));
  co_return room;
}

namespace {

PlanTask plan_exchange(cluster::RowView& rows, const RenamePayload& in, const LiveFile& from,
                       const LiveFile& to) {
  cluster::Plan plan;
  FileOutcome outcome;
  if (in.target.versioning != objects::Versioning::kUnversioned)
    co_return fail(ErrorCode::kNotSupported, "exchange in a bucket with versions");
  FileTarget other = in.target;
  other.key = in.to_key;
  co_await or_return(place(rows, in.target, in.to_key, from, to.found, true, {}, plan, outcome));
  co_await or_return(place(rows, in.target, in.target.key, to, from.found, true, {}, plan, outcome));
  if (in.forward) {
    co_await or_return(forward_file(rows, in.target.bucket, inode_of(from.row), in.to_key, plan));
    co_await or_return(forward_file(rows, in.target.bucket, inode_of(to.row), in.target.key, plan));
  }
  co_return answered(std::move(plan), outcome);
}

}  // namespace

PlanTask plan_rename(cluster::RowView& rows, const cluster::Command& command) {
  const auto in = co_await or_return(decode<RenamePayload>(command.payload));
  const FileTarget& target = in.target;
  co_await or_return(objects::check_gate(rows, target.bucket, target.epoch));
  co_await or_return(check_mover(rows, target.bucket, in.mover));
  LiveFile from = co_await or_return(require_live(rows, target.bucket, target.key, target.inode));
  co_await or_return(check_not_moving(rows, target.bucket, target.key));
  const auto to = co_await or_return(find_live(rows, target.bucket, in.to_key));
  if (in.mode == RenameMode::kExchange) {
    if (!to) co_return fail(ErrorCode::kNoSuchKey);
    co_return co_await plan_exchange(rows, in, from, *to);
  }
  cluster::Plan plan;
  FileOutcome outcome;
  // Two names of one inode: POSIX says that nothing happens.
  if (to && inode_of(to->row) == inode_of(from.row)) {
    if (in.mode == RenameMode::kNoReplace) co_return fail(ErrorCode::kExists);
    outcome.row = objects::encode_version(to->row);
    co_return answered(std::move(plan), outcome);
  }
  const Room room =
      co_await or_return(make_room(rows, target, {in.to_key, in.mode, in.keep_orphan}, plan, outcome));
  co_await or_return(rename_in_links(rows, target.bucket, from.row, target.key, in.to_key, plan));
  std::vector<RowChange> beside;
  // With versions the old name keeps its history, so its data gets a second user.
  if (target.versioning != objects::Versioning::kUnversioned)
    co_await or_return(share_row(rows, target, target.key, from.row, beside));
  co_await or_return(
      place(rows, target, in.to_key, from, room.there, room.keep_data, std::move(beside), plan, outcome));
  co_await or_return(plan_vanish(rows, target, from, true, plan, outcome));
  if (in.forward) co_await or_return(forward_file(rows, target.bucket, inode_of(from.row), in.to_key, plan));
  co_return answered(std::move(plan), outcome);
}

PlanTask plan_link(cluster::RowView& rows, const cluster::Command& command) {
  const auto in = co_await or_return(decode<LinkPayload>(command.payload));
  const FileTarget& target = in.target;
  co_await or_return(objects::check_gate(rows, target.bucket, target.epoch));
  LiveFile live = co_await or_return(require_live(rows, target.bucket, target.key, target.inode));
  co_await or_return(check_not_moving(rows, target.bucket, target.key));
  if (co_await or_return(name_taken(rows, target.bucket, in.to_key))) co_return fail(ErrorCode::kExists);
  auto names = co_await or_return(links_of(rows, target.bucket, target.inode));
  if (names.empty()) names.push_back(target.key);
  if (names.size() >= kMaxLinks) co_return fail(ErrorCode::kTooManyLinks);
  for (const std::string& name : names)
    if (std::ranges::find(in.links, name) == in.links.end())
      co_return fail(ErrorCode::kStale, std::string(kLinksChanged));
  names.push_back(in.to_key);

  cluster::Plan plan;
  FileOutcome outcome;
  objects::PosixAttributes posix = posix_of(live.row, false, {});
  posix.nlink = static_cast<std::uint32_t>(names.size());
  posix.ctime_ns = in.now_ns;
  for (const std::string& name : names) {
    if (name == in.to_key) continue;
    auto held = co_await or_return(find_live(rows, target.bucket, name));
    if (!held || inode_of(held->row) != target.inode) continue;
    held->row.attributes.posix = posix;
    put_row(target.bucket, name, held->row, plan);
  }
  set_links(target.bucket, target.inode, names, plan);
  live.row.attributes.posix = posix;
  std::vector<RowChange> beside;
  co_await or_return(share_row(rows, target, target.key, live.row, beside));
  const auto there = co_await or_return(objects::find_newest(rows, target.bucket, in.to_key));
  co_await or_return(place(rows, target, in.to_key, live, there, false, std::move(beside), plan, outcome));
  co_return answered(std::move(plan), outcome);
}

PlanTask plan_remove(cluster::RowView& rows, const cluster::Command& command) {
  const auto in = co_await or_return(decode<RemovePayload>(command.payload));
  const FileTarget& target = in.target;
  co_await or_return(objects::check_gate(rows, target.bucket, target.epoch));
  const LiveFile live = co_await or_return(require_live(rows, target.bucket, target.key, target.inode));
  co_await or_return(check_not_moving(rows, target.bucket, target.key));
  cluster::Plan plan;
  FileOutcome outcome;
  const bool last = !live.row.attributes.posix || live.row.attributes.posix->nlink < 2;
  const bool keep_data = in.keep_orphan && last &&
                         co_await or_return(plan_orphan(rows, target, target.key, live.row, plan, outcome));
  co_await or_return(rename_in_links(rows, target.bucket, live.row, target.key, std::nullopt, plan));
  co_await or_return(plan_vanish(rows, target, live, keep_data, plan, outcome));
  co_return answered(std::move(plan), outcome);
}

}  // namespace flashstor::files
