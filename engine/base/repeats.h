#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "engine/base/time.h"

namespace flashstor::base {

/// Keeps what happens over and over from filling the log: each thing is said once, then at most once a period
/// with how often it happened. Remembers `most` things; of more, the one that was said longest ago goes.
/// Threads: any.
class Repeats {
 public:
  explicit Repeats(Nanoseconds period, std::size_t most = 256) : period_(period), most_(most) {}

  /// `what` happened at `now`: how often since it was last said, with this time, if it is to be said now.
  std::optional<std::uint64_t> count(std::string_view what, MonotonicTime now);

 private:
  struct Thing {
    MonotonicTime said{};
    std::uint64_t times = 0;  ///< Since then.
  };
  Nanoseconds period_;
  std::size_t most_;
  std::mutex mutex_;
  std::map<std::string, Thing, std::less<>> things_;
};

/// What follows a line that stands for several: " (12 times since this was last said)", or nothing.
[[nodiscard]] std::string times_words(std::uint64_t times);

}  // namespace flashstor::base
