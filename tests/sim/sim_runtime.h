#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>

#include "engine/async/runtime.h"
#include "engine/async/work_pool.h"
#include "engine/base/random.h"
#include "tests/sim/sim_events.h"

namespace flashstor::sim {

class SimRuntime;

/// One virtual clock and one queue of what is to happen, shared by all runtimes of a simulation. Nothing here
/// waits for real time; two events of the same time happen in the order in which they were scheduled.
class SimWorld {
 public:
  explicit SimWorld(std::uint64_t seed) : random_(seed) {}
  SimWorld(const SimWorld&) = delete;
  SimWorld& operator=(const SimWorld&) = delete;

  using Action = std::function<void()>;
  void after(Nanoseconds delay, Action action) { queue_.push(now_ + delay.count(), std::move(action)); }
  /// Runs one event. False when none is left.
  bool step();
  /// Runs until `done` says so; false when nothing was left to do, or `limit` of virtual time went by.
  bool run_until(const std::function<bool()>& done, Nanoseconds limit);
  /// Runs all that happens within `duration`.
  void run_for(Nanoseconds duration);
  [[nodiscard]] std::int64_t now_ns() const { return now_; }
  [[nodiscard]] Random& random() { return random_; }
  [[nodiscard]] Digest& digest() { return digest_; }

 private:
  EventQueue<Action> queue_;
  std::int64_t now_ = 0;
  base::SeededRandom random_;
  Digest digest_;
};

/// How a node's clocks differ from true time.
struct ClockSkew {
  Nanoseconds offset{0};
  std::int64_t parts_per_million = 0;
  Nanoseconds wall_offset{0};
};

/// A node's event loop in virtual time. `halt` freezes it for good, as a crash does: nothing queued on it
/// runs any more, and whoever owns its coroutines keeps their frames until the simulation ends.
class SimRuntime final : public Runtime {
 public:
  SimRuntime(SimWorld& world, ClockSkew skew = {});
  ~SimRuntime() override;

  void post(async::Work& work) override;
  [[nodiscard]] MonotonicTime now() override;
  [[nodiscard]] WallTime wall_now() override;
  [[nodiscard]] Random& random() override { return world_.random(); }
  void arm(async::TimerNode& timer) override;
  void disarm(async::TimerNode& timer) override;

  void halt() { *alive_ = false; }
  [[nodiscard]] bool halted() const { return !*alive_; }
  /// Nothing of it runs for so long, as after SIGSTOP; its clock goes on.
  void pause(Nanoseconds duration) { paused_until_ = world_.now_ns() + duration.count(); }
  void resume() { paused_until_ = 0; }
  [[nodiscard]] bool paused() const { return world_.now_ns() < paused_until_; }
  [[nodiscard]] SimWorld& world() { return world_; }
  /// Runs `body` as if on this runtime's thread.
  template <class F>
  void enter(F&& body) {
    Runtime* before = current();
    set_current(this);
    body();
    set_current(before);
  }
  /// Starts `task` and runs the world until it has ended; gives its result. For tests.
  template <class T>
  T run_until(Task<T> task, Nanoseconds limit = std::chrono::hours(1));

 private:
  void drain();
  void schedule_timers();
  void when_running(Nanoseconds delay, std::function<void()> action);

  SimWorld& world_;
  ClockSkew skew_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  async::Work* first_ = nullptr;
  async::Work* last_ = nullptr;
  bool drain_queued_ = false;
  std::int64_t paused_until_ = 0;
  void fire_due();

  /// In order of time and then of arming: an order by address would differ from run to run.
  std::map<std::pair<MonotonicTime, std::uint64_t>, async::TimerNode*> timers_;
  std::unordered_map<async::TimerNode*, std::uint64_t> armed_;
  std::uint64_t next_timer_ = 0;
  std::int64_t timers_at_ = INT64_MAX;  ///< True time of the earliest wake-up that is scheduled.
};

/// A WorkPool whose work takes virtual time: each piece runs whole, after a delay drawn from the seed.
class SimWorkPool final : public WorkPool {
 public:
  SimWorkPool(SimWorld& world, Nanoseconds longest) : world_(world), longest_(longest) {}
  void submit(async::Work& work) override;
  /// As after a crash: what was submitted and has not run never does.
  void halt() { *alive_ = false; }
  [[nodiscard]] bool idle() const { return waiting_ == 0; }

 private:
  SimWorld& world_;
  Nanoseconds longest_;
  std::size_t waiting_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

template <class T>
T SimRuntime::run_until(Task<T> task, Nanoseconds limit) {
  bool done = false;
  if constexpr (std::is_void_v<T>) {
    enter([&] {
      async::start_detached([](Task<void> inner, bool* ended) -> Task<void> {
        co_await std::move(inner);
        *ended = true;
      }(std::move(task), &done));
    });
    FLASHSTOR_CHECK(world_.run_until([&done] { return done; }, limit));
  } else {
    std::optional<T> result;
    enter([&] {
      async::start_detached([](Task<T> inner, std::optional<T>* out, bool* ended) -> Task<void> {
        out->emplace(co_await std::move(inner));
        *ended = true;
      }(std::move(task), &result, &done));
    });
    FLASHSTOR_CHECK(world_.run_until([&done] { return done; }, limit));
    return std::move(*result);
  }
}

}  // namespace flashstor::sim
