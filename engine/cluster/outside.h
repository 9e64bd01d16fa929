#pragma once

#include <atomic>
#include <cstdint>

namespace flashstor::cluster {

/// Counts work of any loop inside a set, which waits for it before it closes.
class Outside {
 public:
  explicit Outside(std::atomic<std::uint64_t>& count) : count_(&count) { count_->fetch_add(1); }
  Outside(const Outside& other) : Outside(*other.count_) {}
  Outside& operator=(const Outside&) = delete;
  ~Outside() { count_->fetch_sub(1); }

 private:
  std::atomic<std::uint64_t>* count_;
};

}  // namespace flashstor::cluster
