#include "engine/storage/shard_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/storage/commit_log/log_format.h"

namespace flashstor::storage {
namespace {

constexpr std::uint32_t kDirectReads = 2;  // a shard read more often than this is worth page cache

std::string_view fan_out(const std::string& text) { return std::string_view(text).substr(0, 2); }

}  // namespace

std::string ShardStore::staging_path(const DataId& id) const { return drive_ + "/staging/" + id.to_text(); }
std::string ShardStore::shard_path(const DataId& id) const {
  const std::string text = id.to_text();
  return fmt::format("{}/shards/{}/{}", drive_, fan_out(text), text);
}

Result<void> ShardStore::sync_staging() { return io_.sync_directory(drive_ + "/staging"); }

Result<void> ShardStore::publish(const DataId& id) {
  const std::string from = staging_path(id);
  auto staged = io_.exists(from);
  if (!staged) return std::unexpected(staged.error());
  const std::string text = id.to_text();
  const std::string directory = fmt::format("{}/shards/{}", drive_, fan_out(text));
  if (!*staged) {
    // A process before this one may have moved it, and was killed before the names were safe.
    auto placed = io_.exists(directory + "/" + text);
    if (!placed) return std::unexpected(placed.error());
    if (!*placed) return {};
    const std::lock_guard lock(mutex_);
    dirty_.insert({drive_ + "/shards", directory});
    return {};
  }
  auto there = io_.exists(directory);
  if (!there) return std::unexpected(there.error());
  if (!*there) {
    if (auto made = io_.make_directory(directory); !made) return made;
    const std::lock_guard lock(mutex_);
    dirty_.insert(drive_ + "/shards");
  }
  if (auto renamed = io_.rename(from, directory + "/" + text); !renamed) {
    // Another thread was quicker.
    const bool gone = renamed.error().code() == ErrorCode::kNotFound;
    const auto placed = gone ? io_.exists(directory + "/" + text) : Result<bool>(false);
    if (!placed || !*placed) return renamed;
  }
  const std::lock_guard lock(mutex_);
  dirty_.insert(directory);
  return {};
}

Result<void> ShardStore::sync_published() {
  std::set<std::string> directories;
  {
    const std::lock_guard lock(mutex_);
    directories.swap(dirty_);
  }
  for (const std::string& directory : directories)
    if (auto synced = io_.sync_directory(directory); !synced) {
      const std::lock_guard lock(mutex_);
      dirty_.merge(directories);
      return synced;
    }
  return {};
}

Result<void> ShardStore::drop(const DataId& id) {
  if (auto dropped = drop_staged(id); !dropped) return dropped;
  forget(id);
  auto removed = io_.remove(shard_path(id));
  if (!removed && removed.error().code() != ErrorCode::kNotFound) return removed;
  return {};
}

Result<void> ShardStore::drop_staged(const DataId& id) {
  auto removed = io_.remove(staging_path(id));
  if (!removed && removed.error().code() != ErrorCode::kNotFound) return removed;
  return {};
}

Result<bool> ShardStore::holds(const DataId& id) {
  if (auto there = io_.exists(shard_path(id)); !there || *there) return there;
  auto file = io_.open(staging_path(id), OpenMode::kRead, false);
  if (file) {
    // Unfinished files have no footer: they are not held.
    auto footer = read_footer(**file);
    if (!footer && footer.error().code() == ErrorCode::kIo) return std::unexpected(footer.error());
    return footer && footer->data.id == id;
  }
  if (file.error().code() != ErrorCode::kNotFound) return std::unexpected(file.error());
  return io_.exists(shard_path(id));  // it may have been published meanwhile, and never goes back
}

Result<std::vector<DataId>> ShardStore::staged() {
  auto names = io_.list(drive_ + "/staging");
  if (!names) return std::unexpected(names.error());
  std::vector<DataId> ids;
  for (const std::string& name : *names)
    if (auto id = Uuid::from_text(name)) ids.push_back(*id);
  return ids;
}

Result<std::vector<DataId>> ShardStore::published() {
  auto directories = io_.list(drive_ + "/shards");
  if (!directories) return std::unexpected(directories.error());
  std::vector<DataId> ids;
  for (const std::string& directory : *directories) {
    auto names = io_.list(drive_ + "/shards/" + directory);
    if (!names) return std::unexpected(names.error());
    for (const std::string& name : *names)
      if (auto id = Uuid::from_text(name)) ids.push_back(*id);
  }
  return ids;
}

Result<std::vector<DataRef>> ShardStore::published_after(const DataId& after, std::size_t most) {
  auto directories = io_.list(drive_ + "/shards");
  if (!directories) return std::unexpected(directories.error());
  const std::string bound = after.is_nil() ? std::string() : after.to_text();
  std::vector<DataRef> found;
  for (const std::string& directory : *directories) {
    if (directory < std::string_view(bound).substr(0, 2)) continue;
    auto names = io_.list(drive_ + "/shards/" + directory);
    if (!names) return std::unexpected(names.error());
    for (const std::string& name : *names) {
      if (name <= bound) continue;
      const auto id = Uuid::from_text(name);
      if (!id) continue;
      auto file = io_.open(shard_path(*id), OpenMode::kRead, false);
      if (!file && file.error().code() == ErrorCode::kNotFound) continue;  // freed meanwhile
      if (!file) return std::unexpected(file.error());
      auto footer = read_footer(**file);
      if (!footer || footer->data.id != *id) continue;
      found.push_back(footer->data);
      if (found.size() >= most) return found;
    }
  }
  return found;
}

std::shared_ptr<ShardStore::OpenShard> ShardStore::find_open(const DataId& id) {
  const std::lock_guard lock(mutex_);
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return nullptr;
  open_.splice(open_.begin(), open_, found->second);
  return open_.front().second;
}

void ShardStore::remember(const DataId& id, std::shared_ptr<OpenShard> shard) {
  const std::lock_guard lock(mutex_);
  if (by_id_.contains(id)) return;
  open_.emplace_front(id, std::move(shard));
  by_id_[id] = open_.begin();
  if (open_.size() > limits::kMaxOpenShards) {
    by_id_.erase(open_.back().first);
    open_.pop_back();
  }
}

void ShardStore::forget(const DataId& id) {
  const std::lock_guard lock(mutex_);
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return;
  open_.erase(found->second);
  by_id_.erase(found);
}

Result<std::shared_ptr<ShardStore::OpenShard>> ShardStore::find(const DataRef& data) {
  std::shared_ptr<OpenShard> shard = find_open(data.id);
  if (shard == nullptr) {
    std::string path = shard_path(data.id);
    auto file = io_.open(path, OpenMode::kRead, false);
    if (!file && file.error().code() == ErrorCode::kNotFound) {
      path = staging_path(data.id);
      file = io_.open(path, OpenMode::kRead, false);
    }
    if (!file) return std::unexpected(file.error());
    auto footer = read_footer(**file);
    if (!footer) return std::unexpected(footer.error().wrap(footer.error().code(), path));
    shard = std::make_shared<OpenShard>();
    shard->footer = std::move(*footer);
    shard->file = std::move(*file);
    if (auto direct = io_.open(path, OpenMode::kRead, true)) shard->direct = std::move(*direct);
    remember(data.id, shard);
  }
  const DataRef& found = shard->footer.data;
  if (found.id != data.id || found.length != data.length || found.geometry != data.geometry) {
    forget(data.id);
    return fail(ErrorCode::kCorrupt, shard_path(data.id) + " holds other data than its name says");
  }
  return shard;
}

Result<Buffer> ShardStore::read(const DataRef& data, std::uint32_t first_block, std::uint32_t count) {
  auto shard = find(data);
  if (!shard) return std::unexpected(shard.error());
  const ByteRange range = blocks_of(data, first_block, count);
  Buffer blocks = Buffer::allocate(range.end - range.begin);
  if (blocks.empty()) return blocks;
  const std::uint32_t reads = (*shard)->reads.fetch_add(1, std::memory_order_relaxed);
  const bool past_cache = (*shard)->direct != nullptr && reads < kDirectReads;
  File& file = past_cache ? *(*shard)->direct : *(*shard)->file;
  auto got = file.read(blocks.writable_span(), range.begin);
  if (!got) return std::unexpected(got.error());
  if (*got != blocks.size()) return fail(ErrorCode::kCorrupt, shard_path(data.id) + " is cut off");
  if (auto good = verify_blocks(data, (*shard)->footer.checksums, first_block, blocks.span()); !good)
    return std::unexpected(good.error());
  return blocks;
}

Result<Buffer> ShardStore::read_cached(const DataRef& data, std::uint32_t first_block, std::uint32_t count) {
  const std::shared_ptr<OpenShard> shard = find_open(data.id);
  if (shard == nullptr || shard->footer.data.length != data.length) return fail(ErrorCode::kWouldBlock);
  const ByteRange range = blocks_of(data, first_block, count);
  Buffer blocks = Buffer::allocate(range.end - range.begin);
  if (blocks.empty()) return blocks;
  auto got = shard->file->read_cached(blocks.writable_span(), range.begin);
  if (!got) return std::unexpected(got.error());
  // Let a drive thread look again at what does not match.
  if (!verify_blocks(data, shard->footer.checksums, first_block, blocks.span()))
    return fail(ErrorCode::kWouldBlock);
  return blocks;
}

}  // namespace flashstor::storage
