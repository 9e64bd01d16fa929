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

}  // namespace
}  // namespace flashstor::cluster
