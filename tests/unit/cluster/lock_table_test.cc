#include "engine/cluster/lock_table.h"

#include <gtest/gtest.h>

#include "engine/async/uv_runtime.h"
#include "engine/cluster/undecided.h"

namespace flashstor::cluster {
namespace {

LockName lock(std::string name, bool exclusive = true) { return {std::move(name), exclusive}; }

struct Log {
  async::UvRuntime* loop;
  LockTable table;
  std::vector<std::string> events;
};

Task<void> hold(Log* log, std::string who, std::vector<LockName> locks, Milliseconds time,
                Milliseconds patience = Milliseconds(5000)) {
  auto held = co_await log->table.acquire(locks, log->loop->now() + patience);
  if (!held) {
    log->events.push_back(who + " gave up");
    co_return;
  }
  log->events.push_back(who + " in");
  co_await async::sleep_for(*log->loop, time);
  log->events.push_back(who + " out");
}

class LockTableTest : public ::testing::Test {
 protected:
  // Starts every holder in order, then waits for all.
  std::vector<std::string> run(std::vector<Task<void>> holders) {
    async::Gate gate;
    loop_.run_until([](async::Gate* on, std::vector<Task<void>>* all) -> Task<void> {
      for (auto& task : *all) on->spawn(std::move(task));
      co_await on->close();
    }(&gate, &holders));
    EXPECT_EQ(log_.table.held(), 0U);
    EXPECT_EQ(log_.table.waiting(), 0U);
    return log_.events;
  }
  async::UvRuntime loop_;
  Log log_{&loop_, {}, {}};
};

TEST_F(LockTableTest, OneAfterTheOtherInOrderOfArrival) {
  std::vector<Task<void>> holders;
  for (const char* who : {"a", "b", "c"}) holders.push_back(hold(&log_, who, {lock("x")}, Milliseconds(1)));
  EXPECT_EQ(run(std::move(holders)),
            (std::vector<std::string>{"a in", "a out", "b in", "b out", "c in", "c out"}));
}

TEST_F(LockTableTest, ReadersShareAndAWriterIsNotStarved) {
  std::vector<Task<void>> holders;
  holders.push_back(hold(&log_, "r1", {lock("x", false)}, Milliseconds(5)));
  holders.push_back(hold(&log_, "r2", {lock("x", false)}, Milliseconds(8)));
  holders.push_back(hold(&log_, "w", {lock("x")}, Milliseconds(1)));
  holders.push_back(hold(&log_, "r3", {lock("x", false)}, Milliseconds(1)));
  EXPECT_EQ(run(std::move(holders)), (std::vector<std::string>{"r1 in", "r2 in", "r1 out", "r2 out", "w in",
                                                               "w out", "r3 in", "r3 out"}));
}

TEST_F(LockTableTest, ANameCoversWhatBeginsWithIt) {
  std::vector<Task<void>> holders;
  holders.push_back(hold(&log_, "key", {lock("dir/a")}, Milliseconds(3)));
  holders.push_back(hold(&log_, "prefix", {lock("dir/")}, Milliseconds(3)));
  holders.push_back(hold(&log_, "other", {lock("dirt")}, Milliseconds(1)));
  holders.push_back(hold(&log_, "below", {lock("dir/b")}, Milliseconds(1)));
  EXPECT_EQ(run(std::move(holders)),
            (std::vector<std::string>{"key in", "other in", "other out", "key out", "prefix in", "prefix out",
                                      "below in", "below out"}));
}

TEST_F(LockTableTest, AllNamesAreTakenInOneStep) {
  std::vector<Task<void>> holders;
  holders.push_back(hold(&log_, "a", {lock("x")}, Milliseconds(2)));
  holders.push_back(hold(&log_, "both", {lock("x"), lock("y")}, Milliseconds(1)));
  holders.push_back(hold(&log_, "y", {lock("y")}, Milliseconds(1)));  // waits behind `both`
  EXPECT_EQ(run(std::move(holders)),
            (std::vector<std::string>{"a in", "a out", "both in", "both out", "y in", "y out"}));
}

TEST_F(LockTableTest, WhoWaitsTooLongGivesUpAndLetsOthersIn) {
  std::vector<Task<void>> holders;
  holders.push_back(hold(&log_, "r", {lock("x", false)}, Milliseconds(20)));
  holders.push_back(hold(&log_, "w", {lock("x")}, Milliseconds(1), Milliseconds(3)));
  holders.push_back(hold(&log_, "r2", {lock("x", false)}, Milliseconds(1)));
  EXPECT_EQ(run(std::move(holders)),
            (std::vector<std::string>{"r in", "w gave up", "r2 in", "r2 out", "r out"}));
}

TEST(UndecidedNames, CoverRowsBelowThemAndRangesAroundThem) {
  UndecidedNames names;
  EXPECT_FALSE(names.covers("a"));
  names.add(7, {"bucket/key"});
  EXPECT_TRUE(names.covers("bucket/key"));
  EXPECT_TRUE(names.covers("bucket/key/version"));
  EXPECT_FALSE(names.covers("bucket/kex"));
  EXPECT_FALSE(names.covers("bucket/l"));
  EXPECT_TRUE(names.covers("bucket/", "bucket0"));
  EXPECT_TRUE(names.covers("bucket", ""));
  EXPECT_FALSE(names.covers("bucket/l", "bucket/m"));
  names.add(8, {"bucket/"});
  EXPECT_TRUE(names.covers("bucket/l"));
  names.remove(8, false);
  EXPECT_FALSE(names.covers("bucket/l"));
  EXPECT_EQ(names.voids(), 0U);
  names.remove(7, true);
  EXPECT_EQ(names.voids(), 1U);
  EXPECT_EQ(names.size(), 0U);
  EXPECT_FALSE(names.covers("bucket/key"));
}

}  // namespace
}  // namespace flashstor::cluster
