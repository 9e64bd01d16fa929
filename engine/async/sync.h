#pragma once

#include <coroutine>
#include <cstddef>
#include <deque>
#include <optional>
#include <vector>

#include "engine/async/runtime.h"

/// Waiting between coroutines of one runtime. Nothing here is safe across threads; cross over with switch_to
/// or run_on.
namespace flashstor::async {

/// A list of suspended coroutines, woken through the runtime's queue so that the waker's stack does not grow.
class WaitList {
 public:
  /// A place in the list, embedded in an awaiter.
  struct Waiter : Work, TimerNode {
    std::coroutine_handle<> handle;
    WaitList* list = nullptr;  ///< Null once woken.
    Waiter* before = nullptr;
    Waiter* after = nullptr;
    bool woken = false;      ///< False when the deadline came first.
    bool exclusive = false;  ///< Free for the owner of the list.
  };
  WaitList() = default;
  WaitList(const WaitList&) = delete;
  WaitList& operator=(const WaitList&) = delete;
  ~WaitList() { FLASHSTOR_CHECK(first_ == nullptr); }

  [[nodiscard]] bool empty() const { return first_ == nullptr; }
  [[nodiscard]] Waiter* first() const { return first_; }
  void add(Waiter& waiter);
  void remove(Waiter& waiter);
  /// Wakes one waiter: it resumes from the queue of the runtime that it waits on.
  void wake(Waiter& waiter);
  void wake_all() {
    while (first_ != nullptr) wake(*first_);
  }

 private:
  Waiter* first_ = nullptr;
  Waiter* last_ = nullptr;
};

/// Awaits a place in a WaitList, optionally until a deadline. Gives true when woken, false when the deadline
/// came first.
class WaitFor {
 public:
  WaitFor(WaitList& list, std::optional<MonotonicTime> deadline) : list_(list), deadline_(deadline) {}
  WaitFor(const WaitFor&) = delete;
  WaitFor& operator=(const WaitFor&) = delete;
  ~WaitFor();
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiting);
  bool await_resume() const noexcept { return waiter_.woken; }
  WaitList::Waiter& waiter() { return waiter_; }

 private:
  WaitList& list_;
  std::optional<MonotonicTime> deadline_;
  WaitList::Waiter waiter_;
};

/// Set once and stays set; any number wait.
class Event {
 public:
  void set() {
    set_ = true;
    list_.wake_all();
  }
  void reset() { set_ = false; }
  [[nodiscard]] bool is_set() const { return set_; }
  Task<void> wait();
  /// True when set, false when `deadline` came first.
  Task<bool> wait_until(MonotonicTime deadline);

 private:
  bool set_ = false;
  WaitList list_;
};

/// Wakes everybody who waits now; remembers nothing.
class Signal {
 public:
  void notify_all() { list_.wake_all(); }
  void notify_one() {
    if (!list_.empty()) list_.wake(*list_.first());
  }
  [[nodiscard]] bool has_waiters() const { return !list_.empty(); }
  Task<void> wait() { co_await WaitFor(list_, std::nullopt); }
  Task<bool> wait_until(MonotonicTime deadline) { co_return co_await WaitFor(list_, deadline); }

 private:
  WaitList list_;
};

/// Counts permits; waiters are served in order of arrival.
class Semaphore {
 public:
  explicit Semaphore(std::size_t permits) : permits_(permits) {}
  /// Takes `count` permits, waiting for them. Whoever takes gives back with `release`.
  Task<void> acquire(std::size_t count = 1);
  bool try_acquire(std::size_t count = 1);
  void release(std::size_t count = 1);
  [[nodiscard]] std::size_t available() const { return permits_; }

 private:
  std::size_t permits_;
  bool handing_ = false;
  WaitList list_;
};

/// A bounded queue between coroutines of one runtime. `close` lets readers drain what is left.
template <class T>
class Channel {
 public:
  explicit Channel(std::size_t capacity) : capacity_(capacity) {}
  /// Waits for room. False when the channel is closed (the value is dropped).
  Task<bool> push(T value) {
    while (!closed_ && items_.size() >= capacity_) co_await room_.wait();
    if (closed_) co_return false;
    items_.push_back(std::move(value));
    filled_.notify_one();
    co_return true;
  }
  /// The same until `deadline`: false, and the value is dropped, when there was no room by then.
  Task<bool> push_until(T value, MonotonicTime deadline) {
    while (!closed_ && items_.size() >= capacity_)
      if (!co_await room_.wait_until(deadline) && items_.size() >= capacity_) co_return false;
    if (closed_) co_return false;
    items_.push_back(std::move(value));
    filled_.notify_one();
    co_return true;
  }
  /// Waits for a value; nothing when closed and empty.
  Task<std::optional<T>> pop() {
    while (items_.empty() && !closed_) co_await filled_.wait();
    if (items_.empty()) co_return std::nullopt;
    T value = std::move(items_.front());
    items_.pop_front();
    room_.notify_one();
    co_return value;
  }
  void close() {
    closed_ = true;
    room_.notify_all();
    filled_.notify_all();
  }
  [[nodiscard]] std::size_t size() const { return items_.size(); }

 private:
  std::size_t capacity_;
  bool closed_ = false;
  std::deque<T> items_;
  Signal room_;
  Signal filled_;
};

/// Keeps count of detached work. `spawn` refuses after `close`; `close` waits until all of it has ended.
class Gate {
 public:
  /// Starts `task` at once, detached; dropped unstarted when the gate is closed. Gives false then.
  bool spawn(Task<void> task);
  [[nodiscard]] bool closed() const { return closed_; }
  [[nodiscard]] std::size_t running() const { return running_; }
  /// Refuses new work and waits for the running to end. Ask it to stop before.
  Task<void> close();

 private:
  Task<void> run(Task<void> task);
  std::size_t running_ = 0;
  bool closed_ = false;
  Signal idle_;
};

}  // namespace flashstor::async
