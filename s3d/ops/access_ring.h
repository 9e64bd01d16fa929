#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>

#include "s3d/ops/limits.h"
#include "s3d/ops/request_record.h"

namespace flashstor::s3d {

/// Records on their way from one loop to the log: one writer, one reader, no lock. A full ring refuses. Its
/// records are reused with their memory, so that a request allocates nothing for it in the long run.
class AccessRing {
 public:
  AccessRing() : records_(std::make_unique<std::array<RequestRecord, ops_limits::kAccessRingRecords>>()) {}

  /// False when it is full: the record is lost, which the caller counts. On the loop's thread.
  bool push(const RequestRecord& record) {
    const std::size_t head = head_.load(std::memory_order_relaxed);
    if (head - tail_.load(std::memory_order_acquire) == records_->size()) return false;
    (*records_)[head % records_->size()] = record;
    head_.store(head + 1, std::memory_order_release);
    return true;
  }
  /// Calls `visit` with each record that waits, at most `max`; gives how many there were. On the reader's
  /// thread.
  template <class Visit>
  std::size_t drain(std::size_t max, Visit visit) {
    const std::size_t tail = tail_.load(std::memory_order_relaxed);
    const std::size_t count = std::min(head_.load(std::memory_order_acquire) - tail, max);
    for (std::size_t i = 0; i < count; ++i) visit((*records_)[(tail + i) % records_->size()]);
    tail_.store(tail + count, std::memory_order_release);
    return count;
  }

 private:
  std::unique_ptr<std::array<RequestRecord, ops_limits::kAccessRingRecords>> records_;
  alignas(64) std::atomic<std::size_t> head_{0};
  alignas(64) std::atomic<std::size_t> tail_{0};
};

}  // namespace flashstor::s3d
