#pragma once

#include <memory>
#include <mutex>
#include <unordered_map>

#include "engine/async/frame_pool.h"
#include "engine/cluster/set_api.h"

namespace flashstor::cluster {

/// Counts who uses which slice. Threads: all. Outlives its pins.
class PinTable {
 public:
  [[nodiscard]] std::unique_ptr<DataPin> pin(const DataId& id) {
    {
      const std::lock_guard lock(mutex_);
      ++counts_[id];
    }
    return std::make_unique<Pin>(*this, id);
  }
  [[nodiscard]] bool pinned(const DataId& id) const {
    const std::lock_guard lock(mutex_);
    return counts_.contains(id);
  }

 private:
  class Pin final : public DataPin, public async::InFrames {
   public:
    Pin(PinTable& table, const DataId& id) : table_(table), id_(id) {}
    Pin(const Pin&) = delete;
    Pin& operator=(const Pin&) = delete;
    ~Pin() override {
      const std::lock_guard lock(table_.mutex_);
      const auto found = table_.counts_.find(id_);
      if (--found->second == 0) table_.counts_.erase(found);
    }

   private:
    PinTable& table_;
    DataId id_;
  };
  mutable std::mutex mutex_;
  std::unordered_map<DataId, std::uint32_t, std::hash<DataId>, std::equal_to<>,
                     async::FrameAllocator<std::pair<const DataId, std::uint32_t>>>
      counts_;
};

}  // namespace flashstor::cluster
