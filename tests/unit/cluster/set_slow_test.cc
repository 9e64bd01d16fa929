#include <gtest/gtest.h>

#include "engine/cluster/limits.h"
#include "tests/unit/cluster/slow_fixture.h"

// Drives that hang or are slow, in virtual time: nothing waits for them longer than a deadline.
namespace flashstor::cluster {
namespace {

TEST_F(SlowDrives, AWriteWaitsForASilentDriveNotLongerThanItsDeadline) {
  ASSERT_TRUE(runtime_.run_until(put("a")).has_value());
  // By now the set's timer is armed for its background, seconds ahead.
  world_.run_for(std::chrono::milliseconds(2500));
  disks_[follower()]->frozen = true;
  const Nanoseconds begun = now();
  ASSERT_TRUE(runtime_.run_until(put("b")).has_value());
  EXPECT_GE(now() - begun, limits::kCommitDeadline);
  EXPECT_LE(now() - begun, limits::kCommitDeadline + 2 * limits::kHousePace);
}

// They were told with the next entry only, or when the drive was given up.
TEST_F(SlowDrives, TheOthersLearnWhatIsCommittedWhileADriveHangs) {
  ASSERT_TRUE(runtime_.run_until(put("a")).has_value());
  world_.run_for(std::chrono::seconds(10));  // all is said and applied
  const std::uint32_t hanging = follower();
  disks_[hanging]->frozen = true;
  begin([](auto putting) -> Task<void> { static_cast<void>(co_await std::move(putting)); }(put("b")));
  world_.run_for(limits::kCommitDeadline / 2);
  const raft::Index committed = set_->group().committed();
  EXPECT_LT(set_->group().applied(hanging), committed);
  for (std::uint32_t slot = 0; slot < kDrives; ++slot)
    if (slot != hanging) EXPECT_EQ(set_->group().applied(slot), committed) << slot;
}

TEST_F(SlowDrives, ALargeSliceIsFinishedWithoutADriveThatTakesNoStripe) {
  disks_[follower()]->frozen = true;
  const Nanoseconds begun = now();
  const auto done = runtime_.run_until(put_large("a", 12));
  ASSERT_TRUE(done.has_value()) << done.error().describe();
  EXPECT_LE(now() - begun, limits::kStageDeadline + limits::kCommitDeadline * 2);
  thaw();
  world_.run_for(std::chrono::seconds(15));
  EXPECT_TRUE(runtime_.run_until(set_->heal_now()).has_value());
  EXPECT_EQ(set_->heal_status().queued, 0U);
  EXPECT_EQ(disks_[follower()]->shards.size(), 1U) << "what it missed is rebuilt there";
}

TEST_F(SlowDrives, ASmallSliceIsFinishedToo) {
  // Fewer stripes than wait in a lane: the drive is met at the end only.
  disks_[follower()]->frozen = true;
  const Nanoseconds begun = now();
  ASSERT_TRUE(runtime_.run_until(put_large("a", 1)).has_value());
  EXPECT_LE(now() - begun, limits::kStageDeadline + limits::kCommitDeadline * 2);
}

TEST_F(SlowDrives, TheLeadersOwnHungDriveHandsOver) {
  const std::uint32_t leader = *set_->group().leader();
  disks_[leader]->frozen = true;
  const Nanoseconds begun = now();
  static_cast<void>(runtime_.run_until(put("a")));
  EXPECT_LE(now() - begun, limits::kOutcomeDeadline);
  EXPECT_TRUE(runtime_.run_until(put("b")).has_value());
  EXPECT_NE(*set_->group().leader(), leader);
}

class LoadedDrives : public SlowDrives {
 protected:
  /// Writes one key until the test ends it; not in step with others, so that several appends are under way.
  Task<void> write(std::string key) {
    while (!ending_) {
      if (co_await put(key)) ++written_;
      co_await async::sleep_for(runtime_, Milliseconds(world_.random().below(4)));
    }
  }

  bool ending_ = false;
  std::uint64_t written_ = 0;
};

// With two appends under way its member was not asked for what it says: the word to take over was never sent.
TEST_F(LoadedDrives, TheLeadersOwnHungDriveHandsOver) {
  for (const auto& disk : disks_) disk->append_delay = Milliseconds(3);
  const std::uint32_t leader = *set_->group().leader();
  for (int i = 0; i < 8; ++i) begin(write("key" + std::to_string(i)));
  world_.run_for(std::chrono::seconds(1));
  disks_[leader]->frozen = true;
  world_.run_for(limits::kOvertakenLeader + Milliseconds(300));
  ASSERT_TRUE(set_->group().leader().has_value());
  EXPECT_NE(*set_->group().leader(), leader);
  const std::uint64_t before = written_;
  world_.run_for(std::chrono::seconds(2));
  EXPECT_GT(written_, before + 100);
  ending_ = true;
  world_.run_for(std::chrono::seconds(2));
}

class OwedSlices : public SetTest {
 protected:
  OwedSlices() : SetTest(4) {}
};

// Simulator, several nodes, seed 747: what too few drives held to give it to the others was taken for freed,
// and its set said that it was healed.
TEST_F(OwedSlices, ASliceOfWhichTooFewShardsAreLeftIsStillOwed) {
  start({2});
  ASSERT_TRUE(put("a", std::string(5000, 'a')).has_value());
  stop();
  disks_[0]->shards.clear();
  disks_[1]->shards.clear();
  start();
  turn(Milliseconds(100));
  ASSERT_TRUE(runtime_.run_until(set_->heal_now()).has_value());
  EXPECT_EQ(set_->heal_status().queued, 1U);
}

class FewShards : public SetTest {
 protected:
  FewShards() : SetTest(4) {}
  /// Leaves an overwrite of "a" behind of which only drives 2 and 3 hold shards; gives its data's name.
  DataId leave_few() {
    start();
    EXPECT_TRUE(put("a", "old").has_value());
    const DataId old = ref_of("a").id;
    turn(Milliseconds(700));
    disks_[0]->drop_data = disks_[1]->drop_data = true;
    EXPECT_TRUE(put("a", "new").has_value());
    disks_[0]->drop_data = disks_[1]->drop_data = false;
    kill();
    for (const auto& [id, shard] : disks_[2]->shards)
      if (id != old) return id;
    ADD_FAILURE() << "drive 2 has no shard of it";
    return {};
  }
  void await_decided() {
    for (int i = 0; i < 100 && set_->status().undecided != 0; ++i) turn(Milliseconds(50));
    EXPECT_EQ(set_->status().undecided, 0U);
  }
};

// Simulator, several nodes, seed 679: one of the two was rotten. The overwrite, which nobody was told of, was
// confirmed, could never be read or healed, and what it replaced was gone.
TEST_F(FewShards, AnOverwriteIsVoidedWhenTheLastShardsCannotGiveIt) {
  const DataId id = leave_few();
  disks_[3]->corrupt.insert(id);
  start();
  await_decided();
  EXPECT_EQ(get_or_error("a"), "old");
  ASSERT_TRUE(runtime_.run_until(set_->heal_now()).has_value());
  EXPECT_EQ(set_->heal_status().queued, 0U);
  ASSERT_TRUE(put("a", "newer").has_value());
}

TEST_F(FewShards, AnOverwriteThatStandsIsGivenToTheOtherDrivesFirst) {
  const DataId id = leave_few();
  start();
  await_decided();
  for (const auto& disk : disks_) EXPECT_TRUE(disk->shards.contains(id));
  EXPECT_EQ(get_or_error("a"), "new");
}

}  // namespace
}  // namespace flashstor::cluster
