#include "tests/sim/sim_runtime.h"

#include <algorithm>
#include <utility>

namespace flashstor::sim {
namespace {

constexpr std::int64_t kMillion = 1'000'000;
constexpr std::int64_t kFirstWallNs = 1'700'000'000'000'000'000;

}  // namespace

bool SimWorld::step() {
  if (queue_.empty()) return false;
  now_ = std::max(now_, queue_.next_at());
  const Action action = queue_.pop();
  digest_.add(static_cast<std::uint64_t>(now_));
  action();
  return true;
}

bool SimWorld::run_until(const std::function<bool()>& done, Nanoseconds limit) {
  const std::int64_t end = now_ + limit.count();
  while (!done()) {
    if (queue_.empty() || queue_.next_at() > end) return false;
    step();
  }
  return true;
}

void SimWorld::run_for(Nanoseconds duration) {
  const std::int64_t end = now_ + duration.count();
  while (!queue_.empty() && queue_.next_at() <= end) step();
  now_ = end;
}

SimRuntime::SimRuntime(SimWorld& world, ClockSkew skew) : world_(world), skew_(skew) {}
SimRuntime::~SimRuntime() { *alive_ = false; }

MonotonicTime SimRuntime::now() {
  const std::int64_t real = world_.now_ns();
  return MonotonicTime(skew_.offset + Nanoseconds(real + real / kMillion * skew_.parts_per_million));
}

WallTime SimRuntime::wall_now() {
  return WallTime(std::chrono::duration_cast<WallTime::duration>(Nanoseconds(kFirstWallNs + world_.now_ns()) +
                                                                 skew_.wall_offset));
}

void SimRuntime::post(async::Work& work) {
  work.next = nullptr;
  (last_ == nullptr ? first_ : last_->next) = &work;
  last_ = &work;
  if (drain_queued_) return;
  drain_queued_ = true;
  when_running(Nanoseconds(1), [this] { drain(); });
}

void SimRuntime::when_running(Nanoseconds delay, std::function<void()> action) {
  world_.after(delay, [this, alive = alive_, action = std::move(action)]() mutable {
    if (!*alive) return;
    if (!paused()) return action();
    // Looked at again now and then: it may be resumed early.
    const Nanoseconds left(paused_until_ - world_.now_ns());
    when_running(std::min<Nanoseconds>(left, Milliseconds(100)), std::move(action));
  });
}

void SimRuntime::drain() {
  drain_queued_ = false;
  enter([this] {
    async::Work* work = std::exchange(first_, nullptr);  // what they post runs in the next round
    last_ = nullptr;
    while (work != nullptr && *alive_) {
      async::Work* next = work->next;
      work->run(work);
      work = next;
    }
  });
}

void SimRuntime::arm(async::TimerNode& timer) {
  disarm(timer);
  timer.armed = true;
  const std::uint64_t order = next_timer_++;
  armed_[&timer] = order;
  timers_.emplace(std::pair(timer.at, order), &timer);
  schedule_timers();
}

void SimRuntime::disarm(async::TimerNode& timer) {
  if (!timer.armed) return;
  timer.armed = false;
  const auto found = armed_.find(&timer);
  timers_.erase({timer.at, found->second});
  armed_.erase(found);
}

void SimRuntime::fire_due() {
  while (!timers_.empty() && timers_.begin()->first.first <= now()) {
    async::TimerNode* timer = timers_.begin()->second;
    timers_.erase(timers_.begin());
    armed_.erase(timer);
    timer->armed = false;
    timer->fire(timer);
  }
}

void SimRuntime::schedule_timers() {
  if (timers_.empty()) return;
  const std::int64_t local = (timers_.begin()->first.first - now()).count();
  const std::int64_t wait = local <= 0 ? 1 : local - local / kMillion * skew_.parts_per_million + 1;
  const std::int64_t at = world_.now_ns() + std::max<std::int64_t>(wait, 1);
  if (at >= timers_at_) return;
  timers_at_ = at;
  when_running(Nanoseconds(at - world_.now_ns()), [this, at, alive = alive_] {
    if (timers_at_ != at) return;
    timers_at_ = INT64_MAX;
    enter([this] { fire_due(); });
    if (*alive) schedule_timers();
  });
}

void SimWorkPool::submit(async::Work& work) {
  const auto longest = static_cast<std::uint64_t>(longest_.count());
  const Nanoseconds delay(
      1 + static_cast<std::int64_t>(world_.random().below(std::max<std::uint64_t>(longest, 1))));
  ++waiting_;
  world_.after(delay, [this, &work, alive = alive_] {
    if (!*alive) return;
    --waiting_;
    work.run(&work);
  });
}

}  // namespace flashstor::sim
