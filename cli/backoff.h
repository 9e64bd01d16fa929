#pragma once

#include <algorithm>
#include <chrono>

#include "cli/clock.h"
#include "cli/interrupt.h"
#include "cli/limits.h"
#include "engine/base/random.h"

namespace flashstor::cli {

/// Waits between the attempts of one request: longer each time, and never in step with other clients.
class Backoff {
 public:
  /// False when the user asked to stop meanwhile.
  [[nodiscard]] bool wait() {
    const auto longest = static_cast<std::uint64_t>(next_.count());
    pause_for(Milliseconds(longest / 2 + random_.below(longest / 2 + 1)));
    next_ = std::min(next_ * 3, Milliseconds(5000));
    return !interrupted();
  }

 private:
  base::SystemRandom random_;
  Milliseconds next_ = limits::kFirstBackoff;
};

}  // namespace flashstor::cli
