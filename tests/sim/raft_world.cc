#include "tests/sim/raft_world.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "tests/sim/probes.h"

namespace flashstor::sim {

using namespace cluster::raft;  // NOLINT(google-build-using-namespace): the simulator is about nothing else

namespace {

void print_message(const Message& message) {
  fmt::print("             from={} term={} at=({},{}) hint={} commit={} number={}{}{} entries={}\n",
             message.from, message.term, message.log_index, message.log_term, message.hint_index,
             message.commit, message.number, message.refused ? " refused" : "",
             message.transfer ? " transfer" : "", message.entries.size());
}

}  // namespace

RaftWorld::RaftWorld(std::uint64_t seed, const Defects& defects, ProbeCounts& probes, bool trace)
    : seed_(seed), random_(seed * 2654435761 + 12345), trace_(trace), bus_(random_) {
  options_.defects = defects;
  options_.probes = &probes;
  options_.generation = 5;
  options_.election_timeout = Nanoseconds(kTimeout);
  draw_plan();
  Membership first;
  for (MemberId id = 1; id <= plan_.voters; ++id) first.voters.push_back(id);
  members_.resize(plan_.voters + (plan_.membership ? 1 : 0));
  for (std::size_t i = 0; i < members_.size(); ++i) {
    Member& member = members_[i];
    member.id = static_cast<MemberId>(i + 1);
    member.clock_offset = static_cast<std::int64_t>(below(1'000)) * kTimeout;
    member.clock_ppm = static_cast<std::int64_t>(below(80'000)) - 40'000;
    member.drive = RaftDrive(first);
    member.drive.set_may_lie(plan_.lying_drive);
    member.recorded.resize(members_.size());
    start(member);
    member.core->set_muted(false);
  }
  schedule(plan_.client_every_ns, {.kind = Kind::kClient});
  schedule(plan_.fault_every_ns, {.kind = Kind::kFault});
  schedule(kTimeout / 4, {.kind = Kind::kAdmin});
}

MonotonicTime RaftWorld::clock_of(const Member& member) const {
  return MonotonicTime(Nanoseconds(member.clock_offset + now_ + now_ / 1'000'000 * member.clock_ppm));
}

void RaftWorld::note(const Member& member, const char* what, std::uint64_t value) {
  digest_.add(static_cast<std::uint64_t>(now_));
  digest_.add(value * 64 + member.id);
  if (!trace_) return;
  const Raft& core = *member.core;
  fmt::print("{:>9.3f}ms m{} {:<12} {:<6} role={} term={} last={} commit={} applied={} synced={}\n",
             static_cast<double>(now_) / 1e6, member.id, what, value, static_cast<int>(core.role()),
             core.term(), core.log().last_index(), core.commit_index(), core.applied_index(),
             core.synced_index());
}

void RaftWorld::start(Member& member) {
  ++member.life;
  member.up = true;
  member.has_led = false;
  member.paused_until = 0;
  member.reads.clear();
  Options options = options_;
  options.self = member.id;
  const RaftDrive::Checkpoint& at = member.drive.checkpoint();
  member.applied_membership = at.membership;
  member.applied_membership_index = at.membership_index;
  member.core = std::make_unique<Raft>(options, member.drive.restore(chance(500)), random_, clock_of(member));
  member.core->set_muted(plan_.asks_after_crash);
  note(member, "start", member.life);
  schedule(1 + static_cast<std::int64_t>(below(kTimeout / 10)),
           {.kind = Kind::kTick, .member = member.id, .life = member.life});
}

RaftOutcome RaftWorld::run() {
  RaftOutcome out;
  const std::int64_t patience = plan_.faults_end_ns + 60 * kTimeout;
  while (!checker_.failed()) {
    now_ = queue_.next_at();
    if (faults_on_ && now_ >= plan_.faults_end_ns) stop_faults();
    handle(queue_.pop());
    ++out.events;
    if (!faults_on_ && (out.events & 7) == 0 && converged()) break;
    if (now_ > patience) checker_.fail("no progress after the faults stopped");
    if (out.events > kMaxEvents) checker_.fail("too much happens: members keep each other busy");
  }
  digest_.add(out.events);
  out.failure = checker_.failure();
  out.digest = digest_.value();
  out.commits = checker_.committed();
  return out;
}

void RaftWorld::handle(const Event& event) {
  switch (event.kind) {
    case Kind::kClient:
      client();
      schedule(1 + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(plan_.client_every_ns) * 2)),
               event);
      return;
    case Kind::kFault:
      if (!faults_on_) return;
      fault();
      schedule(1 + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(plan_.fault_every_ns) * 2)),
               event);
      return;
    case Kind::kAdmin:
      admin();
      schedule(kTimeout / 8 + static_cast<std::int64_t>(below(kTimeout / 4)), event);
      return;
    default:
      break;
  }
  Member& member = members_[event.member - 1];
  if (event.kind == Kind::kRestart) {
    if (!member.up && !member.failed) start(member);
    return;
  }
  if (event.kind == Kind::kCrash) {
    if (faults_on_ && member.up && event.life == member.life) crash(member, false);
    return;
  }
  const bool here = member.up && (event.life == member.life || event.kind == Kind::kDeliver);
  if (here && member.paused_until > now_) {
    queue_.push(member.paused_until, event);
    return;
  }
  if (here) {
    run_member(member, event);
  } else if (event.kind == Kind::kDeliver) {
    free_slots_.push_back(event.value);
  }
}

void RaftWorld::run_member(Member& member, const Event& event) {
  Raft& core = *member.core;
  const MonotonicTime now = clock_of(member);
  switch (event.kind) {
    case Kind::kTick:
      core.tick(now);
      schedule(kTimeout / 20, event);
      break;
    case Kind::kDeliver: {
      Slot slot = std::move(slots_[event.value]);
      free_slots_.push_back(event.value);
      if (slot.life <= members_[slot.message.from - 1].lost_life) break;
      note(member, "deliver", static_cast<std::uint64_t>(slot.message.type));
      if (trace_) print_message(slot.message);
      deliver(member, std::move(slot.message), slot.life);
      break;
    }
    case Kind::kSynced:
      note(member, event.ok ? "synced" : "sync-failed", event.value);
      if (event.ok) {
        member.drive.sync(event.value);
      } else {
        member.drive.drop(event.value);
      }
      core.append_done(now, event.value, event.ok);
      break;
    default:
      break;
  }
  after_input(member);
}

void RaftWorld::deliver(Member& target, Message message, std::uint64_t life) {
  Recorded& recorded = target.recorded[message.from - 1];
  if (life < recorded.life) {
    PROBE("refused-earlier-life");
    return;
  }
  if (message.type != MessageType::kPreVoteAnswer && message.type != MessageType::kPreVote) {
    recorded.term = std::max(recorded.term, message.term);
  }
  const bool acknowledges = message.type == MessageType::kAppendAnswer && !message.refused;
  if (acknowledges || message.type == MessageType::kAppend) {
    const Index index = acknowledges ? message.log_index : message.hint_index;
    if (std::pair(message.term, index) > std::pair(recorded.acked_term, recorded.acked)) {
      recorded.acked_term = message.term;
      recorded.acked = index;
    }
  }
  target.core->step(clock_of(target), std::move(message));
}

void RaftWorld::after_input(Member& member) {
  Raft& core = *member.core;
  checker_.after_step(core, member.life);
  if (core.is_leader() && !plan_.lying_drive) {
    for (const Progress& peer : core.peers()) checker_.counted(core, peer.id, members_[peer.id - 1].drive);
    checker_.counted(core, member.id, member.drive);
  }
  if (core.is_leader() && !member.has_led) {
    member.has_led = true;
    if (plan_.churn && faults_on_) {
      schedule(1 + static_cast<std::int64_t>(below(kTimeout / 20)),
               {.kind = Kind::kCrash, .member = member.id, .life = member.life});
    }
  }
  // A drive that hangs takes no more for now; its member has its say all the same.
  Ready ready = core.ready(/*with_records=*/member.drive_free_at <= now_ + kTimeout / 4);
  checker_.after_step(core, member.life);
  if (ready.records) {
    for (const Entry& entry : ready.records->entries) checker_.appended(core, entry);
    const std::uint64_t sequence = ready.records->sequence;
    std::int64_t took =
        1 + static_cast<std::int64_t>(below(plan_.slow_syncs && chance(100) ? kTimeout / 2 : kTimeout / 200));
    if (member.id == plan_.laggard) took *= 10;
    member.drive_free_at = std::max(member.drive_free_at, now_ + took);  // what waits is synced together
    const bool ok = member.fail_at_sequence != kFailNext;
    if (!ok) member.fail_at_sequence = sequence;
    member.drive.write(std::move(*ready.records));
    queue_.push(
        member.drive_free_at,
        {.kind = Kind::kSynced, .member = member.id, .life = member.life, .value = sequence, .ok = ok});
  }
  for (Message& message : ready.messages) send(member, std::move(message));
  if (!ready.committed.empty()) apply(member, ready.committed);
  for (const ReadAnswer& answer : ready.reads) {
    const auto found =
        std::find_if(member.reads.begin(), member.reads.end(),
                     [&answer](const PendingRead& read) { return read.token == answer.token; });
    if (found == member.reads.end()) continue;
    if (answer.confirmed) checker_.read(core, core.applied_index(), found->floor);
    member.reads.erase(found);
  }
  if (!ready.wanted.empty()) {
    for (const EntriesWanted& wanted : ready.wanted) {
      core.entries_loaded(clock_of(member), wanted.member, member.drive.read(wanted.from, wanted.to));
    }
    after_input(member);
  }
  if (core.closed() != Closed::kOpen && !member.failed) {
    PROBE("drive-failed");
    member.failed = true;
    member.up = false;
  }
}

void RaftWorld::send(Member& member, Message message) {
  if (message.to == 0 || message.to > members_.size()) return;
  const bool lags = plan_.laggard != 0 && (message.to == plan_.laggard || member.id == plan_.laggard);
  if (lags && faults_on_ && chance(500)) return;
  const Bus::Fate fate = bus_.decide(member.id, message.to);
  for (int i = 0; i < fate.copies; ++i) {
    std::size_t slot = slots_.size();
    if (!free_slots_.empty()) {
      slot = free_slots_.back();
      free_slots_.pop_back();
    } else {
      slots_.emplace_back();
    }
    const MemberId to = message.to;
    const bool from_before = i > 0 && chance(20);  // a copy from before the set was recovered
    slots_[slot].life = member.life;
    if (i + 1 < fate.copies) {
      slots_[slot].message = message;
    } else {
      slots_[slot].message = std::move(message);
    }
    if (from_before) --slots_[slot].message.generation;
    schedule(fate.delay_ns[static_cast<std::size_t>(i)],
             {.kind = Kind::kDeliver, .member = to, .value = slot});
  }
}

/// Applies at once or a little later; a write is acknowledged where the leader of its term has applied it.
void RaftWorld::apply(Member& member, const std::vector<Entry>& entries) {
  Raft& core = *member.core;
  for (const Entry& entry : entries) {
    checker_.applied(core, entry);
    if (entry.membership != nullptr) {
      member.applied_membership = *entry.membership;
      member.applied_membership_index = entry.index;
    }
    digest_.add(payload_id(entry));
  }
  const Entry& last = entries.back();
  core.applied(clock_of(member), last.index);
  note(member, "applied", last.index);
  if (core.leader_ready() && last.term == core.term()) checker_.acknowledged(last.index);
  if (plan_.compaction && chance(100)) {
    member.drive.set_checkpoint({.at = {.index = last.index, .term = last.term},
                                 .membership = member.applied_membership,
                                 .membership_index = member.applied_membership_index});
    if (chance(300)) core.compacted(member.drive.free_to(last.index - below(std::min<Index>(last.index, 8))));
  }
  if (goal_ == 0 && !faults_on_ && core.leader_ready()) goal_ = last.index;
}

/// After the faults: some entry committed since then is applied by every member that is up and takes part.
bool RaftWorld::converged() {
  if (goal_ == 0) return false;
  const Member* leader = current_leader(/*ready=*/true);
  if (leader == nullptr) return false;
  const Membership& members = leader->core->membership();
  return std::all_of(members_.begin(), members_.end(), [&](const Member& member) {
    if (member.failed || !members.is_voter(member.id)) return true;
    return member.up && !member.core->muted() && member.core->applied_index() >= goal_;
  });
}

}  // namespace flashstor::sim
