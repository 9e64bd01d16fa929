#include "engine/cluster/limits.h"
#include "tests/unit/cluster/spread_fixture.h"

// Drives that hang below a leader, and how long nobody can write.
namespace flashstor::cluster {
namespace {

class SpreadSlow : public SpreadSetTest {
 protected:
  /// Writes to keys of its own, at whoever leads, until the test ends it; not in step with others, so that
  /// several appends are under way.
  Task<void> write(std::uint32_t node, std::uint32_t number) {
    ++writers_;
    for (int i = 0; !ending_; ++i) {
      ErasureSet& set = *nodes_[node]->set;
      const auto done = set.group().leader()
                            ? co_await set.execute(put_command(
                                  "key" + std::to_string(number) + "-" + std::to_string(i % 50), "bytes"))
                            : Result<CommandResult>(fail(ErrorCode::kNotLeader));
      if (done) {
        longest_ = std::max(longest_, world_.now_ns() - last_);
        last_ = world_.now_ns();
        ++written_;
      }
      co_await async::sleep_for(nodes_[node]->runtime, Milliseconds(1 + world_.random().below(4)));
    }
    --writers_;
  }
  void begin_writers(std::uint32_t each) {
    last_ = world_.now_ns();
    for (std::uint32_t node = 0; node < kNodes; ++node)
      for (std::uint32_t i = 0; i < each; ++i)
        nodes_[node]->runtime.enter([&] { async::start_detached(write(node, node * 100 + i)); });
  }
  void thaw() {
    for (std::uint32_t slot = 0; slot < kDrives; ++slot)
      nodes_[slot % kNodes]->runtime.enter([&] {
        disks_[slot]->frozen = false;
        disks_[slot]->thaw.notify_all();
      });
  }
  void end_writers() {
    ending_ = true;
    EXPECT_TRUE(world_.run_until([&] { return writers_ == 0; }, std::chrono::minutes(1)));
  }

  std::int64_t last_ = 0;
  std::int64_t longest_ = 0;
  std::uint64_t written_ = 0;
  std::uint32_t writers_ = 0;
  bool ending_ = false;
};

// Its followers waited in vain for its heartbeats, and then elected another: two seconds without a write.
TEST_F(SpreadSlow, ALeaderWhoseDriveHangsUnderLoadHandsOver) {
  for (const auto& disk : disks_) disk->append_delay = Milliseconds(3);
  const std::uint32_t old = await_leader({0, 1, 2});
  const std::uint32_t slot = *nodes_[old]->set->group().leader();
  begin_writers(8);
  world_.run_for(std::chrono::seconds(2));
  const std::uint64_t before = written_;
  longest_ = 0;
  disks_[slot]->frozen = true;
  world_.run_for(std::chrono::seconds(3));
  EXPECT_NE(nodes_[old]->set->group().leader(), slot);
  EXPECT_GT(written_, before + 100);
  EXPECT_LT(longest_, Nanoseconds(limits::kOvertakenLeader + Milliseconds(300)).count())
      << "ns without a write";
  thaw();
  end_writers();
  world_.run_for(std::chrono::seconds(5));
}

// One that every drive's slowness holds up is no better elsewhere.
TEST_F(SpreadSlow, ALeaderAmongEquallySlowDrivesStays) {
  for (const auto& disk : disks_) disk->append_delay = Milliseconds(800);
  const std::uint32_t old = await_leader({0, 1, 2});
  const raft::Term term = nodes_[old]->set->group().leader_term();
  begin_writers(4);
  world_.run_for(std::chrono::seconds(20));
  EXPECT_EQ(nodes_[old]->set->group().leader_term(), term);
  EXPECT_GT(written_, 40U);
  end_writers();
  world_.run_for(std::chrono::seconds(5));
}

}  // namespace
}  // namespace flashstor::cluster
