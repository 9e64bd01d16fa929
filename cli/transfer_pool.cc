#include "cli/transfer_pool.h"

#include <algorithm>
#include <chrono>

#include "cli/limits.h"

namespace flashstor::cli {

TransferPool::TransferPool(std::size_t threads, std::function<void()> tick) : tick_(std::move(tick)) {
  threads = std::clamp<std::size_t>(threads, 1, limits::kMaxTransfers);
  for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
}

TransferPool::~TransferPool() {
  drain();
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  has_task_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

template <class Condition>
void TransferPool::wait_for(std::unique_lock<std::mutex>& lock, Condition condition) {
  while (!condition()) {
    has_room_.wait_for(lock, std::chrono::milliseconds(100));
    if (!tick_) continue;
    lock.unlock();
    tick_();
    lock.lock();
  }
}

void TransferPool::submit(std::function<void()> task) {
  std::unique_lock lock(mutex_);
  wait_for(lock, [&] { return tasks_.size() < limits::kQueuedTransfers; });
  tasks_.push_back(std::move(task));
  lock.unlock();
  has_task_.notify_one();
}

void TransferPool::drain() {
  std::unique_lock lock(mutex_);
  wait_for(lock, [&] { return tasks_.empty() && running_ == 0; });
}

void TransferPool::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    has_task_.wait(lock, [&] { return closing_ || !tasks_.empty(); });
    if (tasks_.empty()) return;
    std::function<void()> task = std::move(tasks_.front());
    tasks_.pop_front();
    ++running_;
    lock.unlock();
    task();
    task = nullptr;  // What it held goes before the pool counts as idle.
    lock.lock();
    --running_;
    has_room_.notify_one();
  }
}

}  // namespace flashstor::cli
