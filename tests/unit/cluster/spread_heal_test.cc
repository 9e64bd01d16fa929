#include "engine/cluster/limits.h"
#include "tests/unit/cluster/spread_fixture.h"

// Healing, and the sweep of what lies in staging, where another node may lead or stage meanwhile.
namespace flashstor::cluster {
namespace {

class SpreadHeal : public SpreadSetTest {
 protected:
  SpreadHeal() {
    leader_ = await_leader({0, 1, 2});
    world_.run_for(std::chrono::seconds(5));
  }
  [[nodiscard]] ErasureSet& set(std::uint32_t node) { return *nodes_[node]->set; }
  void begin(std::uint32_t node, Task<void> work) {
    nodes_[node]->runtime.enter([&] { async::start_detached(std::move(work)); });
  }
  static Task<Result<DataRef>> stage(ErasureSet* set, DataId id, Geometry shape, std::size_t bytes) {
    auto slice = co_await or_return(set->stage(id, shape, bytes));
    co_await or_return(slice->write(BufferChain(Buffer::copy_of(std::string(bytes, 'b')))));
    co_return co_await slice->finish();
  }
  /// Stages the data of `command` at `node`, large.
  void stage_for(std::uint32_t node, Command& command, std::size_t bytes) {
    const auto data = nodes_[node]->runtime.run_until(stage(&set(node), command.data.id, geometry(), bytes));
    ASSERT_TRUE(data.has_value()) << data.error().describe();
    command.data = *data;
    command.bytes = {};
  }
  [[nodiscard]] bool holds(std::uint32_t slot, const DataId& id) const {
    return disks_[slot]->shards.contains(id);
  }

  std::uint32_t leader_ = 0;
};

// Its successor may have the slice freed at any time.
TEST_F(SpreadHeal, ALeaderThatIsDeposedWithinASliceEndsThere) {
  Command command = put_command("key", "");
  stage_for(leader_, command, 40'000'000);
  const DataRef data = command.data;
  ASSERT_TRUE(nodes_[leader_]->runtime.run_until(set(leader_).execute(std::move(command))).has_value());
  world_.run_for(std::chrono::seconds(3));
  for (const std::uint32_t slot : {0U, 1U}) ASSERT_EQ(disks_[slot]->shards.erase(data.id), 1U);
  const std::uint64_t reads = disks_[2]->shard_reads + disks_[3]->shard_reads;
  set(leader_).told_bad({{.data = data, .slots = 3}});
  ASSERT_TRUE(world_.run_until([&] { return disks_[2]->shard_reads + disks_[3]->shard_reads > reads; },
                               std::chrono::seconds(10)));
  begin(leader_, set(leader_).hand_over());
  ASSERT_TRUE(world_.run_until([&] { return !set(leader_).group().leader(); }, std::chrono::seconds(1)));
  EXPECT_FALSE(holds(0, data.id));
  world_.run_for(std::chrono::seconds(1));
  EXPECT_EQ(set(leader_).heal_status().healed, 0U);
  EXPECT_EQ(disks_[0]->given_up + disks_[1]->given_up, 0U) << "its successor stages under the same name";
  EXPECT_TRUE(
      world_.run_until([&] { return holds(0, data.id) && holds(1, data.id); }, std::chrono::minutes(1)));
}

// Its drive was too slow for the writer, which left it out: what it has need not be synced.
TEST_F(SpreadHeal, AShardThatCameTooLateToStagingIsOwed) {
  Command command = put_command("key", "");
  const std::uint32_t late = (leader_ + 1) % kNodes;
  disks_[late]->fail_appends = true;
  stage_for(leader_, command, 3'000'000);
  disks_[late]->fail_appends = false;
  ASSERT_FALSE(holds(late, command.data.id));
  disks_[late]->shards[command.data.id] = {.ref = command.data, .shard = 0, .bytes = {}};
  ASSERT_TRUE(nodes_[leader_]->runtime.run_until(set(leader_).execute(std::move(command))).has_value());
  EXPECT_EQ(set(leader_).heal_status().queued, 1U);
}

// A node stages what it names only hours later, while the drive is asked a second time what lies there, and
// before it has applied the entry.
TEST_F(SpreadHeal, WhatIsNamedWhileADriveIsSweptIsNotRefused) {
  const std::uint32_t other = (leader_ + 1) % kNodes;
  const std::uint32_t swept = *set(leader_).group().leader() == 0 ? 1 : 0;
  Command command = put_command("key", "");
  stage_for(other, command, 3'000'000);
  const DataId id = command.data.id;
  disks_[swept]->staged_delay = std::chrono::seconds(2);
  std::uint64_t asked = disks_[swept]->asked_staged;
  std::int64_t asked_at = 0;
  ASSERT_TRUE(world_.run_until(
      [&] {
        if (std::exchange(asked, disks_[swept]->asked_staged) == disks_[swept]->asked_staged) return false;
        return world_.now_ns() - std::exchange(asked_at, world_.now_ns()) < 60'000'000'000;
      },
      std::chrono::hours(2)));
  ASSERT_TRUE(holds(swept, id));
  disks_[swept]->apply_delay = std::chrono::seconds(10);
  nodes_[leader_]->runtime.enter(
      [&] { set(leader_).adopt_staged(id, set(other).staged_here(command.data)); });
  ASSERT_TRUE(nodes_[leader_]->runtime.run_until(set(leader_).execute(std::move(command))).has_value());
  world_.run_for(std::chrono::seconds(60));
  EXPECT_TRUE(holds(swept, id));
  EXPECT_FALSE(disks_[swept]->refused.contains(id));
}

// What nobody names is dropped, once it has lain there for long.
TEST_F(SpreadHeal, WhatNobodyNamesIsSwept) {
  Command command = put_command("key", "");
  stage_for((leader_ + 1) % kNodes, command, 3'000'000);
  const DataId id = command.data.id;
  world_.run_for(limits::kStagedKeep);
  for (std::uint32_t slot = 0; slot < kDrives; ++slot) EXPECT_TRUE(holds(slot, id)) << slot;
  world_.run_for(2 * limits::kSweepPeriod + std::chrono::minutes(1));
  for (std::uint32_t slot = 0; slot < kDrives; ++slot) EXPECT_FALSE(holds(slot, id)) << slot;
}

}  // namespace
}  // namespace flashstor::cluster
