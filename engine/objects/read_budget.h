#pragma once

#include <algorithm>
#include <cstddef>

#include "engine/objects/limits.h"

namespace flashstor::objects {

/// What the readers of one store (of one loop) hold of objects in memory: windows read and not yet taken, and
/// those under way. The fuller it is the smaller the windows are, so that many clients who take slowly, or
/// nothing, cannot have more than a bound. Threads: one.
class ReadBudget {
 public:
  /// What one step may read.
  [[nodiscard]] std::size_t window(std::size_t most) const {
    if (held_ < limits::kRoomyReadBytes) return most;
    return std::min(most,
                    held_ < limits::kMaxHeldReadBytes / 2 ? limits::kStripeBytes : limits::kTightWindowBytes);
  }
  [[nodiscard]] bool may_read_ahead() const { return held_ < limits::kRoomyReadBytes; }
  /// New readers are to be sent away; those that began go on in small windows.
  [[nodiscard]] bool is_full() const { return held_ >= limits::kMaxHeldReadBytes; }
  [[nodiscard]] std::size_t held_bytes() const { return held_; }

  void take(std::size_t bytes) { held_ += bytes; }
  void give(std::size_t bytes) { held_ -= bytes; }

 private:
  std::size_t held_ = 0;
};

}  // namespace flashstor::objects
