#include "tests/unit/cluster/spread_fixture.h"

namespace flashstor::cluster {
namespace {

TEST_F(SpreadSetTest, WhatTheLeaderCommitsCanBeReadAtEveryNode) {
  const std::uint32_t leader = await_leader({0, 1, 2});
  for (int i = 0; i < 20; ++i) {
    const auto done = put(leader, "key" + std::to_string(i), "value" + std::to_string(i));
    ASSERT_TRUE(done.has_value()) << done.error().describe();
  }
  for (std::uint32_t node = 0; node < kNodes; ++node) EXPECT_EQ(read(leader, node, "key7"), "value7");
  for (const auto& disk : disks_) EXPECT_EQ(disk->shards.size(), 20U) << "a drive went without its shards";
}

TEST_F(SpreadSetTest, OnlyTheLeaderDecides) {
  const std::uint32_t leader = await_leader({0, 1, 2});
  const std::uint32_t other = (leader + 1) % kNodes;
  EXPECT_EQ(put(other, "key", "value").error().code(), ErrorCode::kNotLeader);
  EXPECT_EQ(find(other, "key").error().code(), ErrorCode::kNotLeader);
}

TEST_F(SpreadSetTest, TheOthersGoOnWithoutTheLeadersNode) {
  const std::uint32_t old = await_leader({0, 1, 2});
  ASSERT_TRUE(put(old, "before", "1").has_value());
  net_.cut(old, true);
  std::vector<std::uint32_t> rest;
  for (std::uint32_t node = 0; node < kNodes; ++node)
    if (node != old) rest.push_back(node);
  const std::int64_t cut_at = world_.now_ns();
  const std::uint32_t leader = await_leader(rest);
  EXPECT_LT(world_.now_ns() - cut_at, 3'000'000'000) << "the outage after a node's loss";
  EXPECT_EQ(read(leader, rest[1], "before"), "1");
  const auto done = put(leader, "after", "2");
  ASSERT_TRUE(done.has_value()) << done.error().describe();
  EXPECT_EQ(read(leader, rest[0], "after"), "2");
}

TEST_F(SpreadSetTest, ALeaderThatIsCutOffNeitherAnswersReadsNorWrites) {
  const std::uint32_t old = await_leader({0, 1, 2});
  ASSERT_TRUE(put(old, "key", "1").has_value());
  net_.off_[old] = true;  // without a word: it still believes in everything
  world_.run_for(std::chrono::seconds(1));
  EXPECT_FALSE(find(old, "key").has_value()) << "read without a lease";
  EXPECT_FALSE(put(old, "other", "2").has_value());
}

// Their drives lost their last second after the shards were staged, and took the entry: they counted.
TEST_F(SpreadSetTest, StagedShardsThatAreGoneWhenTheirEntryComesAreOwed) {
  const std::uint32_t leader = await_leader({0, 1, 2});
  const std::string bytes(3'000'000, 'b');
  const auto stage = [](ErasureSet* set, DataId id, Geometry shape,
                        std::string all) -> Task<Result<DataRef>> {
    auto slice = co_await or_return(set->stage(id, shape, all.size()));
    co_await or_return(slice->write(BufferChain(Buffer::copy_of(all))));
    co_return co_await slice->finish();
  };
  SimNode& node = *nodes_[leader];
  Command command = put_command("key", bytes);
  const auto data = node.runtime.run_until(stage(node.set.get(), command.data.id, geometry(), bytes));
  ASSERT_TRUE(data.has_value()) << data.error().describe();
  const std::uint32_t here = leader;
  const std::uint32_t there = (leader + 1) % kNodes;
  for (const std::uint32_t slot : {here, there}) ASSERT_EQ(disks_[slot]->shards.erase(data->id), 1U);
  command.data = *data;
  command.bytes = {};
  const auto done = node.runtime.run_until(node.set->execute(std::move(command)));
  ASSERT_TRUE(done.has_value()) << done.error().describe();
  EXPECT_EQ(node.set->heal_status().queued, 1U) << "one slice lacks shards";
  EXPECT_TRUE(world_.run_until(
      [&] { return disks_[here]->shards.contains(data->id) && disks_[there]->shards.contains(data->id); },
      std::chrono::minutes(1)));
}

TEST_F(SpreadSetTest, ANodeThatComesBackCatchesUpAndIsHealed) {
  const std::uint32_t old = await_leader({0, 1, 2});
  net_.cut(old, true);
  std::vector<std::uint32_t> rest;
  for (std::uint32_t node = 0; node < kNodes; ++node)
    if (node != old) rest.push_back(node);
  const std::uint32_t leader = await_leader(rest);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(put(leader, "key" + std::to_string(i), "value").has_value());
  std::vector<std::shared_ptr<testing::MemoryDisk>> missed;
  for (std::uint32_t slot = 0; slot < kDrives; ++slot)
    if (slot % kNodes == old) missed.push_back(disks_[slot]);
  EXPECT_TRUE(missed[0]->shards.empty());
  net_.cut(old, false);
  const bool healed = world_.run_until(
      [&] { return std::ranges::all_of(missed, [](const auto& disk) { return disk->shards.size() == 10; }); },
      std::chrono::minutes(2));
  EXPECT_TRUE(healed) << missed[0]->shards.size() << " and " << missed[1]->shards.size() << " shards of 10";
}

// Simulator, several nodes, seed 42: a read that waited at a member without a leader went on from that
// member's rows when a new leader had decided what it waited for, though the member had yet to apply it.
TEST_F(SpreadSetTest, AReadWithoutALeaderDoesNotGoOnBehindTheNextOne) {
  const std::uint32_t old = await_leader({0, 1, 2});
  ASSERT_TRUE(put(old, "first", "1").has_value());
  const std::vector<std::uint32_t> rest{(old + 1) % kNodes, (old + 2) % kNodes};
  const raft::Index before = last_on(old);
  begin_put(old, "key");
  for (const std::uint32_t node : rest) await_appended(node, before);
  net_.cut(old, true);
  world_.run_for(Milliseconds(5));
  std::map<std::uint32_t, std::optional<Result<std::string>>> answers;
  for (const std::uint32_t node : rest) {
    disks_[node + kNodes]->apply_delay = std::chrono::seconds(4);
    ask_member(node + kNodes, "key", answers[node]);
  }
  const std::uint32_t leader = await_leader(rest);
  for (const auto& [node, answer] : answers) {
    EXPECT_TRUE(world_.run_until([&] { return answer.has_value(); }, std::chrono::seconds(15)));
    EXPECT_FALSE(*answer && **answer == "absent") << "a stale read";
  }
  EXPECT_TRUE(find(leader, "key").has_value());
}

// The marks of a place in the log were those of the entry that had lost it.
TEST_F(SpreadSetTest, WhatTakesThePlaceOfAnEntryThatLostItIsUndecidedWithoutALeader) {
  const std::uint32_t old = await_leader({0, 1, 2});
  ASSERT_TRUE(put(old, "first", "1").has_value());
  world_.run_for(std::chrono::seconds(3));
  net_.off_[old] = true;
  const raft::Index before = last_on(old);
  begin_put(old, "lost1");
  begin_put(old, "lost2");
  await_appended(old, before + 1);
  net_.off_[old] = false;
  net_.cut(old, true);
  const std::uint32_t leader = await_leader({(old + 1) % kNodes, (old + 2) % kNodes});
  world_.run_for(std::chrono::seconds(2));
  std::optional<Result<std::string>> other;
  ask_member(old, "other", other);
  EXPECT_TRUE(world_.run_until([&] { return other.has_value(); }, std::chrono::seconds(2)));
  ASSERT_TRUE(other && *other && **other == "absent");
  net_.cut(old, false);
  EXPECT_TRUE(world_.run_until([&] { return last_on(old) == last_on(leader) && last_on(old) == before + 1; },
                               std::chrono::seconds(5)));
  begin_put(leader, "key");
  await_appended(old, before + 1);
  net_.cut(leader, true);
  world_.run_for(Milliseconds(5));
  std::optional<Result<std::string>> answer;
  ask_member(old, "key", answer);
  world_.run_until([&] { return answer.has_value(); }, std::chrono::seconds(15));
  EXPECT_FALSE(answer && *answer && **answer == "absent") << "a stale read";
}

// Simulator, several nodes, seed 488: a DELETE that was answered removed what had been there before a PUT of
// unknown outcome, which was in the log before it and committed later: its bytes were read after the DELETE.
TEST_F(SpreadSetTest, WhatComesAfterAnEntryOfUnknownOutcomeIsPlannedWithIt) {
  const std::uint32_t leader = await_leader({0, 1, 2});
  ASSERT_TRUE(put(leader, "first", "1").has_value());
  const std::vector<std::uint32_t> others{(leader + 1) % kNodes, (leader + 2) % kNodes};
  for (const std::uint32_t node : others)
    disks_[node]->append_delay = disks_[node + kNodes]->append_delay = Milliseconds(200);
  begin_put(leader, "key");
  world_.run_for(Milliseconds(5));
  for (const std::uint32_t node : others) net_.cut(node, true);  // too few stand: nobody can tell
  world_.run_for(Milliseconds(5));
  for (const std::uint32_t node : others) net_.cut(node, false);
  SimNode& node = *nodes_[leader];
  const auto again = [&] {
    return node.runtime.run_until(node.set->execute(put_command("key", "2", kPutIfAbsent)));
  };
  auto done = again();
  for (int i = 0; i < 100 && !done && done.error().code() == ErrorCode::kReadOnly; ++i) {
    world_.run_for(Milliseconds(1));
    done = again();
  }
  ASSERT_EQ(read(leader, leader, "key"), "bytes of key");
  ASSERT_FALSE(done.has_value()) << "it was there already";
  EXPECT_EQ(done.error().code(), ErrorCode::kPreconditionFailed) << done.error().describe();
}

}  // namespace
}  // namespace flashstor::cluster
