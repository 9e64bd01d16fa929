#include "engine/files/plan_support.h"
#include "engine/files/volume.h"
#include "engine/objects/store_parts.h"

// What other nodes have published of a file that is open here is seen when somebody opens it, asks what it
// looks like, gets a lock on it, appends to it or reads beyond its end.
namespace flashstor::files {

// What is written here and not published goes over what the others have when it is published: until then it
// is left as it is. Errors: kStaleHandle when the file was replaced or removed elsewhere.
Task<Result<void>> Volume::look_again(OpenInodeRef inode) {
  const auto may_be_newer = [&inode] { return !inode->gone && !inode->orphan && !inode->is_dirty(); };
  if (!store_.cluster().spans_nodes() || !may_be_newer()) co_return {};  // without a wait for a publish
  co_await inode->publish_turn.acquire();
  Result<void> done;
  if (may_be_newer()) done = co_await look_held(inode);
  inode->publish_turn.release();
  co_return done;
}

// The caller has the turn to publish.
Task<Result<void>> Volume::look_held(OpenInodeRef inode) {
  const objects::BucketRef bucket = co_await or_return(this->bucket());
  const objects::StoreParts parts{store_};
  for (int tries = 0; tries < kMaxStaleRetries; ++tries) {
    const std::string key = inode->key;
    if (renames_.changing_above(key)) co_return {};  // by this volume, perhaps for long
    auto found = co_await parts.read_row(*bucket, key, {});
    if (!found && !is_lost(found.error().code())) co_return std::unexpected(found.error());
    if (found && inode_of(found->row) == inode->inode) {
      if (found->row.id == inode->row.id && found->row.header.etag == inode->row.header.etag) {
        // The bytes are the same.
        inode->row.attributes.posix = std::move(found->row.attributes.posix);
        inode->outdated = false;
        co_return {};
      }
      const auto whole = co_await parts.inflate(*bucket, key, found->row);
      if (!whole && (is_lost(whole.error().code()) || whole.error().code() == ErrorCode::kNotFound))
        continue;  // replaced between the two looks
      if (!whole) co_return std::unexpected(whole.error());
      inode->merged = true;
      inode->committed(std::move(found->row), inode->grows());
      co_return {};
    }
    if (!co_await or_return(follow(inode, key))) co_return fail(ErrorCode::kStaleHandle);
  }
  co_return fail(ErrorCode::kBusy, "the file is renamed all the time");
}

}  // namespace flashstor::files
