#pragma once

#include <cstddef>

namespace flashstor::s3d {

/// How many bytes of XML and JSON bodies one loop holds in memory at once, whoever sends them: beyond it a
/// request is asked to come again. What streams (objects, parts) is not counted here. Threads: one.
class BodyBudget {
 public:
  explicit BodyBudget(std::size_t max_bytes) : left_(max_bytes) {}
  BodyBudget(const BodyBudget&) = delete;
  BodyBudget& operator=(const BodyBudget&) = delete;

  /// False, and nothing taken, when it would be exceeded.
  [[nodiscard]] bool take(std::size_t bytes) {
    if (bytes > left_) return false;
    left_ -= bytes;
    return true;
  }
  void give(std::size_t bytes) { left_ += bytes; }

 private:
  std::size_t left_;
};

}  // namespace flashstor::s3d
