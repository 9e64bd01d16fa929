#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace flashstor::cli {

/// The only threads of flashctl: a few that run transfers, fed in order from a bounded queue.
/// A task must not call `submit` or `drain`; all others may, one thread at a time.
class TransferPool {
 public:
  /// `tick` runs on the submitting thread while it waits, ten times a second.
  explicit TransferPool(std::size_t threads, std::function<void()> tick = {});
  TransferPool(const TransferPool&) = delete;
  TransferPool& operator=(const TransferPool&) = delete;
  ~TransferPool();
  /// Waits while the queue is full.
  void submit(std::function<void()> task);
  /// Waits until all that was submitted has run.
  void drain();

 private:
  void work();
  template <class Condition>
  void wait_for(std::unique_lock<std::mutex>& lock, Condition condition);
  std::function<void()> tick_;
  std::mutex mutex_;
  std::condition_variable has_task_;
  std::condition_variable has_room_;
  std::deque<std::function<void()>> tasks_;
  std::size_t running_ = 0;
  bool closing_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace flashstor::cli
