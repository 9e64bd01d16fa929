#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "s3d/ops/limits.h"
#include "s3d/ops/request_record.h"

namespace flashstor::s3d {

/// Hands the records of requests to whoever listens (`admin trace`). Off, it costs one relaxed load a
/// request. A listener that does not keep up loses records and is told how many. Threads: any.
class TraceHub {
 public:
  /// One listener's queue; stops listening when it dies.
  class Subscription {
   public:
    explicit Subscription(TraceHub& hub) : hub_(hub) {}
    Subscription(const Subscription&) = delete;
    Subscription& operator=(const Subscription&) = delete;
    ~Subscription() { hub_.remove(*this); }
    /// Everything that waits, oldest first. The caller comes back every some 100 ms.
    [[nodiscard]] std::vector<RequestRecord> take();
    /// Records lost since the last call.
    [[nodiscard]] std::uint64_t take_dropped() { return dropped_.exchange(0, std::memory_order_relaxed); }

   private:
    friend class TraceHub;
    TraceHub& hub_;
    std::mutex mutex_;
    std::deque<RequestRecord> queue_;
    std::atomic<std::uint64_t> dropped_{0};
  };

  /// nullptr when kMaxTraceListeners listen already. The hub must outlive it.
  [[nodiscard]] std::unique_ptr<Subscription> subscribe();
  [[nodiscard]] bool listening() const { return listeners_.load(std::memory_order_relaxed) > 0; }
  void publish(const RequestRecord& record);

 private:
  void remove(Subscription& subscription);
  std::atomic<std::size_t> listeners_{0};
  std::mutex mutex_;
  std::vector<Subscription*> subscriptions_;
};

}  // namespace flashstor::s3d
