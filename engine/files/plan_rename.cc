#include <algorithm>

#include "engine/files/plan_support.h"

namespace flashstor::files {
namespace {

using objects::VersionRow;

// The row of `live` as the newest of `key`, replacing `there` (whose data goes, unless it lives on as an
// orphan or by its other names).
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
  for (auto& drop : placed.drops) outcome.drops.push_back(std::move(drop));
  co_return {};
}

// Renames `from` to `to` in the list of names of an inode that has several.
Task<Result<void>> rename_in_links(cluster::RowView& rows, const Uuid& bucket, const VersionRow& row,
                                   const std::string& from, const std::optional<std::string>& to,
                                   cluster::Plan& plan) {
  if (!row.attributes.posix || row.attributes.posix->nlink < 2) co_return {};
  const InodeId inode = inode_of(row);
  auto names = co_await or_return(links_of(rows, bucket, inode));
  std::erase(names, from);
  if (to) names.push_back(*to);
  set_links(bucket, inode, names, plan);
  for (const std::string& name : names) {
    if (to && name == *to) continue;
    auto other = co_await or_return(find_live(rows, bucket, name));
    if (!other || inode_of(other->row) != inode || !other->row.attributes.posix) continue;
    other->row.attributes.posix->nlink = static_cast<std::uint32_t>(names.size());
    put_row(bucket, name, other->row, plan);
  }
  co_return {};
}

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
  co_return answered(std::move(plan), outcome);
}

}  // namespace

PlanTask plan_rename(cluster::RowView& rows, const cluster::Command& command) {
  const auto in = co_await or_return(decode<RenamePayload>(command.payload));
  const FileTarget& target = in.target;
  co_await or_return(objects::check_gate(rows, target.bucket, target.epoch));
  LiveFile from = co_await or_return(require_live(rows, target.bucket, target.key, target.inode));
  const auto to = co_await or_return(find_live(rows, target.bucket, in.to_key));
  const std::string to_directory = in.to_key + "/";
  const bool onto_directory = !to && (co_await or_return(find_live(rows, target.bucket, to_directory)) ||
                                      co_await or_return(has_children(rows, target.bucket, to_directory)));
  if (in.mode == RenameMode::kNoReplace && (to || onto_directory)) co_return fail(ErrorCode::kExists);
  if (onto_directory) co_return fail(ErrorCode::kIsDirectory);
  if (in.mode == RenameMode::kExchange) {
    if (!to) co_return fail(ErrorCode::kNoSuchKey);
    co_return co_await plan_exchange(rows, in, from, *to);
  }
  cluster::Plan plan;
  FileOutcome outcome;
  // Two names of one inode: POSIX says that nothing happens.
  if (to && inode_of(to->row) == inode_of(from.row)) {
    outcome.row = objects::encode_version(to->row);
    co_return answered(std::move(plan), outcome);
  }
  bool keep_replaced = false;
  if (to) {
    co_await or_return(require_live(rows, target.bucket, in.to_key, {}));  // retention
    if (in.keep_orphan && to->row.attributes.posix.value_or(objects::PosixAttributes{}).nlink < 2) {
      plan_orphan(target.bucket, to->row, plan, outcome);
      keep_replaced = true;
    }
    co_await or_return(rename_in_links(rows, target.bucket, to->row, in.to_key, std::nullopt, plan));
  }
  co_await or_return(rename_in_links(rows, target.bucket, from.row, target.key, in.to_key, plan));
  std::vector<RowChange> beside;
  const bool versioned = target.versioning != objects::Versioning::kUnversioned;
  if (versioned) {  // the old name keeps its history, so its data gets a second user
    std::vector<Slice> slices = co_await or_return(slices_of(rows, from.row));
    const std::string etag = from.row.header.etag;
    co_await or_return(share_slices(rows.random(), slices, beside));
    set_slices(from.row, std::move(slices));
    from.row.header.etag = etag;
  }
  const auto there = co_await or_return(objects::find_newest(rows, target.bucket, in.to_key));
  co_await or_return(
      place(rows, target, in.to_key, from, there, keep_replaced, std::move(beside), plan, outcome));
  co_await or_return(plan_vanish(rows, target, from, true, plan, outcome));
  co_return answered(std::move(plan), outcome);
}

PlanTask plan_link(cluster::RowView& rows, const cluster::Command& command) {
  const auto in = co_await or_return(decode<LinkPayload>(command.payload));
  const FileTarget& target = in.target;
  co_await or_return(objects::check_gate(rows, target.bucket, target.epoch));
  if (target.versioning != objects::Versioning::kUnversioned)
    co_return fail(ErrorCode::kNotPermitted, "hard links need a bucket without versions");
  LiveFile live = co_await or_return(require_live(rows, target.bucket, target.key, target.inode));
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
  std::vector<Slice> slices = co_await or_return(slices_of(rows, live.row));
  const std::string etag = live.row.header.etag;
  co_await or_return(share_slices(rows.random(), slices, beside));
  set_slices(live.row, std::move(slices));
  live.row.header.etag = etag;
  const auto there = co_await or_return(objects::find_newest(rows, target.bucket, in.to_key));
  co_await or_return(place(rows, target, in.to_key, live, there, false, std::move(beside), plan, outcome));
  co_return answered(std::move(plan), outcome);
}

PlanTask plan_remove(cluster::RowView& rows, const cluster::Command& command) {
  const auto in = co_await or_return(decode<RemovePayload>(command.payload));
  const FileTarget& target = in.target;
  co_await or_return(objects::check_gate(rows, target.bucket, target.epoch));
  const LiveFile live = co_await or_return(require_live(rows, target.bucket, target.key, target.inode));
  cluster::Plan plan;
  FileOutcome outcome;
  const bool last = !live.row.attributes.posix || live.row.attributes.posix->nlink < 2;
  const bool orphan = in.keep_orphan && last && target.versioning == objects::Versioning::kUnversioned;
  if (orphan) plan_orphan(target.bucket, live.row, plan, outcome);
  co_await or_return(rename_in_links(rows, target.bucket, live.row, target.key, std::nullopt, plan));
  co_await or_return(plan_vanish(rows, target, live, orphan, plan, outcome));
  co_return answered(std::move(plan), outcome);
}

}  // namespace flashstor::files
