#include "tests/unit/cluster/set_fixture.h"

// What a set still knows after a crash.
namespace flashstor::cluster {
namespace {

class CrashedSet : public SetTest {};

// No drive had flushed what it had applied, and two of four have no leader: what an entry of the log confirms
// was committed. Everything since the last flush, be it hours old, could not be read.
TEST_F(CrashedSet, TwoDrivesThatComeBackAloneAfterAKillServeWhatTheirLogConfirms) {
  start();
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(put("k" + std::to_string(i), "v" + std::to_string(i)).has_value());
    turn(Milliseconds(700));
  }
  kill();
  for (const auto& disk : disks_) ASSERT_EQ(disk->applied, 0U);
  start({0, 3});
  turn(Milliseconds(50));
  EXPECT_FALSE(set_->status().can_write);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(get_or_error("k" + std::to_string(i)), "v" + std::to_string(i));
  EXPECT_EQ(set_->status().undecided, 2U) << "the last put, and what confirms it, are the end of the log";
}

// Simulator, simulated files, seed 1055: a member that was behind needs an entry that the log of every other
// has lost. The leader asked its drive for it again and again, and did nothing else.
TEST_F(CrashedSet, ALeaderDoesNotSpinForAnEntryThatItsLogHasLost) {
  start({3});
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(put("k" + std::to_string(i), "v").has_value());
  turn(Milliseconds(700));
  stop();
  for (std::uint32_t slot = 0; slot < 3; ++slot)
    for (raft::Index index = 1; index < 10; ++index) disks_[slot]->entries.erase(index);
  start();
  for (const auto& disk : disks_) disk->entry_reads = 0;
  turn(Milliseconds(500));
  std::uint64_t reads = 0;
  for (const auto& disk : disks_) reads += disk->entry_reads;
  EXPECT_GT(reads, 0U) << "nobody is behind";
  EXPECT_LT(reads, 100U);
  EXPECT_EQ(get_or_error("k3"), "v");
}

}  // namespace
}  // namespace flashstor::cluster
