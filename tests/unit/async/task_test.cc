#include "engine/async/task.h"

#include <gtest/gtest.h>

#include <latch>

#include "engine/async/gather.h"
#include "engine/async/group_offload.h"
#include "engine/async/sync.h"
#include "engine/async/uv_runtime.h"
#include "engine/async/work_pool.h"

namespace flashstor::async {
namespace {

Task<Result<int>> value_of(int value) { co_return value; }
Task<Result<int>> failing() { co_return fail(ErrorCode::kNoSuchKey, "gone"); }

Task<Result<int>> sum(bool broken, int* reached) {
  const int first = co_await or_return(value_of(1));
  const int second = co_await or_return(broken ? failing() : value_of(2));
  ++*reached;
  co_return first + second;
}

TEST(Task, GivesItsValue) {
  UvRuntime runtime;
  int reached = 0;
  const auto result = runtime.run_until(sum(false, &reached));
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(*result, 3);
  EXPECT_EQ(reached, 1);
}

TEST(Task, AnErrorEndsTheAwaitingCoroutine) {
  UvRuntime runtime;
  int reached = 0;
  const auto result = runtime.run_until(sum(true, &reached));
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code(), ErrorCode::kNoSuchKey);
  EXPECT_EQ(result.error().message(), "gone");
  EXPECT_EQ(reached, 0);
}

TEST(Task, AReadyErrorEndsTheAwaitingCoroutine) {
  UvRuntime runtime;
  const auto result = runtime.run_until([]() -> Task<Result<int>> {
    co_await or_return(Result<void>(fail(ErrorCode::kIo)));
    co_return 1;
  }());
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code(), ErrorCode::kIo);
}

TEST(Task, AMillionSynchronousAwaitsDoNotGrowTheStack) {
  UvRuntime runtime;
  const auto total = runtime.run_until([]() -> Task<Result<long>> {
    long sum = 0;
    for (int i = 0; i < 1'000'000; ++i) sum += co_await or_return(value_of(1));
    co_return sum;
  }());
  EXPECT_EQ(*total, 1'000'000);
}

TEST(Task, OffloadRunsElsewhereAndComesBack) {
  UvRuntime runtime;
  ThreadPool pool(2, "test-pool");
  const auto home = std::this_thread::get_id();
  runtime.run_until([](ThreadPool* threads, std::thread::id here) -> Task<void> {
    const auto there = co_await offload(*threads, [] { return std::this_thread::get_id(); });
    EXPECT_NE(there, here);
    EXPECT_EQ(std::this_thread::get_id(), here);
  }(&pool, home));
}

TEST(Task, GatherGivesResultsInOrder) {
  UvRuntime runtime;
  const auto results = runtime.run_until([](UvRuntime* loop) -> Task<std::vector<int>> {
    std::vector<Task<int>> tasks;
    for (int i = 0; i < 8; ++i)
      tasks.push_back([](UvRuntime* on, int n) -> Task<int> {
        if (n % 2 == 0) co_await sleep_for(*on, Milliseconds(8 - n));
        co_return n;
      }(loop, i));
    co_return co_await gather(std::move(tasks));
  }(&runtime));
  EXPECT_EQ(results, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7}));
}

TEST(Sync, WaitUntilGivesFalseAtTheDeadline) {
  UvRuntime runtime;
  runtime.run_until([](UvRuntime* loop) -> Task<void> {
    Event never;
    EXPECT_FALSE(co_await never.wait_until(loop->now() + Milliseconds(2)));
    Event set;
    set.set();
    EXPECT_TRUE(co_await set.wait_until(loop->now()));
  }(&runtime));
}

TEST(Sync, SemaphoreServesInOrderOfArrival) {
  UvRuntime runtime;
  std::vector<int> order;
  runtime.run_until([](std::vector<int>* seen) -> Task<void> {
    Semaphore permits(2);
    Gate gate;
    for (int i = 0; i < 6; ++i)
      gate.spawn([](Semaphore* from, std::vector<int>* out, int n) -> Task<void> {
        co_await from->acquire(n == 2 ? 2 : 1);
        out->push_back(n);
        co_await switch_to(*Runtime::current());
        from->release(n == 2 ? 2 : 1);
      }(&permits, seen, i));
    co_await gate.close();
    EXPECT_EQ(permits.available(), 2U);
  }(&order));
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4, 5}));
}

TEST(Sync, ChannelDrainsAfterClose) {
  UvRuntime runtime;
  runtime.run_until([]() -> Task<void> {
    Channel<int> channel(2);
    Gate gate;
    gate.spawn([](Channel<int>* out) -> Task<void> {
      for (int i = 0; i < 5; ++i) EXPECT_TRUE(co_await out->push(i));
      out->close();
    }(&channel));
    int expected = 0;
    while (auto item = co_await channel.pop()) EXPECT_EQ(*item, expected++);
    EXPECT_EQ(expected, 5);
    co_await gate.close();
    EXPECT_FALSE(gate.spawn([]() -> Task<void> { co_return; }()));
  }());
}

TEST(GroupOffload, WhatComesDuringARunWaitsForTheNextWhichTakesAllOfIt) {
  UvRuntime runtime;
  ThreadPool pool(1, "test");
  std::latch joined(1);
  std::vector<std::size_t> sizes;
  GroupOffload<int> group(pool, [&](std::span<int* const> items) {
    joined.wait();
    sizes.push_back(items.size());
    for (int* item : items) *item *= 2;
  });
  const auto one = [](GroupOffload<int>* work, int value) -> Task<int> {
    co_await work->join(value);
    co_return value;
  };
  std::vector<Task<int>> tasks;
  for (int i = 0; i < 10; ++i) tasks.push_back(one(&group, i));
  tasks.push_back([](std::latch* all) -> Task<int> {
    all->count_down();  // the others wait by now
    co_return 0;
  }(&joined));
  const auto results = runtime.run_until(gather(std::move(tasks)));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(results[static_cast<std::size_t>(i)], 2 * i);
  std::size_t all = 0;
  for (const std::size_t size : sizes) all += size;
  EXPECT_EQ(all, 10U);
  EXPECT_LE(sizes.size(), 2U);
}

}  // namespace
}  // namespace flashstor::async
