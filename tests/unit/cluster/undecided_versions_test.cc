#include "tests/unit/cluster/set_fixture.h"

// What a leader makes of versions that a predecessor left behind, and what is shown of them without one.
namespace flashstor::cluster {
namespace {

class UndecidedVersions : public SetTest {
 protected:
  /// Under "a" a version that is settled, "old", and "new", whose data the first `lacking` drives have not
  /// taken with its entry.
  void start_with_new_version(std::uint32_t lacking) {
    start();
    ASSERT_TRUE(put("a", "old").has_value());
    turn(Milliseconds(700));
    for (std::uint32_t slot = 0; slot < lacking; ++slot) disks_[slot]->drop_data = true;
    ASSERT_TRUE(put("a", "new").has_value());
    for (const auto& disk : disks_) disk->drop_data = false;
  }
};

TEST_F(UndecidedVersions, AVersionThatTooFewDrivesHoldIsVoidedAndUncoversTheOldOne) {
  start_with_new_version(3);
  kill();
  start();
  turn(Milliseconds(200));
  EXPECT_EQ(get_or_error("a"), "old");
  EXPECT_EQ(set_->status().undecided, 0U);
}

// It waited for the third holder, which may never come back, and the key answered nothing until then.
TEST_F(UndecidedVersions, AVersionThatCanBeReadIsCompletedWithoutADriveThatIsAway) {
  start_with_new_version(1);
  kill();
  start({3});
  for (int i = 0; i < 100 && set_->status().undecided != 0; ++i) turn(Milliseconds(50));
  EXPECT_EQ(set_->status().undecided, 0U);
  EXPECT_EQ(get_or_error("a"), "new");
  ASSERT_TRUE(put("a", "newer").has_value());
}

// Group::start merges what the drives recovered: the one that goes back furthest does not tell of what was
// undecided last.
TEST_F(UndecidedVersions, WhatIsUndecidedIsKnownThoughADriveWentBackFurther) {
  start_with_new_version(3);
  turn(Milliseconds(50));
  for (std::uint32_t slot = 0; slot < 3; ++slot) disks_[slot]->flush();
  kill();
  ASSERT_EQ(disks_[3]->applied, 0U);
  ASSERT_GT(disks_[0]->applied, 0U);
  start();
  turn(Milliseconds(200));
  EXPECT_EQ(get_or_error("a"), "old");
  EXPECT_EQ(set_->status().undecided, 0U);
}

// ErasureSet::close waits until every drive has applied what is committed, the last confirmation too.
TEST_F(UndecidedVersions, TwoDrivesThatComeBackAloneAfterAStopShowTheLastWrite) {
  start();
  const std::uint32_t leader = set_->status().leader_slot;
  for (std::uint32_t slot = 0; slot < 4; ++slot)
    if (slot != leader) disks_[slot]->apply_delay = Milliseconds(100);
  ASSERT_TRUE(put("a", "1").has_value());
  stop();
  start({leader, (leader + 1) % 4});
  EXPECT_EQ(set_->status().undecided, 0U);
  EXPECT_EQ(get_or_error("a"), "1");
}

// After a kill each drive has another part of the log applied. Two of four have no leader to tell them what
// is committed, but what one of them has applied is: both serve its data.
TEST_F(UndecidedVersions, TwoDrivesThatComeBackAloneAfterAKillServeWhatEitherHadApplied) {
  start();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(put("k" + std::to_string(i), "v" + std::to_string(i)).has_value());
  turn(Milliseconds(700));
  disks_[1]->flush();
  kill();
  ASSERT_EQ(disks_[2]->applied, 0U);
  start({0, 3});
  turn(Milliseconds(50));
  EXPECT_FALSE(set_->status().can_write);
  EXPECT_EQ(disks_[2]->applied, disks_[1]->applied);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(get_or_error("k" + std::to_string(i)), "v" + std::to_string(i));
}

TEST_F(UndecidedVersions, AnUndecidedVersionIsWaitedForNotSkipped) {
  start_with_new_version(3);
  kill();
  start({0});  // drive 0 may hold it too: with drive 3 that would be k
  turn(Milliseconds(200));
  EXPECT_EQ(set_->status().undecided, 1U);
  EXPECT_FALSE(set_->mark(lock_name(Family::kVersions, "a")));
  std::optional<Result<std::string>> answer;
  runtime_.run_until([](SetTest*, ErasureSet* set, async::UvRuntime* loop,
                        std::optional<Result<std::string>>* out) -> Task<void> {
    async::start_detached([](ErasureSet* on, std::optional<Result<std::string>>* into) -> Task<void> {
      into->emplace(co_await get_task(on, "a"));
    }(set, out));
    co_await async::sleep_for(*loop, Milliseconds(100));
  }(this, set_.get(), &runtime_, &answer));
  EXPECT_FALSE(answer.has_value());
  stop();
  ASSERT_TRUE(answer.has_value());
  EXPECT_FALSE(answer->has_value());
}

}  // namespace
}  // namespace flashstor::cluster
