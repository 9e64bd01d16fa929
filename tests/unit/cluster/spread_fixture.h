#pragma once

#include <gtest/gtest.h>

#include <map>
#include <optional>

#include "engine/cluster/leaderless.h"
#include "engine/cluster/peers/bundle.h"
#include "engine/cluster/peers/messages.h"
#include "engine/cluster/set.h"
#include "engine/storage/storage_server.h"
#include "tests/sim/sim_runtime.h"
#include "tests/unit/cluster/set_fixture.h"

// A set whose drives are on three nodes, on a simulated network and clock.
namespace flashstor::cluster {

inline constexpr std::uint32_t kNodes = 3;
inline constexpr std::uint32_t kDrivesPerNode = 2;
inline constexpr std::uint32_t kDrives = kNodes * kDrivesPerNode;
inline constexpr Milliseconds kDelay{1};
inline constexpr CommandKind kHas = 9;  ///< A query: whether a key is there.

struct SimNode;

/// Messages take kDelay; a node that is cut off neither sends nor receives.
class SpreadNet {
 public:
  explicit SpreadNet(sim::SimWorld& world) : world_(world) {}
  void cut(std::uint32_t node, bool off);
  [[nodiscard]] bool passes(std::uint32_t a, std::uint32_t b) const { return !off_[a] && !off_[b]; }
  /// Of what the others say this node gets the shards only.
  bool shards_only_[kNodes] = {};
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
        if (net.shards_only_[node]) decoded->messages.clear();
        if (target.set) target.set->receive(self, std::move(*decoded));
      });
    });
  }

  void send_bad(std::uint32_t node, std::uint32_t set, std::vector<HealItem> bad) override {
    const std::string bytes = encode_bad_shards({.set = set, .items = std::move(bad)});
    net.world_.after(kDelay, [this, node, bytes] {
      if (!net.passes(self, node)) return;
      SimNode& target = *net.nodes_[node];
      target.runtime.enter([&] {
        auto decoded = decode_bad_shards(bytes);
        ASSERT_TRUE(decoded.has_value());
        target.set->told_bad(std::move(decoded->items));
      });
    });
  }

  Task<std::vector<PinAnswer>> ask_pinned(std::uint32_t set, std::vector<DataId> ids) override {
    co_await async::sleep_for(*Runtime::current(), kDelay);
    std::vector<PinAnswer> answers;
    for (std::uint32_t node = 0; node < kNodes; ++node) {
      if (node == self) continue;
      answers.push_back({.holder = std::to_string(node), .answered = net.passes(self, node), .pinned = {}});
      const auto question = decode_slice_ids(encode_slice_ids({.set = set, .ids = ids}));
      if (answers.back().answered) answers.back().pinned = net.nodes_[node]->set->pinned_of(question->ids);
    }
    co_return answers;
  }

  SpreadNet& net;
  std::uint32_t self;
  sim::SimRuntime runtime;
  std::vector<std::unique_ptr<Caller>> callers;
  storage::StorageServer server;
  std::unique_ptr<ErasureSet> set;
};

inline void SpreadNet::cut(std::uint32_t node, bool off) {
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
    return nodes_[node]->runtime.run_until(find_data(nodes_[node]->set.get(), key));
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

}  // namespace flashstor::cluster
