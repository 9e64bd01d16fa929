#include "engine/cluster/limits.h"
#include "tests/unit/cluster/spread_fixture.h"

// A node that loses its power, with drives whose caches lied: what they had acknowledged is gone from them.
namespace flashstor::cluster {
namespace {

class SpreadDoubt : public SpreadSetTest {
 protected:
  SpreadDoubt() {
    for (std::uint32_t slot = 0; slot < kDrives; ++slot) disks_[slot]->incarnation = 100 + slot;
  }
  Result<CommandResult> remove(std::uint32_t node, const std::string& key) {
    Command command;
    command.kind = kRemove;
    command.request_id = Uuid::make(world_.random());
    command.payload = key;
    command.locks.push_back({.name = lock_name(Family::kVersions, key), .exclusive = true});
    return nodes_[node]->runtime.run_until(nodes_[node]->set->execute(std::move(command)));
  }
  /// The node's power fails, and its drives come back without the entries from `index` on.
  void lose(std::uint32_t number, raft::Index index) {
    SimNode& node = *nodes_[number];
    net_.cut(number, true);
    node.server.remove_all();
    node.runtime.run_until(node.set->close());
    node.runtime.enter([&] { node.set.reset(); });
    for (std::uint32_t slot = number; slot < kDrives; slot += kNodes) {
      const testing::MemoryDisk& old = *disks_[slot];
      auto disk = std::make_shared<testing::MemoryDisk>();
      disk->hard_state = old.hard_state;
      disk->entries = {old.entries.begin(), old.entries.lower_bound(index)};
      disk->shards = old.shards;
      disk->incarnation = old.incarnation + 100;
      disk->in_doubt = true;
      disks_[slot] = std::move(disk);
    }
    start(number);
    net_.cut(number, false);
    for (std::uint32_t other = 0; other < kNodes; ++other)
      if (other != number && net_.off_[other])
        node.runtime.enter([&] { node.set->node_changed(other, false); });
  }
  /// A removal that the leader and `liar_` have, and `deaf_` does not; then the leader is cut off and what
  /// `liar_` had of it is lost.
  void remove_and_lose() {
    old_ = await_leader({0, 1, 2});
    ASSERT_TRUE(put(old_, "key", "1").has_value());
    world_.run_for(std::chrono::seconds(3));
    liar_ = (old_ + 1) % kNodes;
    deaf_ = (old_ + 2) % kNodes;
    const raft::Index before = last_on(liar_);
    net_.off_[deaf_] = true;
    ASSERT_TRUE(remove(old_, "key").has_value());
    net_.off_[deaf_] = false;
    net_.cut(old_, true);
    lose(liar_, before + 1);
    ASSERT_EQ(last_on(liar_), before);
    ASSERT_EQ(last_on(deaf_), before);
  }
  [[nodiscard]] bool led() const {
    return nodes_[liar_]->set->leader_node() >= 0 || nodes_[deaf_]->set->leader_node() >= 0;
  }
  [[nodiscard]] bool in_doubt(std::uint32_t node) const {
    return disks_[node]->in_doubt || disks_[node + kNodes]->in_doubt;
  }

  std::uint32_t old_ = 0;
  std::uint32_t liar_ = 0;
  std::uint32_t deaf_ = 0;
};

TEST_F(SpreadDoubt, WhatADriveLostIsNotUndoneByItsVote) {
  remove_and_lose();
  EXPECT_FALSE(world_.run_until([&] { return led(); }, std::chrono::seconds(6)))
      << "two nodes that lack what was acknowledged";
  net_.cut(old_, false);
  const std::uint32_t leader = await_leader({0, 1, 2});
  EXPECT_EQ(find(leader, "key").error().code(), ErrorCode::kNoSuchKey);
}

// It may be gone for good.
TEST_F(SpreadDoubt, TheWordOfFewerIsEnoughAfterAWhile) {
  remove_and_lose();
  EXPECT_TRUE(
      world_.run_until([&] { return led(); }, cluster::limits::kDoubtWait + std::chrono::seconds(10)));
  const std::uint32_t leader = await_leader({liar_, deaf_});
  EXPECT_TRUE(put(leader, "key", "2").has_value());
  EXPECT_TRUE(world_.run_until([&] { return !in_doubt(liar_); }, std::chrono::seconds(5)));
}

TEST_F(SpreadDoubt, BesideALeaderADriveIsBackAtOnceAndIsLookedThrough) {
  old_ = await_leader({0, 1, 2});
  ASSERT_TRUE(put(old_, "key", "1").has_value());
  ASSERT_TRUE(put(old_, "other", "2").has_value());
  world_.run_for(std::chrono::seconds(3));
  const DataRef lost = find(old_, "key").value();
  const DataRef kept = find(old_, "other").value();
  liar_ = (old_ + 1) % kNodes;
  ASSERT_EQ(disks_[liar_]->shards.erase(lost.id), 1U);
  lose(liar_, last_on(liar_) + 1);
  EXPECT_TRUE(world_.run_until([&] { return !in_doubt(liar_); }, std::chrono::seconds(2)));
  EXPECT_TRUE(
      world_.run_until([&] { return disks_[liar_]->shards.contains(lost.id); }, std::chrono::seconds(30)));
  EXPECT_TRUE(disks_[liar_]->shards.contains(kept.id));
}

// All nodes lose their power at once, and start one after the other.
TEST_F(SpreadDoubt, AfterALossOfAllPowerEveryNodeWaitsForTheOthers) {
  remove_and_lose();
  lose(deaf_, last_on(deaf_) + 1);
  EXPECT_FALSE(world_.run_until([&] { return led(); }, std::chrono::seconds(6)));
  lose(old_, last_on(old_) + 1);
  const std::uint32_t leader = await_leader({0, 1, 2});
  EXPECT_EQ(find(leader, "key").error().code(), ErrorCode::kNoSuchKey);
  for (std::uint32_t node = 0; node < kNodes; ++node)
    EXPECT_TRUE(world_.run_until([&] { return !in_doubt(node); }, std::chrono::seconds(5)));
}

}  // namespace
}  // namespace flashstor::cluster
