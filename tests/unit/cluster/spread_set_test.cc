#include <gtest/gtest.h>

#include <map>
#include <optional>

#include "engine/cluster/leaderless.h"
#include "engine/cluster/peers/bundle.h"
#include "engine/cluster/set.h"
#include "engine/storage/storage_server.h"
#include "tests/sim/sim_runtime.h"
#include "tests/unit/cluster/set_fixture.h"

// A set whose drives are on three nodes, on a simulated network and clock.
namespace flashstor::cluster {
namespace {

constexpr std::uint32_t kNodes = 3;
constexpr std::uint32_t kDrivesPerNode = 2;
constexpr std::uint32_t kDrives = kNodes * kDrivesPerNode;
constexpr Milliseconds kDelay{1};
constexpr CommandKind kHas = 9;  ///< A query: whether a key is there.

struct SimNode;

/// Messages take kDelay; a node that is cut off neither sends nor receives.
class SpreadNet {
 public:
  explicit SpreadNet(sim::SimWorld& world) : world_(world) {}
  void cut(std::uint32_t node, bool off);
  [[nodiscard]] bool passes(std::uint32_t a, std::uint32_t b) const { return !off_[a] && !off_[b]; }
  sim::SimWorld& world_;
  std::vector<SimNode*> nodes_;
  bool off_[kNodes] = {};
};

struct SimNode final : GroupTransport {
  class Caller final : public storage::PeerCaller {
   public:
    Caller(SpreadNet& net, std::uint32_t from, std::uint32_t to) : net_(net), from_(from), to_(to) {}
    Task<Result<storage::wire::Payload>> call(storage::wire::Method method, storage::wire::Payload request,
                                              Nanoseconds) override {
      co_await async::sleep_for(*Runtime::current(), kDelay);
      if (!reachable()) co_return fail(ErrorCode::kIo, "cut off");
      auto answer = co_await net_.nodes_[to_]->server.handle(method, std::move(request));
      co_await async::sleep_for(*Runtime::current(), kDelay);
      if (!reachable()) co_return fail(ErrorCode::kIo, "cut off");
      co_return answer;
    }
    [[nodiscard]] bool reachable() const override { return net_.passes(from_, to_); }

   private:
    SpreadNet& net_;
    std::uint32_t from_;
    std::uint32_t to_;
  };

  SimNode(SpreadNet& network, std::uint32_t number) : net(network), self(number), runtime(network.world_) {
    for (std::uint32_t to = 0; to < kNodes; ++to) callers.push_back(std::make_unique<Caller>(net, self, to));
  }

  void send(std::uint32_t node, Bundle bundle) override {
    auto payload = std::make_shared<storage::wire::Payload>(encode_bundle(bundle));
    net.world_.after(kDelay, [this, node, payload] {
      if (!net.passes(self, node)) return;
      SimNode& target = *net.nodes_[node];
      target.runtime.enter([&] {
        auto decoded = decode_bundle(*payload);
        ASSERT_TRUE(decoded.has_value());
        if (target.set) target.set->receive(self, std::move(*decoded));
      });
    });
  }

  SpreadNet& net;
  std::uint32_t self;
  sim::SimRuntime runtime;
  std::vector<std::unique_ptr<Caller>> callers;
  storage::StorageServer server;
  std::unique_ptr<ErasureSet> set;
};

void SpreadNet::cut(std::uint32_t node, bool off) {
  off_[node] = off;
  for (std::uint32_t other = 0; other < kNodes; ++other) {
    if (other == node || off_[other]) continue;
    nodes_[other]->runtime.enter([&] { nodes_[other]->set->node_changed(node, !off); });
    nodes_[node]->runtime.enter([&] { nodes_[node]->set->node_changed(other, !off); });
  }
}

class SpreadSetTest : public ::testing::Test {
 protected:
  SpreadSetTest() {
    add_test_planners(registry_);
    registry_.add_query(kHas, [](RowView& rows, std::string_view key) -> Task<Result<std::string>> {
      const auto row = co_await or_return(rows.get(Family::kVersions, std::string(key)));
      co_return row ? "there" : "absent";
    });
    for (std::uint32_t slot = 0; slot < kDrives; ++slot)
      disks_.push_back(std::make_shared<testing::MemoryDisk>());
    for (std::uint32_t node = 0; node < kNodes; ++node) {
      nodes_.push_back(std::make_unique<SimNode>(net_, node));
      net_.nodes_.push_back(nodes_.back().get());
    }
    for (std::uint32_t node = 0; node < kNodes; ++node) start(node);
    for (std::uint32_t a = 0; a < kNodes; ++a)
      for (std::uint32_t b = 0; b < kNodes; ++b)
        if (a != b) nodes_[a]->runtime.enter([&] { nodes_[a]->set->node_changed(b, true); });
  }
  ~SpreadSetTest() override {
    for (const auto& node : nodes_) {
      node->server.remove_all();
      node->runtime.run_until(node->set->close());
    }
    for (const auto& node : nodes_) node->set.reset();
    world_.run_for(std::chrono::seconds(1));
  }

  void start(std::uint32_t number) {
    SimNode& node = *nodes_[number];
    SetParts parts;
    parts.info.drives = kDrives;
    parts.info.default_parity = default_parity(kDrives);
    parts.home = &node.runtime;
    parts.registry = &registry_;
    parts.described.resize(kDrives);
    parts.place = {.transport = &node, .set = 0, .self = number, .nodes = {}};
    for (std::uint32_t slot = 0; slot < kDrives; ++slot) {
      const std::uint32_t owner = slot % kNodes;
      parts.place.nodes.push_back(owner);
      if (owner == number) {
        auto drive = std::make_unique<testing::MemoryStorage>(disks_[slot], slot);
        node.server.add(0, slot, *drive);
        parts.drives.push_back(std::move(drive));
      } else {
        storage::DriveInfo info;
        info.path = "remote";
        info.slot = slot;
        parts.drives.push_back(std::make_unique<storage::RestStorage>(*node.callers[owner], info));
      }
    }
    node.runtime.enter([&] { node.set = std::make_unique<ErasureSet>(std::move(parts)); });
    ASSERT_TRUE(node.runtime.run_until(node.set->open()).has_value());
  }

  [[nodiscard]] Geometry geometry() const {
    const std::uint8_t m = default_parity(kDrives);
    return {.data_shards = static_cast<std::uint8_t>(kDrives - m), .parity_shards = m};
  }
  /// The node that leads and is known to lead by all nodes of `among`.
  std::uint32_t await_leader(std::vector<std::uint32_t> among) {
    int leader = -1;
    const bool found = world_.run_until(
        [&] {
          leader = nodes_[among[0]]->set->leader_node();
          return std::ranges::all_of(among,
                                     [&](std::uint32_t node) {
                                       return leader >= 0 && nodes_[node]->set->leader_node() == leader &&
                                              nodes_[node]->set->status().can_write;
                                     }) &&
                 std::ranges::find(among, static_cast<std::uint32_t>(leader)) != among.end();
        },
        std::chrono::seconds(30));
    EXPECT_TRUE(found) << "no leader in 30 s";
    return found ? static_cast<std::uint32_t>(leader) : among[0];
  }
  Result<CommandResult> put(std::uint32_t node, const std::string& key, const std::string& bytes) {
    return nodes_[node]->runtime.run_until(nodes_[node]->set->execute(put_command(key, bytes)));
  }
  Command put_command(const std::string& key, const std::string& bytes, CommandKind kind = kPut) {
    Command command;
    command.kind = kind;
    command.request_id = Uuid::make(world_.random());
    command.payload = key;
    command.locks.push_back({.name = lock_name(Family::kVersions, key), .exclusive = true});
    command.data = {.id = Uuid::make(world_.random()),
                    .geometry = geometry(),
                    .place = DataPlace::kLog,
                    .length = bytes.size()};
    command.bytes = BufferChain(Buffer::copy_of(bytes));
    return command;
  }
  Result<DataRef> find(std::uint32_t node, const std::string& key) {
    return nodes_[node]->runtime.run_until(find_task(nodes_[node]->set.get(), key));
  }
  static Task<Result<DataRef>> find_task(ErasureSet* set, std::string key) {
    std::optional<std::string> row;
    co_await or_return(set->with_rows([&row, &key](RowView& rows) { return read_row(rows, key, row); }));
    if (!row) co_return fail(ErrorCode::kNoSuchKey);
    ByteReader in(*row);
    co_return storage::decode_data_ref(in);
  }
  static Task<Result<void>> read_row(RowView& rows, const std::string& key, std::optional<std::string>& out) {
    out = co_await or_return(rows.get(Family::kVersions, key));
    co_return Result<void>();
  }
  /// Reads at `node` what the leader's row names.
  std::string read(std::uint32_t leader, std::uint32_t node, const std::string& key) {
    const auto ref = find(leader, key);
    if (!ref) return "error " + ref.error().describe();
    const auto bytes = nodes_[node]->runtime.run_until(nodes_[node]->set->read(*ref, 0, ref->length));
    return bytes ? std::string(bytes->flatten().view()) : "error " + bytes.error().describe();
  }

  /// Has `key` looked for in the rows of the member of `slot`, whose log ends as it does now, as is done
  /// without a leader.
  void ask_member(std::uint32_t slot, const std::string& key, std::optional<Result<std::string>>& answer) {
    SimNode& node = *nodes_[slot % kNodes];
    const raft::Raft& core = *node.set->group().core(slot);
    const LeaderlessQuery query{.member = first_member_of(slot),
                                .generation = 0,
                                .last_term = core.log().last_term(),
                                .last_index = core.log().last_index(),
                                .commit = core.commit_index(),
                                .commit_term = core.log().term_at(core.commit_index()),
                                .kind = kHas,
                                .payload = key};
    const auto ask = [](ErasureSet* set, LeaderlessQuery what,
                        std::optional<Result<std::string>>* out) -> Task<void> {
      *out = co_await set->query_leaderless(std::move(what));
    };
    node.runtime.enter([&] { async::start_detached(ask(node.set.get(), query, &answer)); });
  }
  /// Begins a put whose outcome nobody waits for.
  void begin_put(std::uint32_t node, const std::string& key) {
    const auto run = [](ErasureSet* set, Command command) -> Task<void> {
      static_cast<void>(co_await set->execute(std::move(command)));
    };
    nodes_[node]->runtime.enter(
        [&] { async::start_detached(run(nodes_[node]->set.get(), put_command(key, "bytes of " + key))); });
  }
  [[nodiscard]] raft::Index last_on(std::uint32_t slot) const {
    return disks_[slot]->entries.empty() ? 0 : disks_[slot]->entries.rbegin()->first;
  }
  /// Until both drives of `node` have in their logs what follows `index`.
  void await_appended(std::uint32_t node, raft::Index index) {
    EXPECT_TRUE(world_.run_until([&] { return last_on(node) > index && last_on(node + kNodes) > index; },
                                 std::chrono::seconds(5)));
  }

  sim::SimWorld world_{11};
  SpreadNet net_{world_};
  CommandRegistry registry_;
  std::vector<std::shared_ptr<testing::MemoryDisk>> disks_;
  std::vector<std::unique_ptr<SimNode>> nodes_;
};

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
