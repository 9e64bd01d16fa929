#include <algorithm>

#include "engine/files/plan_support.h"
#include "engine/files/volume.h"

namespace flashstor::files {
namespace {

PosixChange posix_change(const AttributeChange& change, std::int64_t now_ns) {
  PosixChange out;
  out.mode = change.mode;
  out.uid = change.uid;
  out.gid = change.gid;
  if (change.modified) out.mtime_ns = base::to_nanoseconds(*change.modified);
  if (change.accessed) out.atime_ns = base::to_nanoseconds(*change.accessed);
  out.ctime_ns = now_ns;
  return out;
}

void add(PosixChange& to, const PosixChange& more) {
  if (more.mode) to.mode = more.mode;
  if (more.uid) to.uid = more.uid;
  if (more.gid) to.gid = more.gid;
  if (more.mtime_ns) to.mtime_ns = more.mtime_ns;
  if (more.atime_ns) to.atime_ns = more.atime_ns;
  if (more.ctime_ns) to.ctime_ns = more.ctime_ns;
}

// Names that the kernel keeps for itself or that would need its help (access control lists).
bool supported_attribute(const std::string& name) {
  return name.starts_with("user.") || name.starts_with("trusted.") || name == "security.capability" ||
         name.starts_with("security.selinux");
}

}  // namespace

Task<Result<Attributes>> Volume::change_root(AttributeChange change) {
  Found found = co_await or_return(find_key("", false));
  objects::VersionRow row;
  objects::PosixAttributes posix;
  posix.inode = root_;
  posix.kind = objects::FileKind::kDirectory;
  posix.mode = found.attributes.mode;
  posix.uid = found.attributes.uid;
  posix.gid = found.attributes.gid;
  posix.mtime_ns = base::to_nanoseconds(found.attributes.modified);
  posix.atime_ns = base::to_nanoseconds(found.attributes.accessed);
  apply(posix_change(change, base::to_nanoseconds(runtime_.wall_now())), posix);
  row.attributes.posix = posix;
  row.header.created_ns = base::to_nanoseconds(found.attributes.born);
  touched_.erase("");
  directories_.erase("");
  co_await or_return(
      store_.set_bucket_config(bucket_name_, std::string(kRootConfig), objects::encode_version(row)));
  found = co_await or_return(find_key("", false));
  co_return found.attributes;
}

Task<Result<Attributes>> Volume::change_row(Found found, AttributesPayload payload) {
  const objects::BucketRef bucket = co_await or_return(this->bucket());
  for (int tries = 0;; ++tries) {
    const std::uint32_t set = store_.cluster().set_for(bucket->id, found.key).info().index;
    if (!found.directory && found.attributes.links > 1)
      payload.links = co_await or_return(names_of(set, found.attributes.inode));
    Change change{.kind = FileCommand::kChangeAttributes};
    change.target.key = found.key;
    if (!found.implied) change.target.inode = found.attributes.inode;
    change.locked_keys = payload.links;
    change.encode = [&payload](const FileTarget& to) {
      payload.target = to;
      return encode(payload);
    };
    auto done = co_await run(std::move(change));
    if (!done && done.error().code() == ErrorCode::kStale && tries < kMaxStaleRetries) continue;
    if (!done && is_lost(done.error().code()) && tries < kMaxStaleRetries && !found.directory) {
      const OpenInodeRef open = open_inode(found.attributes.inode);  // then it is found where it was opened
      if (open && co_await or_return(follow_in_turn(open))) {
        found.key = open->key;
        continue;
      }
    }
    if (!done) co_return std::unexpected(done.error());
    const objects::VersionRow row = co_await or_return(objects::decode_version(done->row));
    if (const OpenInodeRef open = open_inode(found.attributes.inode)) {
      open->row.attributes.posix = row.attributes.posix;
      co_return open->attributes(defaults_);
    }
    co_return attributes_of(row, found.directory, defaults_);
  }
}

Task<Result<Attributes>> Volume::change_attributes(FileRef file, AttributeChange change) {
  std::optional<RenameWatch::Look> look(std::in_place, renames_);
  Found found = co_await or_return(resolve(file));
  if (found.key.empty() && found.directory) co_return co_await change_root(change);
  if (change.size && found.directory) co_return fail(ErrorCode::kIsDirectory);
  const PosixChange posix = posix_change(change, base::to_nanoseconds(runtime_.wall_now()));
  OpenInodeRef open = open_inode(found.attributes.inode);
  if (change.size && !open) {
    // truncate(2) by path: as an open, a cut and a close.
    open = co_await or_return(take_open(std::move(found), *look));
    look.reset();
    Result<void> cut = co_await set_size(open, *change.size, true);
    add(open->posix, posix);
    const Attributes now = open->attributes(defaults_);
    const auto published = co_await let_go(open);
    if (cut) cut = published;
    if (!cut) co_return std::unexpected(cut.error());
    co_return now;
  }
  look.reset();
  if (open) {
    if (change.size) co_await or_return(set_size(open, *change.size, true));
    add(open->posix, posix);
    if (open->gone || open->orphan) co_return open->attributes(defaults_);
    // A file that is being written publishes its attributes with its bytes; otherwise now.
    if (open->dirty.empty() && !open->streaming && open->opens > 0) co_await or_return(publish(open));
    co_return open->attributes(defaults_);
  }
  if (found.directory) {
    co_await or_return(own_row(found.key));
    directories_.erase(found.key);
    if (change.modified) touched_.erase(found.key);
    found.implied = false;
  }
  AttributesPayload payload;
  payload.posix = posix;
  co_return co_await change_row(std::move(found), std::move(payload));
}

Task<Result<std::string>> Volume::get_attribute(FileRef file, std::string name) {
  if (const OpenInodeRef open = open_inode(file.inode)) static_cast<void>(co_await look_again(open));
  const Found found = co_await or_return(resolve(std::move(file)));
  if (found.row.attributes.posix)
    for (const auto& [key, value] : found.row.attributes.posix->xattrs)
      if (key == name) co_return value;
  co_return fail(ErrorCode::kNoAttribute);
}

Task<Result<std::vector<std::string>>> Volume::list_attributes(FileRef file) {
  if (const OpenInodeRef open = open_inode(file.inode)) static_cast<void>(co_await look_again(open));
  const Found found = co_await or_return(resolve(std::move(file)));
  std::vector<std::string> names;
  if (found.row.attributes.posix)
    for (const auto& [key, value] : found.row.attributes.posix->xattrs) names.push_back(key);
  co_return names;
}

Task<Result<void>> Volume::set_attribute(FileRef file, std::string name, std::string value,
                                         AttributeSetMode mode) {
  if (!supported_attribute(name)) co_return fail(ErrorCode::kNotSupported);
  if (name.size() > kMaxAttributeNameBytes || value.size() > kMaxAttributeValueBytes)
    co_return fail(ErrorCode::kAttributeTooLarge);
  Found found = co_await or_return(resolve(std::move(file)));
  if (found.key.empty()) co_return fail(ErrorCode::kNotSupported);
  if (found.directory) co_await or_return(own_row(found.key));
  found.implied = false;
  AttributesPayload payload;
  payload.attribute = std::move(name);
  payload.value = std::move(value);
  payload.mode = mode;
  payload.posix.ctime_ns = base::to_nanoseconds(runtime_.wall_now());
  co_await or_return(change_row(std::move(found), std::move(payload)));
  co_return {};
}

Task<Result<void>> Volume::remove_attribute(FileRef file, std::string name) {
  Found found = co_await or_return(resolve(std::move(file)));
  if (found.implied) co_return fail(ErrorCode::kNoAttribute);
  AttributesPayload payload;
  payload.attribute = std::move(name);
  payload.posix.ctime_ns = base::to_nanoseconds(runtime_.wall_now());
  co_await or_return(change_row(std::move(found), std::move(payload)));
  co_return {};
}

namespace {

// A claim is a lock of an inode that nobody can name.
InodeId claim_of(const InodeId& inode) { return {inode.high ^ 0x636c61696d6564ULL, ~inode.low}; }

LockRange claim_range(LockRange::Type type) {
  LockRange range;
  range.type = type;
  range.whole_file = true;
  return range;
}

}  // namespace

Task<void> Volume::claim(OpenInodeRef inode) {
  if (inode->claimed || !store_.cluster().spans_nodes()) co_return;
  const auto range = claim_range(LockRange::Type::kShared);
  inode->claimed = (co_await shared_locks_.lock(claim_of(inode->inode), range, false, nullptr)).has_value();
}

Task<void> Volume::give_up_claim(InodeId inode) {
  const auto range = claim_range(LockRange::Type::kUnlock);
  static_cast<void>(co_await shared_locks_.lock(claim_of(inode), range, false, nullptr));
}

Task<Result<bool>> Volume::is_claimed(std::string orphan) {
  if (!store_.cluster().spans_nodes()) co_return false;
  const InodeId inode = co_await or_return(InodeId::from_text(orphan));
  const auto range = claim_range(LockRange::Type::kExclusive);
  const LockRange other = co_await or_return(shared_locks_.test(claim_of(inode), range));
  co_return other.type != LockRange::Type::kUnlock;
}

Task<Result<void>> Volume::lock(FileRef file, LockRange range, bool wait, const bool* cancelled) {
  if (store_.cluster().spans_nodes()) co_return co_await lock_shared(std::move(file), range, wait, cancelled);
  if (range.type == LockRange::Type::kUnlock && !locks_.contains(file.inode)) co_return {};
  while (true) {
    Locks& locks = locks_[file.inode];  // stays while somebody waits or holds
    if (!locks.space.conflict(range)) {
      locks.space.set(range);
      locks.changed.notify_all();
      if (locks.space.empty() && locks.waiting == 0) locks_.erase(file.inode);
      co_return {};
    }
    if (!wait) co_return fail(ErrorCode::kWouldBlock);
    if (cancelled != nullptr && *cancelled) co_return fail(ErrorCode::kCancelled);
    ++locks.waiting;
    co_await locks.changed.wait();
    --locks.waiting;
  }
}

// Who gets a lock that was another node's sees what was written under it, as between the mounts of one node.
Task<Result<void>> Volume::lock_shared(FileRef file, LockRange range, bool wait, const bool* cancelled) {
  const OpenInodeRef inode = open_inode(file.inode);
  const bool unlocks = range.type == LockRange::Type::kUnlock;
  // An error is sticky or stays with what is dirty: fsync and close tell it.
  if (unlocks && inode && inode->is_dirty() && !inode->orphan) static_cast<void>(co_await publish(inode));
  std::vector<LockRange> before = shared_locks_.held_by(file.inode, range.owner, range.whole_file);
  co_await or_return(shared_locks_.lock(file.inode, range, wait, cancelled));
  if (unlocks || !inode) co_return {};
  Result<void> seen;
  if (inode->is_dirty() && !inode->orphan) seen = co_await publish(inode);
  if (seen) seen = co_await look_again(inode);
  if (!seen && seen.error().code() != ErrorCode::kStaleHandle) {
    co_await put_locks_back(file.inode, range, std::move(before));
    co_return seen;
  }
  co_return {};
}

// As if the lock had not been taken: what its owner had there before stays, the rest is free. One that became
// weaker is strengthened again if nobody has come in.
Task<void> Volume::put_locks_back(InodeId inode, LockRange taken, std::vector<LockRange> before) {
  taken.type = LockRange::Type::kUnlock;
  std::vector<LockRange> back;
  std::uint64_t at = taken.start;
  bool more = true;
  for (LockRange each : before) {
    each.start = std::max(each.start, taken.start);
    each.end = std::min(each.end, taken.end);
    if (each.start > each.end) continue;
    if (each.start > at) {
      back.push_back(taken);
      back.back().start = at;
      back.back().end = each.start - 1;
    }
    back.push_back(each);
    more = each.end < taken.end;
    at = each.end + 1;
  }
  if (more) {
    back.push_back(taken);
    back.back().start = at;
  }
  for (const LockRange& each : back)
    static_cast<void>(co_await shared_locks_.lock(inode, each, false, nullptr));
}

void Volume::wake_lock_waiters(FileRef file) {
  shared_locks_.wake();
  if (const auto found = locks_.find(file.inode); found != locks_.end()) found->second.changed.notify_all();
}

Task<Result<LockRange>> Volume::test_lock(FileRef file, LockRange range) {
  if (store_.cluster().spans_nodes()) co_return co_await shared_locks_.test(file.inode, range);
  if (const auto found = locks_.find(file.inode); found != locks_.end())
    if (const auto held = found->second.space.conflict(range)) co_return *held;
  co_return LockRange{};
}

}  // namespace flashstor::files
