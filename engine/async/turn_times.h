#pragma once

#include <array>

#include "engine/base/metrics.h"
#include "engine/base/time.h"

namespace flashstor::async {

/// How long a loop was busy in each of its turns: whatever happens during one waits for its end. One writer,
/// the loop; read from any thread.
class TurnTimes {
 public:
  /// Upper bounds of the histogram, in seconds.
  static constexpr std::array<double, 9> kBounds = {0.0001, 0.00025, 0.0005, 0.001, 0.0025,
                                                    0.005,  0.01,    0.05,   0.25};
  using Counts = std::array<std::uint64_t, kBounds.size() + 1>;

  void add(Nanoseconds busy) {
    const double seconds = static_cast<double>(busy.count()) / 1e9;
    std::size_t at = 0;
    while (at < kBounds.size() && seconds > kBounds[at]) ++at;
    counts_[at].add();
    sum_.add(static_cast<std::uint64_t>(busy.count()));
  }
  /// Turns within each bound and above the one before; one more for the rest.
  [[nodiscard]] Counts counts() const {
    Counts counts{};
    for (std::size_t i = 0; i < counts.size(); ++i) counts[i] = counts_[i].value();
    return counts;
  }
  [[nodiscard]] double seconds() const { return static_cast<double>(sum_.value()) / 1e9; }

 private:
  std::array<base::Count, kBounds.size() + 1> counts_;
  base::Count sum_;
};

}  // namespace flashstor::async
