#include <algorithm>
#include <map>
#include <set>

#include "engine/files/forward.h"

namespace flashstor::files {
namespace {

using objects::Versioning;
using objects::VersionRow;

void append(cluster::Plan& plan, cluster::Plan part) {
  for (RowChange& change : part.changes) plan.changes.push_back(std::move(change));
  for (RowChange& change : part.on_confirm) plan.on_confirm.push_back(std::move(change));
  for (RowChange& change : part.on_void) plan.on_void.push_back(std::move(change));
}

/// One name of the file getting its new bytes.
struct Replacement {
  const FileTarget& target;
  const std::string& key;
  const LiveFile& live;
  std::vector<Slice> before;
  VersionRow row;
  bool has_data = false;
  std::vector<RowChange> beside{};  ///< References of the row, which go with it when it is voided.
};

// While versions are not kept any more, one of before stays under the first write too.
bool adds_version(const FileTarget& target, const LiveFile& live) {
  return target.versioning == Versioning::kEnabled ||
         (target.versioning == Versioning::kSuspended && !live.row.header.is_null);
}

// The new row takes the place of the old one; data that both use stays, data that only the old one used goes
// once the new one is sure.
Task<Result<void>> replace_version(cluster::RowView& rows, Replacement change, cluster::Plan& plan,
                                   FileOutcome& outcome) {
  objects::NewVersion version{.bucket = change.target.bucket,
                              .key = change.key,
                              .versioning = change.target.versioning,
                              .row = std::move(change.row),
                              .has_data = change.has_data,
                              .beside = std::move(change.beside)};
  version.releases = dropped(change.before, version.row.slices);
  if (change.live.row.header.layout == objects::Layout::kSlicesRow)
    version.on_confirm.push_back(
        {Family::kExtents, objects::slices_key(change.live.row.extent_root), std::nullopt});
  objects::VersionOutcome placed;
  VersionRow made = version.row;
  append(plan,
         co_await or_return(objects::plan_new_version(rows, std::move(version), change.live.found, placed)));
  made.id = placed.id;
  made.header.is_null = placed.is_null;
  if (outcome.row.empty()) outcome.row = objects::encode_version(made);
  std::ranges::copy(placed.drops, std::back_inserter(outcome.drops));
  co_return {};
}

// What the version before uses too gets a reference of its own; new data belongs to the new version alone.
Task<Result<void>> share_kept(cluster::RowView& rows, const Replacement& change, std::vector<Slice>& after,
                              std::vector<RowChange>& changes) {
  std::vector<Slice> kept;
  std::set<DataId> held;
  for (const Slice& slice : change.before) held.insert(slice.data.id);
  const auto is_kept = [&held](const Slice& slice) { return held.contains(slice.data.id); };
  for (const Slice& slice : after)
    if (is_kept(slice)) kept.push_back(slice);
  co_await or_return(share_slices(rows, change.target, change.key, kept, changes));
  std::size_t next = 0;
  for (Slice& slice : after)
    if (is_kept(slice)) slice = kept[next++];
  co_return {};
}

// In a bucket with versions: the first publish of an open adds a version that shares data with the one
// before, later ones replace it.
Task<Result<void>> add_version(cluster::RowView& rows, Replacement change, const objects::VersionId& revises,
                               cluster::Plan& plan, FileOutcome& outcome) {
  objects::NewVersion version{.bucket = change.target.bucket,
                              .key = change.key,
                              .versioning = change.target.versioning,
                              .row = std::move(change.row),
                              .has_data = change.has_data,
                              .beside = std::move(change.beside)};
  if (revises.is_set() && change.target.versioning == Versioning::kEnabled &&
      revises == change.live.found.id && !change.live.row.header.is_null) {
    std::vector<RowChange>& later = version.on_confirm;
    later.push_back(
        {Family::kVersions, objects::version_key(change.target.bucket, change.key, revises), std::nullopt});
    if (version.has_data) {  // otherwise it goes with this entry
      const std::string mark = objects::revised_key(change.target.bucket, change.key, revises);
      version.beside.push_back({Family::kIntents, mark, ""});
      later.push_back({Family::kIntents, mark, std::nullopt});
    }
    co_await or_return(objects::release_slices(rows, dropped(change.before, version.row.slices), rows.now(),
                                               later, outcome.drops));
  } else {
    std::vector<RowChange> shared;
    co_await or_return(share_kept(rows, change, version.row.slices, shared));
    // That the version before has the data too holds whatever becomes of this one.
    for (RowChange& row : shared)
      (objects::is_own_reference(row) ? plan.changes : version.beside).push_back(std::move(row));
  }
  objects::VersionOutcome placed;
  VersionRow made = version.row;
  append(plan,
         co_await or_return(objects::plan_new_version(rows, std::move(version), change.live.found, placed)));
  made.id = placed.id;
  made.header.is_null = placed.is_null;
  outcome.row = objects::encode_version(made);
  std::ranges::copy(placed.drops, std::back_inserter(outcome.drops));
  co_return {};
}

void apply_bytes(const PublishPayload& in, std::vector<Slice>& slices) {
  if (in.shrink_to) resize(slices, std::min(*in.shrink_to, bytes_of(slices)));
  for (Placed piece : in.pieces) {
    if (piece.slice.data.place == DataPlace::kNone) {  // a hole makes nothing longer, also what was cut since
      const std::uint64_t end = bytes_of(slices);
      piece.slice.length = std::min(piece.slice.length, end - std::min(end, piece.at));
      if (piece.slice.length == 0) continue;
    }
    overwrite(slices, piece);
  }
  resize(slices, std::max(in.size, bytes_of(slices)));
}

// A kernel knows by the time whether pages that it has are good still: bytes that are not those which
// somebody was told of with a time get another one. The publisher's kernel was told the time that he sends.
void tell_apart(const PublishPayload& in, std::int64_t before_ns, bool merged,
                objects::PosixAttributes& posix) {
  if (!in.knows.is_set() || in.folds) return;
  if (merged && in.posix.mtime_ns) ++posix.mtime_ns;
  if ((!in.pieces.empty() || in.shrink_to) && posix.mtime_ns == before_ns) ++posix.mtime_ns;
}

// The other names of the inode show the same bytes, each with references of its own, so that S3 may remove
// any of them.
Task<Result<void>> publish_links(cluster::RowView& rows, const PublishPayload& in,
                                 const VersionRow& published, cluster::Plan& plan, FileOutcome& outcome) {
  for (const std::string& name : in.links) {
    if (name == in.target.key) continue;
    const auto live = co_await or_return(find_live(rows, in.target.bucket, name));
    if (!live || inode_of(live->row) != in.target.inode) continue;
    std::vector<Slice> before = co_await or_return(slices_of(rows, live->row));
    std::vector<Slice> after = published.slices;
    // What this name has already keeps its reference; the rest gets one.
    std::vector<Slice> fresh;
    std::map<DataId, Uuid> held;
    for (const Slice& slice : before) held.emplace(slice.data.id, slice.referrer);
    for (Slice& slice : after) {
      if (const auto mine = held.find(slice.data.id); mine != held.end())
        slice.referrer = mine->second;
      else
        fresh.push_back(slice);
    }
    std::vector<RowChange> shared;
    co_await or_return(share_slices(rows, in.target, name, fresh, shared));
    std::size_t next = 0;
    for (Slice& slice : after)
      if (!held.contains(slice.data.id)) slice = fresh[next++];
    Replacement change{in.target, name, *live, std::move(before), published, in.has_data};
    for (RowChange& row : shared) {
      const bool is_new = std::ranges::any_of(in.pieces, [&row](const Placed& piece) {
        return row.key.starts_with(piece.slice.data.id.to_bytes());
      });
      (objects::is_own_reference(row) && !is_new ? plan.changes : change.beside).push_back(std::move(row));
    }
    change.row.hides = {};
    set_slices(change.row, std::move(after));
    change.row.header.etag = published.header.etag;
    if (adds_version(in.target, *live)) {
      const std::string shown = outcome.row;  // the answer is about the name that was published
      co_await or_return(add_version(rows, std::move(change), {}, plan, outcome));
      outcome.row = shown;
    } else {
      co_await or_return(replace_version(rows, std::move(change), plan, outcome));
    }
  }
  co_return {};
}

}  // namespace

namespace {

PlanTask plan_publish_here(cluster::RowView& rows, const PublishPayload& in) {
  co_await or_return(objects::check_gate(rows, in.target.bucket, in.target.epoch));
  const LiveFile live =
      co_await or_return(require_live(rows, in.target.bucket, in.target.key, in.target.inode));
  if (in.may_move) co_await or_return(check_not_moving(rows, in.target.bucket, in.target.key));
  if (live.row.attributes.posix && live.row.attributes.posix->nlink > 1) {
    // Whoever made or removed a name since the caller looked: it looks again.
    const auto names = co_await or_return(links_of(rows, in.target.bucket, in.target.inode));
    for (const std::string& name : names)
      if (std::ranges::find(in.links, name) == in.links.end())
        co_return fail(ErrorCode::kStale, std::string(kLinksChanged));
  }
  const bool merged = in.knows.is_set() && in.knows != live.found.id;
  std::vector<Slice> before = co_await or_return(slices_of(rows, live.row));
  if (in.adopt) {  // of an earlier try the answer may have been lost
    const DataId id = in.pieces.front().slice.data.id;
    const bool held = (co_await or_return(find_live(rows, in.park, id.to_text()))).has_value();
    const bool has = std::ranges::any_of(before, [&](const Slice& slice) { return slice.data.id == id; });
    if (!held && has) {
      FileOutcome outcome;
      outcome.row = objects::encode_version(live.row);
      outcome.merged = merged;
      if (in.chase) outcome.key = in.target.key;
      co_return answered({}, outcome);
    }
  }
  if (merged && in.only_known) co_return fail(ErrorCode::kConflict, std::string(kChanged));
  std::vector<Slice> after = before;
  apply_bytes(in, after);

  VersionRow row = live.row;
  row.hides = {};
  row.attributes.posix = posix_of(live.row, false, {});
  const std::int64_t before_ns = row.attributes.posix->mtime_ns;
  apply(in.posix, *row.attributes.posix);
  tell_apart(in, before_ns, merged, *row.attributes.posix);
  row.header.created_ns = 0;  // Last-Modified is now
  row.foreign_id.clear();
  row.header.has_foreign_id = false;
  set_slices(row, std::move(after));
  const VersionRow published = row;

  cluster::Plan plan;
  FileOutcome outcome;
  outcome.merged = merged;
  Replacement change{in.target, in.target.key, live, std::move(before), std::move(row), in.has_data};
  if (adds_version(in.target, live))
    co_await or_return(add_version(rows, std::move(change), in.revises, plan, outcome));
  else
    co_await or_return(replace_version(rows, std::move(change), plan, outcome));
  if (in.links.size() > 1) co_await or_return(publish_links(rows, in, published, plan, outcome));
  if (in.chase) outcome.key = in.target.key;
  if (in.adopt) {
    FileTarget parked = in.target;
    parked.bucket = in.park;
    parked.key = in.pieces.front().slice.data.id.to_text();
    parked.versioning = Versioning::kUnversioned;
    const auto held = co_await or_return(find_live(rows, parked.bucket, parked.key));
    if (!held) co_return fail(ErrorCode::kInternal, "what a file has streamed is not where it was parked");
    co_await or_return(plan_vanish(rows, parked, *held, true, plan, outcome));
  }
  co_return answered(std::move(plan), outcome);
}

// A set drops staged data that no entry names, and the file may be found elsewhere, or here again: until then
// the data belongs to a file without a name, like one that was unlinked while it is open.
PlanTask plan_park(cluster::RowView& rows, const PublishPayload& in) {
  const Slice& slice = in.pieces.front().slice;
  objects::NewVersion version{.bucket = in.park,
                              .key = slice.data.id.to_text(),
                              .versioning = Versioning::kUnversioned,
                              .row = {},
                              .has_data = true};
  version.row.attributes.posix.emplace();
  version.row.attributes.posix->inode = slice.data.id;
  version.row.attributes.posix->nlink = 0;
  version.row.header.is_null = true;
  set_slices(version.row, {slice});
  FileOutcome outcome;
  outcome.more = true;
  objects::VersionOutcome placed;
  cluster::Plan plan;
  append(plan, co_await or_return(objects::plan_new_version(rows, std::move(version), std::nullopt, placed)));
  co_return answered(std::move(plan), outcome);
}

// The file may be elsewhere, or the caller has to take references first.
bool comes_again(const Error& error) {
  return error.code() == ErrorCode::kNoSuchKey || error.code() == ErrorCode::kStaleHandle ||
         error.code() == ErrorCode::kStale ||
         (error.code() == ErrorCode::kConflict &&
          (error.message() == kMoving || error.message() == kChanged)) ||
         (error.code() == ErrorCode::kNotSupported && error.message() == kForeignData);
}

}  // namespace

PlanTask plan_publish(cluster::RowView& rows, const cluster::Command& command) {
  auto in = co_await or_return(decode<PublishPayload>(command.payload));
  if (in.chase) {
    auto key = co_await or_return(chase(rows, in.target.bucket, in.target.inode, in.target.key));
    if (!key.empty()) {
      for (TakenReferences& taken : in.target.taken)  // to its data, whatever its name is
        if (taken.key == in.target.key) taken.key = key;
      in.target.key = std::move(key);
    }
  }
  auto plan = co_await plan_publish_here(rows, in);
  if (plan || in.park.is_nil() || in.adopt || in.pieces.empty() || !comes_again(plan.error())) co_return plan;
  co_return co_await plan_park(rows, in);
}

PlanTask plan_change_attributes(cluster::RowView& rows, const cluster::Command& command) {
  auto in = co_await or_return(decode<AttributesPayload>(command.payload));
  co_await or_return(objects::check_gate(rows, in.target.bucket, in.target.epoch));
  co_await or_return(check_not_moving(rows, in.target.bucket, in.target.key));
  auto live = co_await or_return(find_live(rows, in.target.bucket, in.target.key));
  const bool directory = in.target.key.ends_with('/');
  cluster::Plan plan;
  FileOutcome outcome;
  if (!live && in.implied) {  // the directory gets the row that it never had
    objects::NewVersion version{
        .bucket = in.target.bucket, .key = in.target.key, .versioning = in.target.versioning};
    version.row.attributes.posix = std::move(in.implied);
    version.row.header.etag = "d41d8cd98f00b204e9800998ecf8427e";
    apply(in.posix, *version.row.attributes.posix);
    VersionRow made = version.row;
    const auto newest = co_await or_return(objects::find_newest(rows, in.target.bucket, in.target.key));
    objects::VersionOutcome placed;
    plan = co_await or_return(objects::plan_new_version(rows, std::move(version), newest, placed));
    made.id = placed.id;
    made.header.created_ns = placed.id.time_ns;
    outcome.row = objects::encode_version(made);
    co_return answered(std::move(plan), outcome);
  }
  if (!live) co_return fail(ErrorCode::kNoSuchKey);
  if (!in.target.inode.is_nil() && inode_of(live->row) != in.target.inode)
    co_return fail(ErrorCode::kStaleHandle);
  std::vector<std::string> names{in.target.key};
  for (const std::string& name : in.links)
    if (name != in.target.key) names.push_back(name);
  objects::PosixAttributes posix = posix_of(live->row, directory, {});
  apply(in.posix, posix);
  if (!in.attribute.empty()) {
    auto held =
        std::ranges::find_if(posix.xattrs, [&](const auto& each) { return each.first == in.attribute; });
    if (held != posix.xattrs.end() && in.mode == AttributeSetMode::kCreate)
      co_return fail(ErrorCode::kExists);
    if (held == posix.xattrs.end() && (!in.value || in.mode == AttributeSetMode::kReplace))
      co_return fail(ErrorCode::kNoAttribute);
    if (!in.value)
      posix.xattrs.erase(held);
    else if (held != posix.xattrs.end())
      held->second = *in.value;
    else
      posix.xattrs.emplace_back(in.attribute, *in.value);
  }
  for (const std::string& name : names) {
    if (name != in.target.key) live = co_await or_return(find_live(rows, in.target.bucket, name));
    if (!live || inode_of(live->row) != posix.inode) continue;
    live->row.attributes.posix = posix;
    put_row(in.target.bucket, name, live->row, plan);
    if (outcome.row.empty()) outcome.row = objects::encode_version(live->row);
  }
  co_return answered(std::move(plan), outcome);
}

}  // namespace flashstor::files
