#include <fmt/core.h>

#include "engine/files/volume.h"
#include "tests/sim/client_world.h"
#include "tests/sim/probes.h"

/// A file that is renamed on and on, as a mount does it, and looked for under both names by others: whoever
/// does not find it under the old one finds it under the new one, and once the rename was answered, or what a
/// crash left of it was finished, it has one name only.  Source: docs/decisions/0007-rename-over-sets.md.
namespace flashstor::sim {

Task<bool> ClientWorld::set_up_moves(ClientNode* node) {
  const auto made = co_await node->store().create_bucket({.name = kMoved, .owner = "sim", .region = {}});
  if (!made && made.error().code() != ErrorCode::kBucketOwnedByCaller) co_return false;
  const int content = new_content(below(2) == 0 ? 100 : 5000);
  objects::BufferSource body(Buffer::copy_of(contents_[static_cast<std::size_t>(content)]), 999);
  objects::PutRequest request{.bucket = kMoved, .key = moved_name(0)};
  request.body = &body;
  const auto put = co_await node->store().put_object(std::move(request));
  moved_ = {.at = moved_name(0), .to = {}, .busy = false, .era = 0, .content = content};
  co_return put.has_value();
}

/// Nothing when the node cannot tell.
Task<std::optional<bool>> ClientWorld::is_at(ClientNode* node, std::string name) {
  const auto bytes = co_await read_all(node, {.bucket = kMoved, .key = std::move(name)});
  if (bytes) {
    if (content_of(*bytes, "a file that was renamed") != moved_.content) violate("another file's bytes");
    co_return true;
  }
  if (bytes.error().code() == ErrorCode::kNoSuchKey) co_return false;
  co_return std::nullopt;
}

Task<void> ClientWorld::move(ClientNode* node, CallRef call) {
  if (moved_.busy || chance(500)) co_return co_await look_for_moved(node, call);
  moved_.busy = true;
  auto volume = co_await files::Volume::open(node->store(), kMoved, {}, *Runtime::current());
  if (volume) {
    if (!call->closed) co_await move_on(node, call, **volume);
    static_cast<void>(co_await (*volume)->close());
  }
  moved_.busy = false;
}

Task<void> ClientWorld::move_on(ClientNode* node, CallRef call, files::Volume& volume) {
  if (!moved_.to.empty()) {
    // Whatever was left of the last one was finished when the volume was opened.
    auto old = co_await is_at(node, moved_.at);
    const auto fresh = co_await is_at(node, moved_.to);
    // Within one set nothing was left to finish: whoever began it is dead, and its command may come between
    // the two looks.
    if (old && fresh && *old && *fresh) old = co_await is_at(node, moved_.at);
    if (call->closed || !old || !fresh) co_return;
    if (*old == *fresh)
      violate(fmt::format("a rename from {} to {} was finished, and {} names show the file", moved_.at,
                          moved_.to, *old ? "both" : "no"));
    NET_PROBE("rename-of-unknown-end-finished");
    if (*fresh) moved_.at = moved_.to;
    moved_.to.clear();
    ++moved_.era;
  }
  std::string to = moved_.at;
  while (to == moved_.at) to = moved_name(below(kMovedNames));
  moved_.to = to;
  ++moved_.era;
  note("rename from {} to {} begins", moved_.at, to);
  const auto done = co_await volume.rename("", moved_.at, "", to, files::RenameMode::kReplace);
  note("rename to {} ends: {}", to, done ? "done" : done.error().describe());
  if (!done || call->closed) co_return;
  NET_PROBE("renamed");
  moved_.at = to;
  moved_.to.clear();
  ++moved_.era;
}

Task<void> ClientWorld::look_for_moved(ClientNode* node, CallRef call) {
  const Moved seen = moved_;
  const auto old = co_await is_at(node, seen.at);
  if (!old || call->closed || moved_.era != seen.era) co_return;
  std::string other = seen.to;
  while (other.empty() || other == seen.at) other = moved_name(below(kMovedNames));
  const auto there = co_await is_at(node, other);
  if (!there || call->closed || moved_.era != seen.era) co_return;
  if (!*old && (seen.to.empty() || !*there))
    violate(fmt::format("a file is neither at {} nor at the name that it is moved to", seen.at));
  if (seen.to.empty() && *there)
    violate(fmt::format("a file is at {} though it was moved to {}", other, seen.at));
  if (!*old) NET_PROBE("seen-after-a-rename-under-way");
}

Task<void> ClientWorld::check_moved(ClientNode* node) {
  auto volume = co_await files::Volume::open(node->store(), kMoved, {}, *Runtime::current());
  if (!volume) {
    violate("what was left of renames cannot be finished: " + volume.error().describe());
    co_return;
  }
  std::size_t names = 0;
  for (std::uint64_t number = 0; number < kMovedNames; ++number) {
    const auto there = co_await is_at(node, moved_name(number));
    if (!there) violate(moved_name(number) + " cannot be read after the faults");
    if (there && *there) ++names;
  }
  if (names != 1) violate(fmt::format("a file that was renamed has {} names after the faults", names));
  static_cast<void>(co_await (*volume)->close());
}

}  // namespace flashstor::sim
