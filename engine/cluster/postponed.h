#pragma once

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "engine/base/time.h"
#include "engine/cluster/limits.h"

namespace flashstor::cluster {

/// A pause before another try, which doubles with each try in vain, from `first` up to `longest`.
class GrowingPause {
 public:
  GrowingPause(Nanoseconds first, Nanoseconds longest) : first_(first), longest_(longest) {}
  /// The pause that follows a try in vain.
  Nanoseconds grow() { return length_ = std::clamp<Nanoseconds>(length_ * 2, first_, longest_); }
  /// A try did what it should: the next failure is the first one again.
  void reset() { length_ = {}; }

 private:
  Nanoseconds first_;
  Nanoseconds longest_;
  Nanoseconds length_{0};
};

/// Rows of the heal queue that a leader has tried in vain, for too few shards or drives stand. They are tried
/// again together, after a pause that grows as long as any of them stays, or at once when forget() says that
/// something has changed. What exceeds kMaxPostponed is not remembered, and so is tried by every pass.
/// Threads: none of its own; the home loop of the set.
class Postponed {
 public:
  /// The row at `key` was tried in vain.
  void add(std::string key, MonotonicTime now) {
    if (keys_.size() >= limits::kMaxPostponed) return;
    if (!due_) due_ = now + pause_.grow();
    keys_.insert(std::move(key));
  }
  /// Whether the row at `key` stays as it is for now.
  [[nodiscard]] bool contains(std::string_view key) const { return keys_.contains(key); }
  /// Before a pass through the queue: whatever is due by now is to be tried again.
  void begin_pass(MonotonicTime now) {
    if (!due_ || now < *due_) return;
    keys_.clear();
    due_.reset();
  }
  /// After a pass that came to its end.
  void end_pass() {
    if (keys_.empty()) pause_.reset();
  }
  /// A drive or a node is back, another leader begins, or somebody asks: all may be tried at once.
  void forget() {
    keys_.clear();
    due_.reset();
    pause_.reset();
  }

 private:
  std::set<std::string, std::less<>> keys_;
  std::optional<MonotonicTime> due_;
  GrowingPause pause_{limits::kHealPeriod, limits::kLongestHealPause};
};

}  // namespace flashstor::cluster
