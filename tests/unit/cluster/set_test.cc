#include "engine/cluster/set.h"

#include "engine/async/gather.h"
#include "tests/unit/cluster/set_fixture.h"

namespace flashstor::cluster {
namespace {

class FourDrives : public SetTest {};

TEST_F(FourDrives, WhatWasPutIsRead) {
  start();
  const auto done = put("a", "hello");
  ASSERT_TRUE(done.has_value()) << done.error().describe();
  EXPECT_GT(done->revision, 0U);
  EXPECT_EQ(done->response, "put a");
  EXPECT_EQ(get_or_error("a"), "hello");
  EXPECT_EQ(get_or_error("b"), "error NoSuchKey");
}

TEST_F(FourDrives, AnOverwriteShowsTheNewBytesAndFreesTheOldOnesLater) {
  start();
  ASSERT_TRUE(put("a", "first").has_value());
  const DataRef first = ref_of("a");
  ASSERT_TRUE(put("a", "second").has_value());
  EXPECT_EQ(get_or_error("a"), "second");
  turn(Milliseconds(1200));  // the confirmation is written
  const WallTime later = runtime_.wall_now() + flashstor::limits::kDataGrace + Milliseconds(10);
  const auto freed = runtime_.run_until(set_->free_due(later));
  ASSERT_TRUE(freed.has_value());
  EXPECT_EQ(*freed, 1U);
  turn(Milliseconds(100));
  for (const auto& disk : disks_) {
    EXPECT_FALSE(disk->shards.contains(first.id));
    EXPECT_EQ(disk->shards.size(), 1U);
  }
  EXPECT_EQ(get_or_error("a"), "second");
}

TEST_F(FourDrives, APinnedSliceIsNotFreed) {
  start();
  ASSERT_TRUE(put("a", "first").has_value());
  const DataRef first = ref_of("a");
  auto pin = set_->pin(first);
  ASSERT_TRUE(remove("a").has_value());
  const WallTime later = runtime_.wall_now() + flashstor::limits::kDataGrace + Milliseconds(10);
  EXPECT_EQ(runtime_.run_until(set_->free_due(later)).value(), 0U);
  EXPECT_EQ(runtime_.run_until(set_->read(first, 0, 100)).value().flatten().view(), "first");
  pin.reset();
  EXPECT_EQ(runtime_.run_until(set_->free_due(later)).value(), 1U);
}

TEST_F(FourDrives, ConcurrentWritersOfOneKeyAreOrderedAndOneCreatorWins) {
  start();
  std::vector<Task<Result<CommandResult>>> writers;
  for (int i = 0; i < 20; ++i) writers.push_back(put_task("a", "v" + std::to_string(i), kPutIfAbsent));
  const auto results = runtime_.run_until(async::gather(std::move(writers)));
  std::size_t created = 0;
  for (const auto& result : results) {
    if (result) {
      ++created;
    } else {
      EXPECT_EQ(result.error().code(), ErrorCode::kPreconditionFailed);
    }
  }
  EXPECT_EQ(created, 1U);
}

TEST_F(FourDrives, ManyWritersShareTheSyncs) {
  start();
  const std::uint64_t before = disks_[0]->appends;
  std::vector<Task<Result<CommandResult>>> writers;
  for (int i = 0; i < 256; ++i) writers.push_back(put_task("k" + std::to_string(i), std::string(4096, 'x')));
  for (const auto& result : runtime_.run_until(async::gather(std::move(writers))))
    ASSERT_TRUE(result.has_value());
  EXPECT_LT(disks_[0]->appends - before, 40U);
  EXPECT_EQ(list("k").size(), 256U);
}

TEST_F(FourDrives, ReadsGoOnWithTwoDrivesLostAndWritesAreRefused) {
  start();
  const std::string large(3'000'000, 'q');
  ASSERT_TRUE(put("small", "hello").has_value());
  ASSERT_TRUE(put_large("large", large).has_value());
  runtime_.run_until(set_->fail_drive(0, "pulled"));
  turn(Milliseconds(300));
  ASSERT_TRUE(put("while degraded", "yes").has_value());
  runtime_.run_until(set_->fail_drive(1, "pulled"));
  turn(Milliseconds(300));
  EXPECT_EQ(get_or_error("small"), "hello");
  EXPECT_EQ(get_or_error("while degraded"), "yes");
  EXPECT_EQ(get_or_error("large"), large);
  const auto refused = put("x", "no");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), ErrorCode::kReadOnly);
  EXPECT_FALSE(set_->status().can_write);
  EXPECT_TRUE(set_->status().can_read);
}

TEST_F(FourDrives, ThreeLostDrivesAreAClearError) {
  start();
  ASSERT_TRUE(put("a", "hello").has_value());
  for (std::uint32_t slot = 0; slot < 3; ++slot) {
    disks_[slot]->fail_reads = true;
    runtime_.run_until(set_->fail_drive(slot, "pulled"));
    turn(Milliseconds(200));
  }
  const auto value = get("a");
  ASSERT_FALSE(value.has_value());
  EXPECT_EQ(value.error().code(), ErrorCode::kReadQuorum);
}

// In one process the leader leads on: it knows every name, but it has no bytes to give.
TEST_F(FourDrives, ALeaderWhoseDriveStandsAloneCannotBeReadFrom) {
  start();
  ASSERT_TRUE(put("a", std::string(10'000, 'a')).has_value());  // more than one shard's block
  const std::uint32_t leader = set_->status().leader_slot;
  std::uint32_t lost = 0;
  for (std::uint32_t slot = 0; slot < 4; ++slot) {
    if (slot == leader) continue;
    disks_[slot]->fail_reads = true;
    runtime_.run_until(set_->fail_drive(slot, "pulled"));
    turn(Milliseconds(200));
    EXPECT_EQ(set_->status().can_read, ++lost < 3);
  }
  const auto value = get("a");
  ASSERT_FALSE(value.has_value());
  EXPECT_EQ(value.error().code(), ErrorCode::kReadQuorum);
}

TEST_F(FourDrives, EverythingIsThereAfterARestart) {
  start();
  const std::string large(2'500'001, 'r');
  ASSERT_TRUE(put("a", "hello").has_value());
  ASSERT_TRUE(put_large("large", large).has_value());
  stop();
  start();
  EXPECT_EQ(get_or_error("a"), "hello");
  EXPECT_EQ(get_or_error("large"), large);
  EXPECT_TRUE(put("b", "more").has_value());
  EXPECT_EQ(list("").size(), 3U);
}

TEST_F(FourDrives, WhatWasAcknowledgedSurvivesAKill) {
  start();
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(put("k" + std::to_string(i), "v" + std::to_string(i)).has_value());
  for (int i = 0; i < 50; i += 2)
    ASSERT_TRUE(put("k" + std::to_string(i), "w" + std::to_string(i)).has_value());
  kill();
  start();
  for (int i = 0; i < 50; ++i)
    EXPECT_EQ(get_or_error("k" + std::to_string(i)), (i % 2 == 0 ? "w" : "v") + std::to_string(i));
  turn(Milliseconds(50));
  EXPECT_EQ(set_->status().undecided, 0U);
}

TEST_F(FourDrives, ADriveThatWasAwayCatchesUpAndIsHealed) {
  start();
  ASSERT_TRUE(put("before", "1").has_value());
  stop();
  start({2});
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(put("k" + std::to_string(i), std::string(5000, 'a')).has_value());
  const std::string large(1'500'000, 'z');
  ASSERT_TRUE(put_large("large", large).has_value());
  stop();
  start();
  turn(Milliseconds(100));
  const auto healed = runtime_.run_until(set_->heal_now());
  ASSERT_TRUE(healed.has_value()) << healed.error().describe();
  EXPECT_EQ(set_->heal_status().queued, 0U);
  EXPECT_EQ(set_->heal_status().healed, 21U);
  EXPECT_EQ(disks_[2]->applied, disks_[1]->applied);
  for (int i = 0; i < 20; ++i) {
    const DataRef data = ref_of("k" + std::to_string(i));
    ASSERT_TRUE(disks_[2]->shards.contains(data.id));
    EXPECT_EQ(disks_[2]->shards[data.id].shard, shard_of_slot(data.id, 2, 4));
  }
  // The healed shards are the right ones: read with the two others gone.
  runtime_.run_until(set_->fail_drive(0, "pulled"));
  runtime_.run_until(set_->fail_drive(1, "pulled"));
  turn(Milliseconds(200));
  EXPECT_EQ(get_or_error("large"), large);
  EXPECT_EQ(get_or_error("k7"), std::string(5000, 'a'));
}

TEST_F(FourDrives, ABadShardIsReadAroundAndHealed) {
  start();
  ASSERT_TRUE(put("a", std::string(10'000, 'b')).has_value());
  const DataRef data = ref_of("a");
  const std::uint32_t slot = slot_of_shard(data.id, 0, 4);
  disks_[slot]->corrupt.insert(data.id);
  EXPECT_EQ(get_or_error("a"), std::string(10'000, 'b'));
  turn(Milliseconds(10));
  ASSERT_TRUE(runtime_.run_until(set_->heal_now()).has_value());
  EXPECT_FALSE(disks_[slot]->corrupt.contains(data.id));
  EXPECT_EQ(set_->heal_status().healed, 1U);
  EXPECT_EQ(get_or_error("a"), std::string(10'000, 'b'));
}

// A shard of any size: some stripes of it in memory at a time.
TEST_F(FourDrives, ALargeShardIsHealedInPieces) {
  start();
  const std::string large(9'500'000, 'z');
  ASSERT_TRUE(put_large("a", large).has_value());
  const DataRef data = ref_of("a");
  const std::uint32_t slot = slot_of_shard(data.id, 1, 4);
  const Buffer before = disks_[slot]->shards[data.id].bytes;
  disks_[slot]->corrupt.insert(data.id);
  EXPECT_EQ(get_or_error("a"), large);
  turn(Milliseconds(10));
  ASSERT_TRUE(runtime_.run_until(set_->heal_now()).has_value());
  EXPECT_FALSE(disks_[slot]->corrupt.contains(data.id));
  EXPECT_EQ(disks_[slot]->shards[data.id].bytes.view(), before.view());
}

TEST_F(FourDrives, TheLeadersDriveFailsAndAnotherLeads) {
  start();
  ASSERT_TRUE(put("a", "1").has_value());
  const std::uint32_t first = set_->status().leader_slot;
  disks_[first]->fail_appends = true;
  const auto during = put("b", "2");  // may be unknown, never wrong
  turn(Milliseconds(300));
  EXPECT_NE(set_->status().leader_slot, first);
  EXPECT_TRUE(set_->status().can_write);
  ASSERT_TRUE(put("c", "3").has_value());
  EXPECT_EQ(get_or_error("a"), "1");
  EXPECT_EQ(get_or_error("c"), "3");
  if (during) EXPECT_EQ(get_or_error("b"), "2");
}

// What a cache above may go by instead of a read.
TEST_F(FourDrives, AMarkIsAnotherOneOnceAVersionMayHaveChanged) {
  start();
  const std::string key = "bucket/key" + std::string(16, 'i');
  const std::string name = lock_name(Family::kVersions, "bucket/key");
  ASSERT_TRUE(put(key, "old").has_value());
  turn(Milliseconds(100));  // every drive has applied it
  const auto old = set_->mark(name);
  ASSERT_TRUE(old);
  ASSERT_TRUE(put("other" + key, "x").has_value());
  turn(Milliseconds(100));
  EXPECT_EQ(set_->mark(name), old);
  ASSERT_TRUE(put(key, "new").has_value());
  EXPECT_NE(set_->mark(name), old);
  turn(Milliseconds(100));
  const auto now = set_->mark(name);
  ASSERT_TRUE(now);
  // Another drive answers: what was read of the first is not gone by any more.
  disks_[set_->status().leader_slot]->fail_appends = true;
  static_cast<void>(put("b", "2"));
  turn(Milliseconds(300));
  EXPECT_NE(set_->mark(name), now);
}

TEST_F(FourDrives, ASlowDriveHoldsAWriteUpOnlyToTheDeadline) {
  start();
  ASSERT_TRUE(put("a", "1").has_value());
  const std::uint32_t slow = (set_->status().leader_slot + 1) % 4;
  disks_[slow]->frozen = true;
  const MonotonicTime before = runtime_.now();
  ASSERT_TRUE(put("b", "2").has_value());
  EXPECT_GE(runtime_.now() - before, Milliseconds(900));
  const MonotonicTime second = runtime_.now();
  ASSERT_TRUE(put("c", "3").has_value());
  EXPECT_LT(runtime_.now() - second, Milliseconds(500));
  disks_[slow]->frozen = false;
  runtime_.run_until([](testing::MemoryDisk* disk) -> Task<void> {
    disk->thaw.notify_all();
    co_return;
  }(disks_[slow].get()));
  turn(Milliseconds(200));
  ASSERT_TRUE(put("d", "4").has_value());
  EXPECT_EQ(get_or_error("b"), "2");
}

TEST_F(FourDrives, ARetriedRequestIsAppliedOnce) {
  start();
  Command command;
  command.kind = kPutIfAbsent;
  command.request_id = Uuid::make(random_);
  command.payload = "a";
  command.keep_result = true;
  ASSERT_EQ(runtime_.run_until(set_->execute(command)).value().response, "put a");
  const auto again = runtime_.run_until(set_->execute(command));
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->response, "put a");
}

class OneDrive : public SetTest {
 protected:
  OneDrive() : SetTest(1) {}
};

TEST_F(OneDrive, WritesReadsAndRestarts) {
  start();
  const std::string large(2'000'000, 'l');
  ASSERT_TRUE(put("a", "1").has_value());
  ASSERT_TRUE(put_large("large", large).has_value());
  EXPECT_EQ(get_or_error("a"), "1");
  stop();
  start();
  EXPECT_EQ(get_or_error("a"), "1");
  EXPECT_EQ(get_or_error("large"), large);
}

class SixteenDrives : public SetTest {
 protected:
  SixteenDrives() : SetTest(16) {}
};

TEST_F(SixteenDrives, FourMayBeLost) {
  start();
  const std::string large(2'345'678, 'm');
  ASSERT_TRUE(put("a", "1").has_value());
  ASSERT_TRUE(put_large("large", large).has_value());
  for (std::uint32_t slot = 0; slot < 4; ++slot) runtime_.run_until(set_->fail_drive(slot, "pulled"));
  turn(Milliseconds(300));
  EXPECT_EQ(get_or_error("a"), "1");
  EXPECT_EQ(get_or_error("large"), large);
  EXPECT_TRUE(put("b", "2").has_value());
}

}  // namespace
}  // namespace flashstor::cluster
