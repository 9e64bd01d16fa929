#pragma once

#include <uv.h>

#include <atomic>
#include <functional>

#include "engine/async/runtime.h"
#include "engine/async/turn_times.h"

namespace flashstor::async {

/// A libuv loop as a Runtime: one per thread. Posted work is drained in batches behind one uv_async.
class UvRuntime final : public Runtime {
 public:
  UvRuntime();
  ~UvRuntime() override;

  void post(Work& work) override;
  [[nodiscard]] MonotonicTime now() override;
  [[nodiscard]] WallTime wall_now() override;
  [[nodiscard]] Random& random() override { return random_; }
  void arm(TimerNode& timer) override;
  void disarm(TimerNode& timer) override;

  /// Runs the loop on the calling thread until `stop`. The thread's `Runtime::current()` is this one
  /// meanwhile.
  void run();
  /// Ends `run` after the work that is queued now. From any thread.
  void stop();
  /// Runs the loop until `task` has ended and gives its result. For mains and tests.
  template <class T>
  T run_until(Task<T> task);
  [[nodiscard]] uv_loop_t* loop() { return &loop_; }
  [[nodiscard]] const TurnTimes& turns() const { return turns_; }

 private:
  void drain();
  void schedule();
  void end_turn();

  uv_loop_t loop_{};
  uv_async_t wake_{};
  uv_timer_t timer_{};
  uv_prepare_t prepare_{};
  uv_check_t check_{};
  std::uint64_t turn_began_ = 0;  // uv_hrtime
  std::uint64_t idle_before_ = 0;
  TurnTimes turns_;
  std::atomic<Work*> posted_{nullptr};
  TimerSet timers_;
  base::SystemRandom random_;
};

template <class T>
T UvRuntime::run_until(Task<T> task) {
  if constexpr (std::is_void_v<T>) {
    start_detached([](UvRuntime* self, Task<void> inner) -> Task<void> {
      co_await switch_to(*self);
      co_await std::move(inner);
      self->stop();
    }(this, std::move(task)));
    run();
  } else {
    std::optional<T> result;
    start_detached([](UvRuntime* self, Task<T> inner, std::optional<T>* out) -> Task<void> {
      co_await switch_to(*self);
      out->emplace(co_await std::move(inner));
      self->stop();
    }(this, std::move(task), &result));
    run();
    return std::move(*result);
  }
}

}  // namespace flashstor::async
