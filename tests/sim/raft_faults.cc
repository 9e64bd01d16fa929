#include <algorithm>
#include <cstring>

#include "tests/sim/probes.h"
#include "tests/sim/raft_world.h"

namespace flashstor::sim {

using namespace cluster::raft;  // NOLINT(google-build-using-namespace): the simulator is about nothing else

void RaftWorld::draw_plan() {
  constexpr std::size_t kSizes[] = {1, 2, 3, 3, 3, 3, 4, 5, 5, 7};
  plan_.voters = kSizes[below(std::size(kSizes))];
  plan_.crashes = chance(700);
  plan_.failing_appends = plan_.voters >= 3 && chance(250);
  plan_.lying_drive = plan_.voters >= 3 && !plan_.failing_appends && chance(200);
  plan_.partitions = chance(600);
  plan_.pauses = chance(200);
  plan_.transfers = chance(300);
  plan_.compaction = !plan_.failing_appends && chance(300);
  plan_.slow_syncs = chance(250);
  plan_.membership = plan_.lying_drive || plan_.compaction || chance(250);
  plan_.hits_leaders = chance(500);
  plan_.churn = plan_.crashes && chance(200);
  plan_.power_cuts = plan_.crashes && chance(300);
  if (chance(300)) plan_.laggard = static_cast<MemberId>(1 + below(plan_.voters));
  plan_.asks_after_crash = plan_.lying_drive || chance(300);
  plan_.fault_every_ns = kTimeout / 10 * static_cast<std::int64_t>(1 + below(10));
  plan_.client_every_ns = kTimeout / 100 * static_cast<std::int64_t>(1 + below(20));
  plan_.faults_end_ns = kTimeout * static_cast<std::int64_t>(3 + below(5));
  if (chance(400)) {
    bus_.weather.loss_per_mille = static_cast<std::uint32_t>(below(200));
    bus_.weather.double_per_mille = static_cast<std::uint32_t>(below(100));
  }
  if (chance(400)) {
    bus_.weather.late_per_mille = static_cast<std::uint32_t>(below(200));
    bus_.weather.late_ns = kTimeout / 10 * static_cast<std::int64_t>(1 + below(20));
  }
  if (plan_.churn) {  // leaders come and go with little else happening: Ongaro's figure 3.7
    plan_.faults_end_ns = kTimeout * static_cast<std::int64_t>(8 + below(16));
    if (chance(700)) plan_.fault_every_ns = 50 * kTimeout;
    plan_.asks_after_crash = plan_.lying_drive;
  }
  bus_.weather.usual_ns = kTimeout / 1000 * static_cast<std::int64_t>(1 + below(30));
  if (chance(400)) {
    options_.max_append_entries = 1 + below(3);
    options_.max_inflight = 1 + below(4);
  }
  if (chance(300)) options_.max_entries_in_memory = 1 + below(8);
  if (plan_.churn) options_.max_append_entries = 1;
}

/// Clients speak to whoever believes that it leads, and prefer none: a deposed leader must not answer.
void RaftWorld::client() {
  const std::size_t first = below(members_.size());
  for (std::size_t i = 0; i < members_.size(); ++i) {
    Member& member = members_[(first + i) % members_.size()];
    if (!member.up || member.paused_until > now_ || !member.core->is_leader()) continue;
    Raft& core = *member.core;
    const MonotonicTime now = clock_of(member);
    if (chance(500)) {
      const std::uint64_t value = next_value_++;
      const auto index =
          core.propose(now, Buffer::copy_of({reinterpret_cast<const char*>(&value), sizeof(value)}));
      if (index) note(member, "propose", *index);
    }
    if (core.has_lease(now)) {
      note(member, "lease-read", core.applied_index());
      checker_.read(core, core.applied_index(), checker_.floor());
    } else if (member.reads.size() < 16) {
      const std::uint64_t token = next_token_++;
      if (core.read(now, token)) member.reads.push_back({.token = token, .floor = checker_.floor()});
    }
    after_input(member);
    if (chance(700)) return;
  }
}

bool RaftWorld::may_fail_another() const {
  std::size_t failed = 0;
  for (const Member& member : members_) {
    if (member.failed || member.fail_at_sequence != 0) ++failed;
  }
  return failed < (plan_.voters - 1) / 2;
}

RaftWorld::Member* RaftWorld::pick_victim() {
  if (plan_.hits_leaders && chance(600)) {
    for (Member& member : members_) {
      if (member.up && member.core->is_leader()) return &member;
    }
  }
  Member& member = members_[below(members_.size())];
  return member.up ? &member : nullptr;
}

void RaftWorld::fault() {
  Member* victim = pick_victim();
  if (victim == nullptr) return;
  switch (below(8)) {
    case 0:
    case 1:
    case 2:
      if (plan_.power_cuts && chance(300)) {
        PROBE("power-cut");
        for (Member& member : members_) {
          if (member.up) crash(member, false);
        }
      } else if (plan_.crashes) {
        crash(*victim, chance(500));
      }
      break;
    case 3:
    case 4:
      if (plan_.partitions) disturb_bus();
      break;
    case 5:
      if (plan_.failing_appends && victim->fail_at_sequence == 0 && may_fail_another()) {
        victim->fail_at_sequence = kFailNext;
        note(*victim, "will-fail");
      }
      break;
    case 6:
      if (plan_.pauses) {
        PROBE("paused");
        victim->paused_until = now_ + 1 + static_cast<std::int64_t>(below(2 * kTimeout));
        note(*victim, "pause");
      }
      break;
    default:
      if (plan_.transfers) {
        const auto target = static_cast<MemberId>(1 + below(members_.size()));
        note(*victim, "transfer", target);
        if (victim->core->is_leader() && victim->core->transfer(clock_of(*victim), target)) {
          PROBE("transfer");
          after_input(*victim);
        }
      }
      break;
  }
}

/// One drive lies once, while all others are there to be asked. What a leader counted for itself is known to
/// others only once it has sent it along: a lie within that window is more than the rule can survive.
bool RaftWorld::may_lie(const Member& member) const {
  if (!plan_.lying_drive || lied_) return false;
  bool known = !member.has_led;
  for (const Member& peer : members_) {
    if (peer.id == member.id) continue;
    if (!peer.up || peer.core->muted() || peer.core->membership().voters.size() < 3) return false;
    known = known || peer.recorded[member.id - 1].acked >= member.core->synced_index();
  }
  return known;
}

void RaftWorld::crash(Member& member, bool want_lie) {
  const bool lies = want_lie && may_lie(member);
  member.up = false;
  member.drive.crash();
  member.drive_free_at = now_;
  if (chance(plan_.churn ? 800 : 500))
    member.lost_life = member.life;  // packets on their way go down with the machine
  note(member, "crash");
  if (lies && member.drive.lie(1 + below(5)) != 0) {
    PROBE("drive-lied");
    lied_ = true;
    note(member, "lied");
    start(member);
    release_muted();  // all others are there to be asked
    return;
  }
  const std::int64_t least = plan_.churn ? kTimeout : 0;
  const std::int64_t away = !plan_.churn && chance(500) ? kTimeout / 50 : 3 * kTimeout;
  schedule(least + 1 + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(away))),
           {.kind = Kind::kRestart, .member = member.id});
}

void RaftWorld::disturb_bus() {
  bus_.heal();
  const auto places = members_.size();
  switch (below(4)) {
    case 0:
      break;
    case 1: {
      Member* victim = pick_victim();
      if (victim != nullptr) bus_.isolate(victim->id);
      break;
    }
    case 2:  // one way
      for (std::size_t i = 0; i < places; ++i) {
        bus_.cut(static_cast<std::uint32_t>(1 + below(places)),
                 static_cast<std::uint32_t>(1 + below(places)));
      }
      break;
    default: {
      const std::uint64_t side = below(1ULL << places);
      for (std::uint32_t a = 0; a < places; ++a) {
        for (std::uint32_t b = 0; b < places; ++b) {
          if ((side >> a & 1U) != (side >> b & 1U)) bus_.cut(a + 1, b + 1);
        }
      }
      break;
    }
  }
}

void RaftWorld::stop_faults() {
  faults_on_ = false;
  bus_.heal();
  bus_.weather = {};
  bus_.weather.usual_ns = kTimeout / 500;
  plan_.slow_syncs = false;
  plan_.compaction = false;
  plan_.client_every_ns = kTimeout / 20;
  for (Member& member : members_) {
    member.paused_until = 0;
    if (!member.up && !member.failed) schedule(1, {.kind = Kind::kRestart, .member = member.id});
  }
}

}  // namespace flashstor::sim
