#pragma once

#include <list>
#include <mutex>
#include <unordered_map>

#include "engine/base/buffer.h"
#include "engine/storage/entry.h"

namespace flashstor::storage {

/// Hot shards of data records by data id, the least recently used leaving first. Threads: any.
class DataCache {
 public:
  explicit DataCache(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  void put(const DataId& id, Buffer shard) {
    if (shard.empty() || shard.size() > max_bytes_ / 4) return;
    // A small shard must not keep the larger block alive that it was cut from.
    if (shard.size() <= kCopiedBytes) shard = Buffer::copy_of(shard.view());
    const std::lock_guard lock(mutex_);
    remove(id);
    bytes_ += cost(shard);
    items_.emplace_front(id, std::move(shard));
    by_id_[id] = items_.begin();
    while (bytes_ > max_bytes_) remove(items_.back().first);
  }
  /// Empty when it is not here.
  [[nodiscard]] Buffer get(const DataId& id) {
    const std::lock_guard lock(mutex_);
    const auto found = by_id_.find(id);
    if (found == by_id_.end()) return {};
    items_.splice(items_.begin(), items_, found->second);
    return items_.front().second;
  }
  void drop(const DataId& id) {
    const std::lock_guard lock(mutex_);
    remove(id);
  }
  [[nodiscard]] std::size_t bytes() const {
    const std::lock_guard lock(mutex_);
    return bytes_;
  }

 private:
  using Items = std::list<std::pair<DataId, Buffer>>;
  static constexpr std::size_t kCopiedBytes = std::size_t{64} << 10;
  // Blocks are rounded up; their header, the list and the map cost something too.
  static std::size_t cost(const Buffer& shard) { return shard.size() + shard.size() / 4 + 256; }
  void remove(const DataId& id) {
    const auto found = by_id_.find(id);
    if (found == by_id_.end()) return;
    bytes_ -= cost(found->second->second);
    items_.erase(found->second);
    by_id_.erase(found);
  }
  std::size_t max_bytes_;
  mutable std::mutex mutex_;
  std::size_t bytes_ = 0;
  Items items_;
  std::unordered_map<DataId, Items::iterator> by_id_;
};

}  // namespace flashstor::storage
