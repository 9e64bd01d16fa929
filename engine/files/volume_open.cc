#include <algorithm>

#include "engine/files/plan_support.h"
#include "engine/files/volume.h"
#include "engine/objects/store_parts.h"

// Which inodes are open, and where they are while renames go on.
namespace flashstor::files {

// A rename that is under way looks for open inodes at its beginning: one that comes to be open later waits
// for its end, and is found at its new name.
Task<Result<OpenInodeRef>> Volume::take_open(Found found, RenameWatch::Look& look) {
  const objects::BucketRef bucket = co_await or_return(this->bucket());
  const InodeId id = found.attributes.inode;
  if (found.row.header.layout == objects::Layout::kSlicesRow)
    co_await or_return(objects::StoreParts{store_}.inflate(*bucket, found.key, found.row));
  while (true) {
    if (OpenInodeRef known = open_inode(id)) {  // opened meanwhile
      if (known->gone) {
        co_await comes_again(found.key, look);
        co_return fail(ErrorCode::kStaleHandle);
      }
      ++known->opens;
      if (known->is_behind(found.row, found.key)) known->is_told(found.row.header.size);
      co_return known;
    }
    if (renames_.changing(found.key)) {
      co_await look.wait(found.key);
      continue;
    }
    const auto names = look.moved(found.key);
    if (names.empty()) break;
    auto moved = co_await find_moved(names, id);
    if (!moved && moved.error().code() == ErrorCode::kStaleHandle) co_await comes_again(found.key, look);
    found = co_await or_return(std::move(moved));
  }
  auto inode = std::make_shared<OpenInode>(store_.cluster());
  inode->inode = id;
  inode->key = found.key;
  inode->set = store_.cluster().set_for(bucket->id, found.key).info().index;
  inode->committed(std::move(found.row), false);
  inode->opens = 1;
  open_.insert_or_assign(inode->inode, inode);
  open_keys_.insert_or_assign(inode->key, inode->inode);
  co_return inode;
}

// Who opens a file that was replaced in that moment is told that it is stale, asks for the name again and
// opens what is there. A kernel does so once: it must not be overtaken a second time.
Task<void> Volume::comes_again(std::string key, RenameWatch::Look& look) {
  co_await look.wait(key);
  renames_.hold(key, runtime_.now(), runtime_.now() + kOpenAgain);
}

// Errors: kStaleHandle when it has none of the names any more.
Task<Result<Volume::Found>> Volume::find_moved(std::vector<std::string> names, InodeId inode) {
  const objects::BucketRef bucket = co_await or_return(this->bucket());
  for (const std::string& name : names) {
    for (const bool shadowed : {false, true}) {
      auto found = co_await find_key(name, shadowed);
      if (!found && !is_lost(found.error().code())) co_return std::unexpected(found.error());
      if (!found || found->directory || found->attributes.inode != inode) continue;
      if (found->row.header.layout == objects::Layout::kSlicesRow)
        co_await or_return(objects::StoreParts{store_}.inflate(*bucket, found->key, found->row));
      co_return std::move(*found);
    }
  }
  co_return fail(ErrorCode::kStaleHandle, "renamed and removed meanwhile");
}

Task<Result<void>> Volume::let_go(OpenInodeRef inode) {
  Result<void> published;
  if (inode->opens == 1 && !inode->gone) published = co_await publish(inode);
  if (--inode->opens > 0) co_return published;
  open_.erase(inode->inode);
  if (const auto named = open_keys_.find(inode->key);
      named != open_keys_.end() && named->second == inode->inode)
    open_keys_.erase(named);
  if (inode->orphan) {
    Change change{.kind = FileCommand::kRemove};
    change.target.key = inode->key;
    change.set = inode->set;
    change.orphan = true;
    change.encode = [](const FileTarget& to) { return encode(RemovePayload{.target = to}); };
    auto removed = co_await run(std::move(change));
    if (!removed && published) published = std::unexpected(removed.error());
  }
  if (inode->parked) co_await drop_parked(inode->parked->data);
  if (inode->claimed) co_await give_up_claim(inode->inode);
  co_return published;
}

void Volume::rekey(OpenInode& inode, const std::string& key) {
  if (const auto named = open_keys_.find(inode.key);
      named != open_keys_.end() && named->second == inode.inode)
    open_keys_.erase(named);
  inode.key = key;
  inode.maybe.clear();
  open_keys_.insert_or_assign(key, inode.inode);
}

// A rename of this volume tells the inode, one of a directory when all is moved. The caller has the turn to
// publish, and so has a rename of the file itself while it is under way: there is none now.
Task<Result<bool>> Volume::follow(OpenInodeRef inode, std::string tried) {
  while (renames_.changing_above(inode->key)) co_await renames_.wait();
  if (inode->key != tried) co_return true;
  co_return co_await follow_forwards(inode);
}

// From name to name as the renames of all nodes have gone, until one has the inode. The file may go on while
// it is followed, also to a name that was looked at: it is gone when nothing has changed between two ways to
// the end.
Task<Result<bool>> Volume::follow_forwards(OpenInodeRef inode) {
  std::map<std::string, std::uint64_t> before;
  const MonotonicTime give_up = runtime_.now() + kChaseFor;
  for (int ways = 0; runtime_.now() < give_up; ++ways) {
    std::map<std::string, std::uint64_t> seen;
    bool cut = false;
    if (co_await or_return(follow_once(inode, seen, cut))) co_return true;
    if (ways > 0 && seen == before && cut) co_return fail(ErrorCode::kBusy, "too many names to look at");
    if (ways > 0 && seen == before) co_return false;
    before = std::move(seen);
  }
  co_return fail(ErrorCode::kBusy, "the file is renamed all the time");
}

Task<Result<ForwardAnswer>> Volume::ask_forward(std::string key, InodeId inode) {
  co_return decode<ForwardAnswer>(co_await or_return(ask(FileCommand::kForward, std::move(key), inode)));
}

Task<Result<bool>> Volume::follow_once(OpenInodeRef inode, std::map<std::string, std::uint64_t>& seen,
                                       bool& cut) {
  const objects::BucketRef bucket = co_await or_return(this->bucket());
  std::vector<std::string> names{inode->key};
  if (!inode->maybe.empty()) names.push_back(inode->maybe);
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto answer = co_await or_return(ask_forward(names[i], inode->inode));
    if (answer.found) {
      rekey(*inode, names[i]);
      inode->set = store_.cluster().set_for(bucket->id, names[i]).info().index;
      co_return true;
    }
    seen.emplace(names[i], answer.seen);
    cut = cut || answer.cut;
    for (const std::string& to : answer.to) {
      if (std::ranges::find(names, to) != names.end()) continue;
      cut = cut || names.size() == kMaxFollowed;
      if (names.size() < kMaxFollowed) names.push_back(to);
    }
  }
  co_return false;
}

Task<Result<bool>> Volume::follow_in_turn(OpenInodeRef inode) {
  co_await inode->publish_turn.acquire();
  Result<bool> found = false;
  if (!inode->orphan && !inode->gone) found = co_await follow_forwards(inode);
  inode->publish_turn.release();
  co_return found;
}

// The ways that renames leave are kept for a while only: a file that is open for long is followed before they
// go, whether it is written or not.
Task<void> Volume::keep_following() {
  while (!co_await closing_.wait_until(runtime_.now() + kFollowEvery)) {
    std::vector<OpenInodeRef> inodes;
    for (const auto& [id, inode] : open_) inodes.push_back(inode);
    std::set<std::uint32_t> silent;  // does not hold up the files of other sets
    for (const OpenInodeRef& inode : inodes) {
      if (closing_.is_set()) break;
      const std::uint32_t set = inode->set;
      if (inode->opens == 0 || inode->orphan || inode->gone || silent.contains(set)) continue;
      auto there = co_await ask_forward(inode->key, inode->inode);
      if (there && there->found) continue;
      if (!there || !co_await follow_in_turn(inode)) silent.insert(set);
    }
  }
}

}  // namespace flashstor::files
