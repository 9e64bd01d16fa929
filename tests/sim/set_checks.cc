#include <fmt/core.h>

#include <algorithm>
#include <bit>

#include "engine/cluster/due.h"
#include "engine/cluster/placement.h"
#include "tests/sim/named_slices.h"
#include "tests/sim/probes.h"
#include "tests/sim/set_world.h"

/// What must hold once the faults have stopped.
namespace flashstor::sim {
namespace {

constexpr std::chrono::seconds kSettleLimit{120};

}  // namespace

/// Slots with a member that lacks more than the log of its leader still has. The keeper of drives fills it
/// anew; none runs here, so it counts as a drive that is gone.
std::uint32_t SetWorld::to_be_filled() const {
  std::uint32_t mask = 0;
  for (std::uint32_t set = 0; set < plan_.sets; ++set) {
    const cluster::Group& group = node_->erasure_set(set).group();
    if (!group.leader()) continue;
    for (const cluster::raft::Progress& peer : group.core(*group.leader())->peers())
      if (peer.flow == cluster::raft::Flow::kNeedsFill || peer.regressed)
        mask |= 1U << cluster::slot_of_member(peer.id);
  }
  if (mask != 0) PROBE_OF("files", "left-to-be-filled");
  return mask;
}

/// Every member of `set` has applied what is committed, those apart that wait to be filled.
bool SetWorld::in_step(std::uint32_t set) const {
  const cluster::Group& group = node_->erasure_set(set).group();
  const std::uint32_t apart = to_be_filled();
  for (std::uint32_t slot = 0; slot < plan_.drives; ++slot)
    if ((apart >> slot & 1) == 0 && group.applied(slot) < group.committed()) return false;
  return true;
}

/// What the set owes, apart from looking through drives that wait to be filled: the new member that takes
/// such a one's place brings that about.
std::size_t SetWorld::owed(std::uint32_t set) const {
  auto rows =
      disks_[set][node_->erasure_set(set).status().leader_slot]->rows().snapshot(storage::Family::kHeal);
  const std::uint32_t apart = to_be_filled();
  for (std::uint32_t slot = 0; slot < plan_.drives; ++slot)
    if ((apart >> slot & 1) != 0) rows.erase(cluster::heal_key(cluster::owed_scan(slot)));
  return rows.size();
}

/// Every write path works again, nothing is undecided, nothing is owed.
bool SetWorld::settle(Nanoseconds limit) {
  return wait(
      [this] {
        if (!node_ || !node_->ready || !open_calls_.empty()) return false;
        for (std::uint32_t set = 0; set < plan_.sets; ++set) {
          const cluster::SetStatus status = node_->erasure_set(set).status();
          if (!status.can_write || status.undecided != 0) return false;
          if (to_be_filled() == 0 && status.heal_queue != 0) return false;
          if (!in_step(set) || owed(set) != 0) return false;
        }
        return true;
      },
      limit);
}

/// The sets have said that they owe nothing.
void SetWorld::check_redundant() {
  SET_PROBE("redundancy-counted");
  std::vector<std::uint32_t> leaders;
  for (std::uint32_t set = 0; set < plan_.sets; ++set)
    leaders.push_back(node_->erasure_set(set).status().leader_slot);
  if (const std::string lacks = lacking(disks_, leaders); !lacks.empty())
    violate("called healed, and " + lacks);
}

void SetWorld::check_reads(const char* when, bool strict) {
  note("reads of all keys {}", when);
  const bool faults_lost_few = !took_away_ && lost_few();
  for (const auto& key : keys_) {
    const CallRef call = open_call(*node_);
    const std::size_t before = key->history.size();
    node_->spawn([](SetWorld* world, CallRef mine, Key* one) -> Task<void> {
      co_await world->get(world->node_.get(), mine, one);
      std::erase(world->open_calls_, mine);
    }(this, call, key.get()));
    if (!wait([this] { return open_calls_.empty(); }, std::chrono::seconds(60)) && failure_.empty())
      violate(fmt::format("{}/{} is not answered {}", key->bucket, key->name, when));
    if (!failure_.empty()) return;
    const KeyHistory::Operation& read = key->history.operation(static_cast<int>(before));
    if (read.outcome == KeyHistory::Outcome::kDone) continue;
    if (!strict) SET_PROBE("undecided-for-want-of-a-lost-drive");
    if (!strict && faults_lost_few && key->refused_for_drives)
      violate(fmt::format("{}/{} is lost with {} drives {}", key->bucket, key->name,
                          std::popcount(plan_.victims), when));
    if (strict) violate(fmt::format("{}/{} cannot be read {}", key->bucket, key->name, when));
  }
}

/// No more drives ever failed than may be lost right after a write's answer, when only the fewest drives that
/// it waits for hold it.
bool SetWorld::lost_few() const {
  const std::uint32_t m = plan_.clients.reduced ? 1 : plan_.parity;
  const Geometry geometry{.data_shards = static_cast<std::uint8_t>(plan_.drives - m),
                          .parity_shards = static_cast<std::uint8_t>(m)};
  const std::uint32_t spare = cluster::write_quorum(plan_.drives, geometry) - geometry.data_shards;
  return !plan_.absent && std::popcount(plan_.victims) <= static_cast<int>(spare);
}

/// Closes what stands, starts again with all that is not lost.
bool SetWorld::restart_whole() {
  if (!wait([this] { return open_calls_.empty(); }, std::chrono::seconds(60))) {
    if (failure_.empty()) violate("calls do not end after the faults");
    return false;
  }
  if (node_) retire();
  if (wait([this] { return node_ && node_->ready; }, std::chrono::seconds(60))) return true;
  if (failure_.empty() && !may_be_unreadable()) violate("no start succeeds after the faults");
  return false;
}

/// Every drive is there and takes part.
bool SetWorld::whole() const {
  for (std::uint32_t set = 0; set < plan_.sets; ++set) {
    const cluster::SetStatus status = node_->erasure_set(set).status();
    for (std::uint32_t slot = 0; slot < plan_.drives; ++slot)
      if (node_->drive(set, slot) == nullptr ||
          status.drives[slot].state != storage::DriveInfo::State::kOnline)
        return false;
  }
  return true;
}

/// For a person: what the node knows.
void SetWorld::describe() {
  for (std::uint32_t set = 0; set < plan_.sets; ++set) {
    cluster::ErasureSet& mine = node_->erasure_set(set);
    const cluster::SetStatus status = mine.status();
    const cluster::HealStatus heal = mine.heal_status();
    note("set {}: can write {}, undecided {}, to heal {}, healed {}, failed {}, scans {}, rows {}", set,
         status.can_write, status.undecided, status.heal_queue, heal.healed, heal.failed, heal.scans,
         disks_[set][status.leader_slot]->rows().snapshot(storage::Family::kHeal).size());
    for (std::uint32_t slot = 0; slot < plan_.drives; ++slot)
      note("  slot {}: open {}, applied {} of {}, leads {}", slot, mine.group().is_open(slot),
           mine.group().applied(slot), mine.group().committed(), slot == status.leader_slot);
  }
}

void SetWorld::check_end() {
  if (!restart_whole()) return;
  const bool all = whole() && !may_be_unreadable();
  if (all && !settle(kSettleLimit)) {
    describe();
    if (failure_.empty()) violate("the sets do not settle after the faults");
    return;
  }
  if (all && to_be_filled() == 0 && !plan_.lies) check_redundant();
  check_reads("after the faults", all);
  if (!failure_.empty() || !all) return;
  SET_PROBE("settled-whole");
  std::uint32_t down = to_be_filled();
  if (down == 0 && chance(300)) check_leftovers();
  if (!failure_.empty() || plan_.parity == 0) return;
  // Any m drives down: reads go on.
  // What is damaged and was not read since counts among them.
  // A shard file is that, too, of which a cache held the last second and lost it.
  if (plan_.rots || plan_.bad_writes || plan_.lies) down |= plan_.victims;
  const int most = plan_.clients.reduced ? 1 : plan_.parity;
  if (std::popcount(down) > most) return;
  while (std::popcount(down) < most) down |= 1U << below(plan_.drives);
  note("drives {:b} are taken away", down);
  take_down(down);
  if (!wait([this] { return node_ && node_->ready; }, std::chrono::seconds(60))) {
    if (failure_.empty()) violate("no start succeeds with m drives down");
    return;
  }
  // After a crash nobody knows how much of the log's end was committed: errors there, but never a lie.
  check_reads("with m drives down", !crashed_last_);
}

/// While the process runs, over an orderly stop, or with a crash.
void SetWorld::take_down(std::uint32_t mask) {
  const std::uint64_t how = below(3);
  took_away_ = true;
  crashed_last_ = how == 2;
  for (std::uint32_t set = 0; set < plan_.sets; ++set) {
    for (std::uint32_t slot = 0; slot < plan_.drives; ++slot) {
      if ((mask >> slot & 1) == 0) continue;
      if (how != 1) disks_[set][slot]->weather.lost = true;
      if (how == 0) node_->spawn(node_->erasure_set(set).fail_drive(slot, "taken away"));
    }
  }
  if (how == 0) wait([] { return false; }, std::chrono::seconds(1));
  if (how == 2) crash();
  if (how != 1) return;
  retire();
  for (const auto& disks : disks_)
    for (std::uint32_t slot = 0; slot < plan_.drives; ++slot)
      if ((mask >> slot & 1) != 0) disks[slot]->lost_at_stop = true;
}

}  // namespace flashstor::sim
