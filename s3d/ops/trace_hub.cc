#include "s3d/ops/trace_hub.h"

#include <algorithm>
#include <iterator>

namespace flashstor::s3d {

std::vector<RequestRecord> TraceHub::Subscription::take() {
  const std::lock_guard lock(mutex_);
  std::vector<RequestRecord> out(std::make_move_iterator(queue_.begin()),
                                 std::make_move_iterator(queue_.end()));
  queue_.clear();
  return out;
}

std::unique_ptr<TraceHub::Subscription> TraceHub::subscribe() {
  auto subscription = std::make_unique<Subscription>(*this);
  {
    const std::lock_guard lock(mutex_);
    if (subscriptions_.size() < ops_limits::kMaxTraceListeners) {
      subscriptions_.push_back(subscription.get());
      listeners_.store(subscriptions_.size(), std::memory_order_relaxed);
      return subscription;
    }
  }
  return nullptr;  // The refused one dies here, outside the lock that its end takes.
}

void TraceHub::publish(const RequestRecord& record) {
  const std::lock_guard lock(mutex_);
  for (Subscription* subscription : subscriptions_) {
    const std::lock_guard queue_lock(subscription->mutex_);
    if (subscription->queue_.size() >= ops_limits::kMaxTraceQueue) {
      subscription->dropped_.fetch_add(1, std::memory_order_relaxed);
    } else {
      subscription->queue_.push_back(record);
    }
  }
}

void TraceHub::remove(Subscription& subscription) {
  const std::lock_guard lock(mutex_);
  std::erase(subscriptions_, &subscription);
  listeners_.store(subscriptions_.size(), std::memory_order_relaxed);
}

}  // namespace flashstor::s3d
