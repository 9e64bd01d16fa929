#include "tests/sim/sim_runtime.h"

#include <gtest/gtest.h>

#include "engine/async/sync.h"
#include "tests/sim/sim_runtime.cc"  // NOLINT(bugprone-suspicious-include): the simulator is not a library

namespace flashstor::sim {
namespace {

Task<int> sleep_and_give(Runtime& runtime, Nanoseconds duration, int value) {
  co_await async::sleep_for(runtime, duration);
  co_return value;
}

Task<std::int64_t> compute(SimWorld& world, WorkPool& pool) {
  co_return co_await async::offload(pool, [&world] { return world.now_ns(); });
}

TEST(SimRuntime, SleepsInVirtualTime) {
  SimWorld world(1);
  SimRuntime runtime(world, {.offset = std::chrono::seconds(5)});
  const MonotonicTime begun = runtime.now();
  EXPECT_EQ(runtime.run_until(sleep_and_give(runtime, std::chrono::minutes(30), 7)), 7);
  EXPECT_GE(runtime.now() - begun, std::chrono::minutes(30));
  EXPECT_LT(runtime.now() - begun, std::chrono::minutes(31));
}

TEST(SimRuntime, SkewedClocksDoNotFireEarly) {
  for (const std::int64_t skew : {-50'000, 50'000}) {
    SimWorld world(1);
    SimRuntime runtime(world, {.parts_per_million = skew});
    const MonotonicTime begun = runtime.now();
    EXPECT_EQ(runtime.run_until(sleep_and_give(runtime, std::chrono::seconds(10), 1)), 1);
    EXPECT_GE(runtime.now() - begun, std::chrono::seconds(10));
    EXPECT_LT(runtime.now() - begun, std::chrono::milliseconds(10'100));
  }
}

TEST(SimRuntime, PoolWorkTakesVirtualTimeAndReplays) {
  std::int64_t first = 0;
  for (int i = 0; i < 2; ++i) {
    SimWorld world(9);
    SimRuntime runtime(world);
    SimWorkPool pool(world, std::chrono::milliseconds(1));
    const std::int64_t at = runtime.run_until(compute(world, pool));
    EXPECT_GT(at, 0);
    if (i == 1) EXPECT_EQ(at, first);
    first = at;
  }
}

TEST(SimRuntime, HaltedRuntimeRunsNothing) {
  SimWorld world(1);
  SimRuntime runtime(world);
  int runs = 0;
  struct Counting : async::Work {
    int* count = nullptr;
  } work;
  work.count = &runs;
  work.run = [](async::Work* self) { ++*static_cast<Counting*>(self)->count; };
  runtime.post(work);
  runtime.halt();
  world.run_for(std::chrono::seconds(1));
  EXPECT_EQ(runs, 0);
}

}  // namespace
}  // namespace flashstor::sim
