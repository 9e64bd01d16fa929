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

/// A drive that can say which shards it has.
class ListingDrive final : public testing::MemoryStorage {
 public:
  ListingDrive(const std::shared_ptr<testing::MemoryDisk>& disk, std::uint32_t slot)
      : MemoryStorage(disk, slot), disk_(disk) {}
  static std::unique_ptr<storage::StorageApi> make(std::shared_ptr<testing::MemoryDisk> disk,
                                                   std::uint32_t slot) {
    return std::make_unique<ListingDrive>(disk, slot);
  }
  Task<Result<std::vector<DataRef>>> inventory(DataId after, std::size_t most) override {
    std::vector<DataRef> out;
    for (auto at = disk_->shards.upper_bound(after); at != disk_->shards.end() && out.size() < most; ++at)
      out.push_back(at->second.ref);
    co_return out;
  }

 private:
  std::shared_ptr<testing::MemoryDisk> disk_;
};

/// Slices of which one shard is left.
class DeadSlices : public SlowDrives {
 protected:
  static constexpr int kSlices = 20;
  /// As often as an hour of passes at the queue's own pace would try them, were nothing put off.
  static constexpr std::uint64_t kUnpaced = std::chrono::hours(1) / limits::kHealPeriod;

  DeadSlices() : SlowDrives(ListingDrive::make) {
    for (int i = 0; i < kSlices; ++i)
      EXPECT_TRUE(runtime_.run_until(put("k" + std::to_string(i))).has_value());
    world_.run_for(std::chrono::seconds(10));  // all is said and applied
    for (std::uint32_t slot = 0; slot < kDrives; ++slot)
      if (slot != *set_->group().leader()) followers_.push_back(slot);
  }
  void lose(std::uint32_t slot) { lost_[slot] = std::exchange(disks_[slot]->shards, {}); }
  [[nodiscard]] std::uint64_t tries() const { return set_->heal_status().failed; }

  std::vector<std::uint32_t> followers_;
  std::map<std::uint32_t, std::map<DataId, testing::MemoryDisk::Shard>> lost_;
};

TEST_F(DeadSlices, AreTriedEverMoreRarelyAndAtOnceWhenADriveIsBack) {
  for (const std::uint32_t slot : followers_) lose(slot);
  ASSERT_TRUE(runtime_.run_until(set_->query(kScanQuery, "")).has_value());
  world_.run_for(std::chrono::minutes(1));
  const std::uint64_t first = tries();
  EXPECT_GE(first, 3U * kSlices) << "not given up";
  EXPECT_EQ(set_->heal_status().queued, static_cast<std::uint64_t>(kSlices));
  world_.run_for(std::chrono::hours(1));
  const std::uint64_t each = (tries() - first) / (3U * kSlices);
  EXPECT_GE(each, 10U);
  EXPECT_LE(each, kUnpaced / 40);
  disks_[followers_[0]]->shards = lost_[followers_[0]];
  runtime_.run_until(set_->fail_drive(followers_[0], "pulled"));
  world_.run_for(std::chrono::seconds(1));
  ASSERT_TRUE(runtime_.run_until(set_->group().rejoin(followers_[0], set_->group().member(followers_[0]).id))
                  .has_value());
  world_.run_for(std::chrono::seconds(3));
  EXPECT_EQ(set_->heal_status().queued, 0U);
  EXPECT_EQ(disks_[followers_[1]]->shards.size(), static_cast<std::size_t>(kSlices));
}

// Others come to the queue and are healed, and every look at it passes by those.
TEST_F(DeadSlices, AreNotTriedWithEachNewRowOfTheQueue) {
  for (const std::uint32_t slot : followers_) lose(slot);
  ASSERT_TRUE(runtime_.run_until(set_->query(kScanQuery, "")).has_value());
  world_.run_for(std::chrono::minutes(10));
  const std::uint64_t before = tries();
  for (int i = 0; i < 100; ++i) {
    runtime_.enter([this] { set_->set_full(followers_[0], true); });
    ASSERT_TRUE(runtime_.run_until(put("new" + std::to_string(i))).has_value());
    set_->told_bad({{.data = runtime_.run_until(find_data(set_.get(), "k0")).value(), .slots = 1}});
    world_.run_for(std::chrono::seconds(1));
  }
  EXPECT_LE(tries() - before, 3U * 3U * kSlices);
}

// The scan that a new drive is owed cannot end, and what it finds cannot be healed.
TEST_F(DeadSlices, AreTriedEverMoreRarelyByAScanThatIsOwed) {
  lose(followers_[0]);
  for (const std::uint32_t slot : {followers_[1], followers_[2]}) disks_[slot]->fail_reads = true;
  disks_[followers_[0]]->apply_delay = std::chrono::hours(2);
  static_cast<void>(runtime_.run_until(put("later")));
  const auto owe = [](ErasureSet* set, std::uint32_t slot) -> Task<Result<void>> {
    co_return co_await set->owe_scan(slot);
  };
  ASSERT_TRUE(runtime_.run_until(owe(set_.get(), followers_[0])).has_value());
  world_.run_for(std::chrono::minutes(1));
  const std::uint64_t first = tries();
  const std::uint64_t scans = set_->heal_status().scans;
  EXPECT_GE(first, kSlices) << "not given up";
  world_.run_for(std::chrono::hours(1));
  EXPECT_LE(tries() - first, kUnpaced / 40 * kSlices);
  EXPECT_LE(set_->heal_status().scans - scans, kUnpaced / 20);
  disks_[followers_[0]]->apply_delay = {};
  world_.run_for(std::chrono::hours(2));  // what it is applying has its time
}

// A pass through a long queue is under way when reads find that another slice has lost more.
TEST_F(DeadSlices, OfWhatIsToBeHealedTheMostEndangeredComesFirst) {
  constexpr int kMany = 5 * static_cast<int>(limits::kHealAtOnce);
  for (int i = 0; i < kMany; ++i)
    ASSERT_TRUE(runtime_.run_until(put("many" + std::to_string(i))).has_value());
  const DataRef endangered = runtime_.run_until(find_data(set_.get(), "k0")).value();
  world_.run_for(std::chrono::seconds(10));
  lose(followers_[0]);
  disks_[followers_[0]]->shards[endangered.id] = lost_[followers_[0]].at(endangered.id);
  disks_[followers_[0]]->holds_delay = std::chrono::seconds(1);
  ASSERT_TRUE(runtime_.run_until(set_->query(kScanQuery, "")).has_value());
  const auto healed = [this] { return disks_[followers_[0]]->shards.size() - 1; };
  ASSERT_TRUE(world_.run_until([&] { return healed() > 0; }, std::chrono::minutes(2)));
  std::uint32_t slots = 0;
  for (const std::uint32_t slot : {followers_[1], followers_[2]}) {
    disks_[slot]->corrupt.insert(endangered.id);
    slots |= std::uint32_t{1} << slot;
  }
  runtime_.enter([&] { set_->told_bad({{.data = endangered, .slots = slots}}); });
  ASSERT_TRUE(world_.run_until(
      [&] { return disks_[followers_[1]]->corrupt.empty() && disks_[followers_[2]]->corrupt.empty(); },
      std::chrono::minutes(2)));
  EXPECT_LT(healed(), static_cast<std::size_t>(kMany) / 2) << "it came after those that had lost one shard";
  ASSERT_TRUE(world_.run_until([&] { return set_->heal_status().queued == 0; }, std::chrono::minutes(2)));
}

}  // namespace
}  // namespace flashstor::cluster
