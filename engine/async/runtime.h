#pragma once

#include <atomic>
#include <coroutine>
#include <functional>
#include <set>
#include <utility>

#include "engine/async/task.h"
#include "engine/base/random.h"
#include "engine/base/time.h"

namespace flashstor::async {

/// A piece of work in an intrusive queue: embedded in whoever posts it, which must live until `run` was
/// called.
struct Work {
  void (*run)(Work* self) = nullptr;
  Work* next = nullptr;
};

/// A one-shot timer in an intrusive set: embedded in whoever waits, which disarms it before it dies.
struct TimerNode {
  MonotonicTime at{};
  void (*fire)(TimerNode* self) = nullptr;
  bool armed = false;
};

/// One event-loop thread as the engine sees it, and the only place where time and randomness come from:
/// UvRuntime in the product, SimRuntime in the simulator. All but `post` must be called on the runtime's own
/// thread.
class Runtime {
 public:
  Runtime() = default;
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;
  virtual ~Runtime() = default;

  /// Queues `work` to run on this runtime's thread, in order of posting. From any thread; never blocks.
  virtual void post(Work& work) = 0;
  [[nodiscard]] virtual MonotonicTime now() = 0;
  [[nodiscard]] virtual WallTime wall_now() = 0;
  [[nodiscard]] virtual Random& random() = 0;
  /// Fires `timer` once at or after `timer.at`.
  virtual void arm(TimerNode& timer) = 0;
  /// After this the timer does not fire. Harmless when it is not armed.
  virtual void disarm(TimerNode& timer) = 0;
  [[nodiscard]] bool on_this_thread() const { return current() == this; }

  /// The runtime whose thread this is, or nullptr on any other thread.
  static Runtime* current();
  /// Queues a function; allocates, so not for hot paths.
  void post_function(std::move_only_function<void()> function);

 protected:
  static void set_current(Runtime* runtime);
};

/// The timers of one runtime, in order. Shared by the implementations of Runtime.
class TimerSet {
 public:
  void arm(TimerNode& timer);
  void disarm(TimerNode& timer);
  [[nodiscard]] bool empty() const { return timers_.empty(); }
  [[nodiscard]] MonotonicTime earliest() const { return timers_.begin()->first; }
  /// Fires all that are due at `now`; each may arm and disarm others.
  void fire_due(MonotonicTime now);

 private:
  std::set<std::pair<MonotonicTime, TimerNode*>> timers_;
};

/// `co_await switch_to(runtime)`: goes on on that runtime's thread (through its queue, even if it is this
/// one).
class SwitchTo : Work {
 public:
  explicit SwitchTo(Runtime& target) : target_(target) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiting) {
    waiting_ = waiting;
    run = [](Work* self) { static_cast<SwitchTo*>(self)->waiting_.resume(); };
    target_.post(*this);
  }
  void await_resume() const noexcept {}

 private:
  Runtime& target_;
  std::coroutine_handle<> waiting_;
};
[[nodiscard]] inline SwitchTo switch_to(Runtime& target) { return SwitchTo(target); }

/// `co_await sleep_until(runtime, time)`.
class SleepUntil : TimerNode {
 public:
  SleepUntil(Runtime& runtime, MonotonicTime when) : runtime_(runtime) { at = when; }
  SleepUntil(const SleepUntil&) = delete;
  SleepUntil& operator=(const SleepUntil&) = delete;
  ~SleepUntil() { runtime_.disarm(*this); }
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiting) {
    waiting_ = waiting;
    fire = [](TimerNode* self) { static_cast<SleepUntil*>(self)->waiting_.resume(); };
    runtime_.arm(*this);
  }
  void await_resume() const noexcept {}

 private:
  Runtime& runtime_;
  std::coroutine_handle<> waiting_;
};
[[nodiscard]] inline SleepUntil sleep_until(Runtime& runtime, MonotonicTime when) { return {runtime, when}; }
[[nodiscard]] inline SleepUntil sleep_for(Runtime& runtime, Nanoseconds duration) {
  return {runtime, runtime.now() + duration};
}

/// Runs `task` on `home` from a coroutine on another runtime, and comes back with its result.
template <class T>
Task<T> run_on(Runtime& home, Task<T> task) {
  Runtime* back = Runtime::current();
  FLASHSTOR_CHECK(back != nullptr);
  if (back == &home) co_return co_await std::move(task);
  co_await switch_to(home);
  if constexpr (std::is_void_v<T>) {
    co_await std::move(task);
    co_await switch_to(*back);
  } else {
    T result = co_await std::move(task);
    co_await switch_to(*back);
    co_return result;
  }
}

}  // namespace flashstor::async

namespace flashstor {
using async::Runtime;
}
