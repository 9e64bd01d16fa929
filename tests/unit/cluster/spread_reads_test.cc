#include <deque>
#include "engine/cluster/peers/routed_set.h"

#include "tests/unit/cluster/spread_fixture.h"

// What a node that does not lead does with what its reads find, and when nobody leads.
namespace flashstor::cluster {
namespace {

class SpreadReads : public SpreadSetTest {
 protected:
  static Task<void> ask(SetApi* set, std::optional<ErrorCode>* out) {
    const auto answer = co_await set->query(kHas, "key");
    *out = answer ? ErrorCode::kConflict : answer.error().code();
  }
  static Task<void> change(SetApi* set, Command command, std::optional<ErrorCode>* out) {
    const auto answer = co_await set->execute(std::move(command));
    *out = answer ? ErrorCode::kConflict : answer.error().code();
  }
};

// Only a leader queues what is to be healed: what other nodes' reads found stayed with them.
TEST_F(SpreadReads, ABadShardThatANodeReadsWhichDoesNotLeadIsHealed) {
  const std::uint32_t leader = await_leader({0, 1, 2});
  ASSERT_TRUE(put(leader, "key", std::string(10'000, 'x')).has_value());
  world_.run_for(std::chrono::seconds(2));
  const auto ref = find(leader, "key");
  ASSERT_TRUE(ref.has_value());
  testing::MemoryDisk& disk = *disks_[slot_of_shard(ref->id, 0, kDrives)];
  disk.corrupt.insert(ref->id);
  EXPECT_EQ(read(leader, (leader + 1) % kNodes, "key"), std::string(10'000, 'x'));
  // The scanner would find it an hour later.
  EXPECT_TRUE(world_.run_until([&] { return disk.corrupt.empty(); }, std::chrono::seconds(20)));
}

// Marks of entries that another leader's took the place of stayed: a read without a leader waited in vain for
// them to be decided, and the node called them undecided for ever.
TEST_F(SpreadReads, AnEntryThatLostItsPlaceLeavesNoNameUndecided) {
  const std::uint32_t old = await_leader({0, 1, 2});
  ASSERT_TRUE(put(old, "first", "1").has_value());
  world_.run_for(std::chrono::seconds(3));
  net_.off_[old] = true;
  const raft::Index before = last_on(old);
  for (const char* key : {"lost1", "lost2", "lost3"}) begin_put(old, key);
  await_appended(old, before + 2);
  net_.off_[old] = false;
  net_.cut(old, true);
  const std::uint32_t leader = await_leader({(old + 1) % kNodes, (old + 2) % kNodes});
  world_.run_for(std::chrono::seconds(2));
  std::optional<Result<std::string>> other;
  ask_member(old, "other", other);
  EXPECT_TRUE(world_.run_until([&] { return other.has_value(); }, std::chrono::seconds(2)));
  EXPECT_GT(nodes_[old]->set->status().undecided, 0U);
  net_.cut(old, false);
  EXPECT_TRUE(world_.run_until([&] { return last_on(old) == before + 1 && last_on(leader) == before + 1; },
                               std::chrono::seconds(5)));
  world_.run_for(std::chrono::seconds(2));
  EXPECT_EQ(nodes_[old]->set->status().undecided, 0U);
  net_.cut(leader, true);
  world_.run_for(Milliseconds(5));
  std::optional<Result<std::string>> answer;
  ask_member(old, "lost3", answer);
  EXPECT_TRUE(world_.run_until([&] { return answer.has_value(); }, std::chrono::seconds(2)));
  ASSERT_TRUE(answer && *answer) << "not answered";
  EXPECT_EQ(**answer, "absent");
}

// The last of several nodes to stop waited ten seconds for a leader, for whatever it was asking then.
TEST_F(SpreadReads, ANodeThatStopsAloneDoesNotWaitForALeader) {
  await_leader({0, 1, 2});
  net_.cut(0, true);
  net_.cut(1, true);
  SimNode& last = *nodes_[2];
  PeersOptions options;
  options.spread.nodes = {"a:1", "b:1", "c:1"};
  options.spread.self = 2;
  options.spread.set_drives = kDrives;
  for (std::uint32_t slot = 0; slot < kDrives; ++slot)
    options.spread.drives.push_back({.node = slot % kNodes, .path = "/d", .set = 0, .slot = slot});
  options.secret = "secret";
  options.home = &last.runtime;
  options.connect = [](std::string, MonotonicTime) -> Task<Result<std::unique_ptr<async::Connection>>> {
    co_return fail(ErrorCode::kIo, "cut off");
  };
  std::unique_ptr<Peers> peers;
  last.runtime.enter([&] { peers = std::make_unique<Peers>(std::move(options)); });
  RoutedSet routed(*last.set, *peers);
  std::optional<ErrorCode> ended[4];
  last.runtime.enter([&] {
    async::start_detached(ask(&routed, &ended[0]));
    async::start_detached(ask(last.set.get(), &ended[1]));
    async::start_detached(change(&routed, put_command("key", "1"), &ended[2]));
    async::start_detached(change(last.set.get(), put_command("key", "2"), &ended[3]));
  });
  world_.run_for(std::chrono::seconds(4));  // by now it leads no more
  EXPECT_FALSE(ended[0]);
  last.runtime.enter([&] { last.set->end_waits(); });
  world_.run_for(Milliseconds(100));
  for (const auto& one : ended) {
    EXPECT_TRUE(one) << "still waits";
    if (one) EXPECT_NE(*one, ErrorCode::kConflict) << "answered";
  }
  last.runtime.run_until(peers->stop());
}

// The fault matrix: the word to take over waited for the hanging drive, like all else that a member says; and
// the member of such a drive is asked for no news, so that reads which waited for it to confirm that it leads
// went on waiting for ten seconds after it had handed over.
TEST_F(SpreadReads, AReadAtALeaderWhoseDriveHangsEndsWithItsLeadership) {
  const std::uint32_t old = await_leader({0, 1, 2});
  ASSERT_TRUE(put(old, "key", "1").has_value());
  SimNode& node = *nodes_[old];
  testing::MemoryDisk& hangs = *disks_[node.set->status().leader_slot];
  hangs.frozen = true;
  for (const std::string key : {"a", "b", "c"}) {  // one append each: with two under way the member is mute
    begin_put(old, key);
    world_.run_for(Milliseconds(5));
  }
  std::deque<std::optional<Result<DataRef>>> answers;
  const auto look = [](ErasureSet* set, std::optional<Result<DataRef>>* out) -> Task<void> {
    *out = co_await find_data(set, "key");
  };
  for (int i = 0; i < 300; ++i) {
    std::optional<Result<DataRef>>* answer = &answers.emplace_back();
    node.runtime.enter([&] { async::start_detached(look(node.set.get(), answer)); });
    world_.run_for(Milliseconds(10));
  }
  world_.run_for(std::chrono::seconds(2));
  EXPECT_TRUE(std::ranges::all_of(answers, [](const auto& answer) { return answer.has_value(); }))
      << std::ranges::count_if(answers, [](const auto& answer) { return !answer; }) << " still wait";
  EXPECT_TRUE(std::ranges::any_of(answers, [](const auto& answer) { return answer && !*answer; }))
      << "it never handed over";
  hangs.frozen = false;
  node.runtime.enter([&] { hangs.thaw.notify_all(); });
  world_.run_for(std::chrono::seconds(1));
}

}  // namespace
}  // namespace flashstor::cluster
