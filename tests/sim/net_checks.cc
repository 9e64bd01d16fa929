#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "engine/cluster/placement.h"
#include "tests/sim/named_slices.h"
#include "tests/sim/net_world.h"
#include "tests/sim/probes.h"

/// What must hold once the faults have stopped.
namespace flashstor::sim {
namespace {

constexpr std::chrono::seconds kSettleLimit{240};
/// After this nothing that was under way when the faults stopped is still under way.
constexpr std::chrono::seconds kCallsEnd{90};
constexpr std::chrono::seconds kQuiet{60};
/// A node died: every key can be written again within.
constexpr std::chrono::seconds kWriteOutage{3};

}  // namespace

bool NetWorld::all_ready() {
  return std::ranges::all_of(places_, [](const Place& place) { return place.node && place.node->ready; });
}

/// Every drive is there.
bool NetWorld::whole() {
  return std::ranges::none_of(disks_, [](const auto& disks) {
    return std::ranges::any_of(disks, [](const auto& disk) { return disk->weather.lost; });
  });
}

/// Every drive that is there takes part and has applied all that its leader has committed.
bool NetWorld::in_step(std::uint32_t set, cluster::ErasureSet& home) {
  for (std::uint32_t slot = 0; slot < spread_.set_drives; ++slot) {
    if (disks_[set][slot]->weather.lost) continue;
    const cluster::Group& group = home.group();
    if (!group.is_open(slot) || group.applied(slot) != group.committed()) return false;
  }
  return true;
}

/// A drive counts as lost when its format is damaged, which is for its operator to mend. Those that are not
/// files are not filled: they do too when their damage does not recover, or (so rarely that it is no mark)
/// when their leader no longer has, or could not read, what they lack.
void NetWorld::write_off_unfilled(std::uint32_t set, const cluster::Group& group) {
  for (std::uint32_t slot = 0; slot < spread_.set_drives; ++slot) {
    const cluster::Group& own =
        places_[spread_.drive(set, slot).node].node->cluster().erasure_set(set).group();
    const bool damaged = (plan_.damaged >> slot & 1) != 0;
    if (!damaged || own.is_open(slot)) continue;
    const cluster::MemberState& member = own.member(slot);
    if (plan_.files ? member.failure.contains("format.json is damaged")
                    : member.failure_code == ErrorCode::kCorrupt)
      disks_[set][slot]->weather.lost = true;
  }
  if (plan_.files || !group.leader()) return;
  for (const cluster::raft::Progress& peer : group.core(*group.leader())->peers())
    if (peer.flow == cluster::raft::Flow::kNeedsFill)
      disks_[set][cluster::slot_of_member(peer.id)]->weather.lost = true;
}

/// Everything that a user can ask says that nothing is missing.
bool NetWorld::looks_healed() {
  for (std::uint32_t set = 0; set < plan_.sets; ++set) {
    write_off_unfilled(set, places_[0].node->cluster().erasure_set(set).group());
    for (Place& place : places_) {
      const cluster::SetStatus status = place.node->cluster().erasure_set(set).status();
      if (!status.can_write || !status.settled || status.undecided != 0 || status.heal_queue != 0)
        return false;
      for (const storage::DriveInfo& drive : status.drives)
        if (drive.state != storage::DriveInfo::State::kOnline) return false;
    }
  }
  return true;
}

void NetWorld::check_redundant() {
  NET_PROBE("redundancy-counted");
  std::vector<std::uint32_t> leaders(plan_.sets, 0);
  for (std::uint32_t set = 0; set < plan_.sets; ++set) {
    for (Place& place : places_) {
      const cluster::SetStatus status = place.node->cluster().erasure_set(set).status();
      if (status.leader_slot < spread_.set_drives) leaders[set] = status.leader_slot;
      // Members have new names once their drives were filled.
      const cluster::Group& group = place.node->cluster().erasure_set(set).group();
      for (std::uint32_t slot = 0; slot < spread_.set_drives; ++slot)
        if (group.member(slot).id != cluster::first_member_of(slot)) NET_PROBE("drive-filled");
    }
  }
  if (const std::string lacks = lacking(disks_, leaders); !lacks.empty())
    violate("called healed, and " + lacks);
}

/// `strict`: nothing is undecided. A version of which the standing drives hold too few shards waits for one
/// that is lost, until its operator replaces it.
bool NetWorld::settled(bool strict) {
  if (!all_ready() || !open_calls_.empty()) return false;
  for (std::uint32_t set = 0; set < plan_.sets; ++set) {
    int leader = -2;
    for (Place& place : places_) {
      const int seen = place.node->cluster().erasure_set(set).leader_node();
      if (leader != -2 && seen != leader) return false;
      leader = seen;
    }
    if (leader < 0) return false;
    cluster::ErasureSet& home = places_[static_cast<std::size_t>(leader)].node->cluster().erasure_set(set);
    const cluster::SetStatus status = home.status();
    if (status.leader_slot >= spread_.set_drives || !status.can_write) return false;
    write_off_unfilled(set, home.group());
    if (status.undecided != 0 && (strict || whole())) return false;
    if (!in_step(set, home)) return false;
    if (whole() && (!status.settled || status.heal_queue != 0)) return false;
    if (whole() && !disks_[set][status.leader_slot]->rows().snapshot(storage::Family::kHeal).empty())
      return false;
  }
  return true;
}

/// For a person: what each node knows.
void NetWorld::describe() {
  if (!trace_) return;
  for (const auto& ghost : ghosts_)
    note("ghost of n{}: killed {}, {}, running {}, serving {}", ghost->place(), ghost->killed, ghost->phase(),
         ghost->running(), ghost->serving());
  for (Place& place : places_) {
    if (!place.node) continue;
    note("n{}: ready {}, running {}, serving {}, {}", place.node->place(), place.node->ready,
         place.node->running(), place.node->serving(), place.node->peers().troubles());
    for (std::uint32_t set = 0; place.node->ready && set < plan_.sets; ++set) {
      cluster::Group& group = place.node->cluster().erasure_set(set).group();
      const cluster::SetStatus status = place.node->cluster().erasure_set(set).status();
      note("  set {}: leader at n{}, can write {}, settled {}, undecided {}, to heal {}", set,
           group.leader_node(), status.can_write, status.settled, status.undecided, status.heal_queue);
      for (std::uint32_t slot = 0; slot < spread_.set_drives; ++slot) {
        const auto* core = group.core(slot);
        if (core == nullptr) {
          note("    slot {}: member {}, open {}, applied {}, {}", slot, group.member(slot).id,
               group.is_open(slot), group.applied(slot), group.failure(slot));
          continue;
        }
        note(
            "    slot {}: member {}, open {}, applied {}, term {}, leader {}, last {}/{}, committed {}, "
            "voters {}",
            slot, group.member(slot).id, group.is_open(slot), group.applied(slot), core->term(),
            core->leader(), core->log().last_term(), core->log().last_index(), core->commit_index(),
            fmt::join(core->membership().voters, " "));
        for (const cluster::raft::Progress& peer : core->peers())
          note("      peer {}: flow {}, match {}, next {}, regressed {}, log from {}", peer.id,
               static_cast<int>(peer.flow), peer.match, peer.next, peer.regressed, core->log().base().index);
      }
    }
  }
}

bool NetWorld::settle(Nanoseconds limit, bool strict) {
  return wait([this, strict] { return settled(strict); }, limit);
}

void NetWorld::check_reads(NetNode& node, const char* when, bool strict) {
  note("reads of all keys at n{} {}", node.place(), when);
  for (const auto& key : keys_) {
    const CallRef call = open_call(node);
    const std::size_t before = key->history.size();
    node.spawn([](NetWorld* world, NetNode* at, CallRef mine, Key* one) -> Task<void> {
      co_await world->get(at, mine, one);
      std::erase(world->open_calls_, mine);
    }(this, &node, call, key.get()));
    if (!wait([this, &call] { return std::ranges::find(open_calls_, call) == open_calls_.end(); },
              std::chrono::seconds(60)) &&
        failure_.empty())
      violate(fmt::format("{}/{} is not answered {}", key->bucket, key->name, when));
    if (!failure_.empty()) return;
    const KeyHistory::Operation& read = key->history.operation(static_cast<int>(before));
    if (strict && read.outcome != KeyHistory::Outcome::kDone)
      violate(fmt::format("{}/{} cannot be read at n{} {}", key->bucket, key->name, node.place(), when));
  }
}

void NetWorld::check_end() {
  if (!wait([this] { return open_calls_.empty(); }, kCallsEnd)) {
    if (failure_.empty()) violate("calls do not end after the faults");
    return;
  }
  // Drives that were taken out come back with their process.
  for (Place& place : places_)
    if (place.node) retire(place, true);
  if (!wait([this] { return all_ready(); }, std::chrono::seconds(120))) {
    if (failure_.empty()) violate("not all nodes start after the faults");
    return;
  }
  // At the very moment when every node says so, and again when all has come to rest.
  const auto healed = [this] { return all_ready() && open_calls_.empty() && (looks_healed() || !whole()); };
  if (whole() && wait(healed, kSettleLimit) && whole()) check_redundant();
  const bool decided = settle(kSettleLimit, true);
  if (!decided && failure_.empty()) NET_PROBE("undecided-for-want-of-a-lost-drive");
  if (!decided && !settle(std::chrono::seconds(1), false)) {
    if (failure_.empty()) violate("the sets do not settle after the faults");
    return;
  }
  if (whole() && failure_.empty()) check_redundant();
  wait([] { return false; }, kQuiet);
  for (const auto& key : keys_) key->history.decide(UINT64_MAX);
  for (Place& place : places_) {
    if (failure_.empty()) check_reads(*place.node, "after the faults", decided);
    if (place.node->serving() > 2 * (plan_.nodes - 1) && failure_.empty())
      violate(fmt::format("n{} still serves {} channels", place.node->place(), place.node->serving()));
  }
  if (plan_.clients.moves && decided && failure_.empty()) {
    const auto left = std::make_shared<std::size_t>(1);
    places_[0].node->spawn([](NetWorld* world, std::shared_ptr<std::size_t> until) -> Task<void> {
      co_await world->check_moved(world->places_[0].node.get());
      *until = 0;
    }(this, left));
    if (!wait([&left] { return *left == 0; }, std::chrono::seconds(60)) && failure_.empty())
      violate("what was left of renames is not finished");
  }
  if (!failure_.empty() || !whole()) return;
  NET_PROBE("nodes-settled-whole");
  check_node_death();
  if (failure_.empty() && chance(150)) check_slow_read();
}

/// What a node reads is not freed, whichever one leads, though another one is dead.
void NetWorld::check_slow_read() {
  NET_PROBE("slow-read");
  std::vector<NetNode*> nodes;
  for (Place& place : places_)
    if (place.node && place.node->ready) nodes.push_back(place.node.get());
  NetNode& reader = *nodes[below(nodes.size())];
  read_slowly(reader, *nodes[below(nodes.size())]);
}

// What it counts down outlives a wait that a failure cuts off.
Task<void> NetWorld::write_until_done(NetNode* node, Key* key, std::shared_ptr<std::size_t> left) {
  const int content = new_content(draw_size());
  const auto bytes = Buffer::copy_of(contents_[static_cast<std::size_t>(content)]);
  while (true) {
    // Each try is an operation of its own; all put the same.
    const int number = key->history.call({.kind = KeyHistory::Kind::kPut, .content = content});
    objects::BufferSource body(bytes, 999);
    objects::PutRequest request{.bucket = key->bucket, .key = key->name};
    request.body = &body;
    const auto done = co_await node->store().put_object(std::move(request));
    if (done) key->history.answer(number, KeyHistory::Outcome::kDone);
    if (done) break;
    if (done.error().code() == ErrorCode::kUnknownOutcome) {
      key->history.lose(number, node->life);
    } else {
      key->history.answer(number, KeyHistory::Outcome::kNever);
    }
    co_await async::sleep_for(node->runtime(), Milliseconds(10));
  }
  --*left;
}

/// One node of a sound cluster dies: every key can be written again soon, and nothing is lost.
void NetWorld::check_node_death() {
  const auto k = static_cast<std::uint8_t>(spread_.set_drives - plan_.parity);
  const std::uint32_t w =
      cluster::write_quorum(spread_.set_drives, {.data_shards = k, .parity_shards = plan_.parity});
  const std::uint32_t share = (spread_.set_drives + plan_.nodes - 1) / plan_.nodes;
  if (spread_.set_drives - share < w || plan_.damaged != 0) return;
  NET_PROBE("node-death-in-a-sound-cluster");
  const std::uint32_t victim = any_node();
  crash(places_[victim]);
  places_[victim].down = false;
  const std::int64_t died = world_.now_ns();
  const auto left = std::make_shared<std::size_t>(keys_.size());
  NetNode& node = *places_[(victim + 1) % plan_.nodes].node;
  for (const auto& key : keys_) node.spawn(write_until_done(&node, key.get(), left));
  if (!wait([&left] { return *left == 0; }, std::chrono::seconds(60)) && failure_.empty())
    violate("a key cannot be written after the death of a node");
  if (!failure_.empty()) return;
  longest_outage_ns_ = world_.now_ns() - died;
  if (longest_outage_ns_ > Nanoseconds(kWriteOutage).count())
    violate(fmt::format("writes stand still for {} ms after the death of n{}", longest_outage_ns_ / 1'000'000,
                        victim));
  check_reads(node, "after the death of a node", true);
}

}  // namespace flashstor::sim
