#include "engine/async/runtime.h"

#include <memory>

namespace flashstor::async {
namespace {

thread_local Runtime* current_runtime = nullptr;

struct FunctionWork : Work {
  std::move_only_function<void()> function;
};

}  // namespace

Runtime* Runtime::current() { return current_runtime; }
void Runtime::set_current(Runtime* runtime) { current_runtime = runtime; }

void Runtime::post_function(std::move_only_function<void()> function) {
  auto work = std::make_unique<FunctionWork>();
  work->function = std::move(function);
  work->run = [](Work* self) {
    const std::unique_ptr<FunctionWork> owned(static_cast<FunctionWork*>(self));
    owned->function();
  };
  post(*work.release());
}

void TimerSet::arm(TimerNode& timer) {
  disarm(timer);
  timer.armed = true;
  timers_.emplace(timer.at, &timer);
}

void TimerSet::disarm(TimerNode& timer) {
  if (!timer.armed) return;
  timer.armed = false;
  timers_.erase({timer.at, &timer});
}

void TimerSet::fire_due(MonotonicTime now) {
  while (!timers_.empty() && timers_.begin()->first <= now) {
    TimerNode* timer = timers_.begin()->second;
    timers_.erase(timers_.begin());
    timer->armed = false;
    timer->fire(timer);
  }
}

}  // namespace flashstor::async
