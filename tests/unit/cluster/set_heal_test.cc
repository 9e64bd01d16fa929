#include <gtest/gtest.h>

#include "engine/cluster/limits.h"
#include "tests/unit/cluster/slow_fixture.h"

// What healing must not do.
namespace flashstor::cluster {
namespace {

constexpr Milliseconds kWhile{1000};

/// A slice that one drive lacks, whose row is gone and whose data is due.
class LeavingSlice : public SlowDrives {
 protected:
  LeavingSlice() {
    for (std::uint32_t slot = 0; slot < kDrives; ++slot)
      if (slot != *set_->group().leader()) followers_.push_back(slot);
    lacks_ = followers_[0];
    runtime_.enter([this] { set_->set_full(lacks_, true); });
    EXPECT_TRUE(runtime_.run_until(put("a")).has_value());
    data_ = runtime_.run_until(find_data(set_.get(), "a")).value();
    EXPECT_FALSE(holds(lacks_));
    Command gone = command("a");
    gone.kind = kRemove;
    EXPECT_TRUE(runtime_.run_until(set_->execute(std::move(gone))).has_value());
    world_.run_for(std::chrono::seconds(10));  // all is said and applied
  }
  [[nodiscard]] bool holds(std::uint32_t slot) const { return disks_[slot]->shards.contains(data_.id); }
  void begin_freeing() {
    begin([](LeavingSlice* self) -> Task<void> {
      const auto freed =
          co_await self->set_->free_due(self->runtime_.wall_now() + 2 * flashstor::limits::kDataGrace);
      self->freed_ = freed.has_value();
    }(this));
  }
  /// Has the queue looked at while the drive that lacks the slice has room.
  void begin_healing() {
    runtime_.enter([this] { set_->set_full(lacks_, false); });
    begin([](LeavingSlice* self) -> Task<void> { static_cast<void>(co_await self->set_->heal_now()); }(this));
  }
  void freeze_followers() {
    for (const std::uint32_t slot : followers_) disks_[slot]->frozen = true;
  }
  void expect_all_gone() {
    thaw();
    world_.run_for(std::chrono::minutes(1));
    for (std::uint32_t slot = 0; slot < kDrives; ++slot) EXPECT_FALSE(holds(slot)) << slot;
    EXPECT_EQ(set_->heal_status().queued, 0U);
  }

  std::vector<std::uint32_t> followers_;
  std::uint32_t lacks_ = 0;
  DataRef data_;
  std::optional<bool> freed_;
};

TEST_F(LeavingSlice, NothingIsRebuiltOfWhatAnEntryUnderWayFrees) {
  freeze_followers();
  begin_freeing();
  begin_healing();
  world_.run_for(kWhile);
  EXPECT_FALSE(freed_.has_value());
  EXPECT_FALSE(holds(lacks_));
  expect_all_gone();
  EXPECT_EQ(freed_, true);
}

// Too few drives stood to tell what becomes of the entry. They are back: it will be committed.
TEST_F(LeavingSlice, NorOfWhatAnEntryFreesWhoseEndIsNotKnown) {
  for (const std::uint32_t slot : {followers_[0], followers_[1]}) disks_[slot]->fail_appends = true;
  begin_freeing();
  world_.run_for(kWhile);
  ASSERT_EQ(freed_, false);
  for (const std::uint32_t slot : {followers_[0], followers_[1]}) disks_[slot]->fail_appends = false;
  freeze_followers();
  for (const std::uint32_t slot : {followers_[0], followers_[1]})
    ASSERT_TRUE(runtime_.run_until(set_->group().rejoin(slot, set_->group().member(slot).id)).has_value());
  begin_healing();
  world_.run_for(kWhile);
  EXPECT_FALSE(holds(lacks_));
  expect_all_gone();
}

// Those that are behind have enough of it for a rebuild.
TEST_F(LeavingSlice, NorOfWhatSomeDrivesHaveNotAppliedThatItIsFreed) {
  for (const std::uint32_t slot : {followers_[1], followers_[2]})
    disks_[slot]->apply_delay = 5 * limits::kCommitDeadline;
  begin_freeing();
  ASSERT_TRUE(world_.run_until([this] { return freed_.has_value(); }, kWhile));
  ASSERT_EQ(freed_, true);
  begin_healing();
  world_.run_for(3 * limits::kCommitDeadline);
  EXPECT_TRUE(holds(followers_[1]));
  EXPECT_FALSE(holds(lacks_));
  for (const std::uint32_t slot : followers_) disks_[slot]->apply_delay = {};
  expect_all_gone();
}

// A pass that another leader's term overtook: that one may free what was pinned here before.
TEST_F(LeavingSlice, NothingIsRestoredUnderALaterTermThanThePassBeganIn) {
  const std::uint32_t leader = *set_->group().leader();
  disks_[lacks_]->holds_delay = kWhile;
  begin_healing();
  world_.run_for(kWhile / 2);
  runtime_.run_until(set_->fail_drive(leader, "pulled"));
  ASSERT_TRUE(world_.run_until([this] { return set_->group().leader().has_value(); }, kWhile / 4));
  world_.run_for(kWhile);
  EXPECT_FALSE(holds(lacks_));
  disks_[lacks_]->holds_delay = {};
  world_.run_for(std::chrono::minutes(1));
  EXPECT_TRUE(holds(lacks_)) << "a later pass heals it";
}

// The entry is lost with its leader: the slice stays for now, and is healed.
TEST_F(LeavingSlice, WhatAnEntryWouldHaveFreedThatWasLostIsHealed) {
  const std::uint32_t leader = *set_->group().leader();
  for (const std::uint32_t slot : followers_) disks_[slot]->fail_appends = true;
  begin_freeing();
  world_.run_for(kWhile);
  ASSERT_EQ(freed_, false);
  runtime_.run_until(set_->fail_drive(leader, "pulled"));
  for (const std::uint32_t slot : followers_) {
    disks_[slot]->fail_appends = false;
    ASSERT_TRUE(runtime_.run_until(set_->group().rejoin(slot, set_->group().member(slot).id)).has_value());
  }
  ASSERT_TRUE(world_.run_until([this] { return set_->group().leader().has_value(); }, kWhile));
  begin_healing();
  world_.run_for(kWhile);
  EXPECT_TRUE(holds(lacks_));
}

}  // namespace
}  // namespace flashstor::cluster
