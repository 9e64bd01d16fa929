#include "engine/async/uv_runtime.h"

#include <chrono>
#include <ctime>

namespace flashstor::async {

UvRuntime::UvRuntime() {
  FLASHSTOR_CHECK(uv_loop_init(&loop_) == 0);
  loop_.data = this;
  wake_.data = this;
  timer_.data = this;
  prepare_.data = this;
  check_.data = this;
  FLASHSTOR_CHECK(uv_loop_configure(&loop_, UV_METRICS_IDLE_TIME) == 0);
  FLASHSTOR_CHECK(uv_async_init(&loop_, &wake_, [](uv_async_t* handle) {
                    static_cast<UvRuntime*>(handle->data)->drain();
                  }) == 0);
  FLASHSTOR_CHECK(uv_timer_init(&loop_, &timer_) == 0);
  // Timers are looked at once per turn of the loop: arming one costs no system call and no heap operation of
  // libuv.
  FLASHSTOR_CHECK(uv_prepare_init(&loop_, &prepare_) == 0);
  uv_prepare_start(&prepare_,
                   [](uv_prepare_t* handle) { static_cast<UvRuntime*>(handle->data)->schedule(); });
  FLASHSTOR_CHECK(uv_check_init(&loop_, &check_) == 0);
  uv_check_start(&check_, [](uv_check_t* handle) { static_cast<UvRuntime*>(handle->data)->end_turn(); });
}

UvRuntime::~UvRuntime() {
  uv_walk(
      &loop_,
      [](uv_handle_t* handle, void*) {
        if (uv_is_closing(handle) == 0) uv_close(handle, nullptr);
      },
      nullptr);
  uv_run(&loop_, UV_RUN_DEFAULT);
  FLASHSTOR_CHECK(uv_loop_close(&loop_) == 0);
}

void UvRuntime::post(Work& work) {
  Work* head = posted_.load(std::memory_order_relaxed);
  do {
    work.next = head;
  } while (!posted_.compare_exchange_weak(head, &work, std::memory_order_release, std::memory_order_relaxed));
  if (head == nullptr) uv_async_send(&wake_);  // whoever finds the queue empty rings; the rest ride along
}

void UvRuntime::drain() {
  // Bounded, so that work which posts work cannot starve the sockets.
  for (int round = 0; round < 16; ++round) {
    Work* stack = posted_.exchange(nullptr, std::memory_order_acquire);
    if (stack == nullptr) return;
    Work* ordered = nullptr;
    while (stack != nullptr) {
      Work* next = stack->next;
      stack->next = ordered;
      ordered = stack;
      stack = next;
    }
    while (ordered != nullptr) {
      Work* next = ordered->next;  // read first: running may free it
      ordered->run(ordered);
      ordered = next;
    }
  }
  uv_async_send(&wake_);
}

// Not uv_hrtime's clock, which stands still while the machine sleeps: a leader that wakes up must not think
// that its lease still runs.
MonotonicTime UvRuntime::now() {
  timespec time{};
  clock_gettime(CLOCK_BOOTTIME, &time);
  return MonotonicTime(std::chrono::seconds(time.tv_sec) + Nanoseconds(time.tv_nsec));
}

WallTime UvRuntime::wall_now() {
  return std::chrono::time_point_cast<Nanoseconds>(std::chrono::system_clock::now());
}

void UvRuntime::arm(TimerNode& timer) { timers_.arm(timer); }
void UvRuntime::disarm(TimerNode& timer) { timers_.disarm(timer); }

void UvRuntime::schedule() {
  const auto fire = [](uv_timer_t* handle) {
    auto* self = static_cast<UvRuntime*>(handle->data);
    self->timers_.fire_due(self->now());
  };
  if (timers_.empty()) {
    uv_timer_stop(&timer_);
    return;
  }
  const auto wait = timers_.earliest() - now();
  const auto milliseconds = wait.count() <= 0 ? 0 : (wait.count() + 999'999) / 1'000'000;
  uv_update_time(&loop_);
  uv_timer_start(&timer_, fire, static_cast<std::uint64_t>(milliseconds), 0);
}

// libuv asks here right after it has run what the poller found.
void UvRuntime::end_turn() {
  const std::uint64_t now = uv_hrtime();
  const std::uint64_t idle = uv_metrics_idle_time(&loop_);
  const std::uint64_t passed = now - turn_began_;
  const std::uint64_t waited = idle - idle_before_;
  if (turn_began_ != 0 && passed > waited) turns_.add(Nanoseconds(passed - waited));
  turn_began_ = now;
  idle_before_ = idle;
}

void UvRuntime::run() {
  Runtime* before = current();
  set_current(this);
  uv_run(&loop_, UV_RUN_DEFAULT);
  set_current(before);
}

void UvRuntime::stop() {
  post_function([this] { uv_stop(&loop_); });
}

}  // namespace flashstor::async
