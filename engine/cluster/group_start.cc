#include <algorithm>
#include <map>
#include <ranges>

#include "engine/async/gather.h"
#include "engine/cluster/group.h"
#include "engine/cluster/limits.h"

// How a group finds its members' state again when its process starts, and what they know of it without a
// leader.
namespace flashstor::cluster {
namespace {

Task<Result<storage::RecoveredState>> recover_drive(storage::StorageApi* drive) {
  if (drive == nullptr) co_return fail(ErrorCode::kDriveFailed, "missing");
  auto state = co_await or_return(drive->recover());
  if (state.entries.empty() && state.applied_index >= state.first_index && state.applied_index > 0) {
    // The core wants the newest applied entry, to know that the older ones can be read.
    auto newest = co_await drive->read_entries(state.applied_index, state.applied_index, 1);
    if (newest) state.entries = std::move(*newest);
  }
  co_return state;
}

// The runs of `all` that lie in [first, end), beginning exactly at `first`; empty when they do not reach it.
std::vector<raft::TermRun> clip_runs(const std::vector<raft::TermRun>& all, raft::Index first,
                                     raft::Index end) {
  std::vector<raft::TermRun> out;
  for (const raft::TermRun& run : all) {
    if (run.first >= end) break;
    if (run.first <= first) out.clear();
    out.push_back({.first = std::max(run.first, first), .term = run.term});
  }
  if (!out.empty() && out.front().first != first) out.clear();
  return out;
}

// The newest entry that one after it in this log confirms, 0 for none. Only what was committed is ever
// confirmed, by a leader whose log was the same up to there.
raft::Index confirmed_in(const std::vector<storage::LogEntry>& entries) {
  for (const storage::LogEntry& entry : entries | std::views::reverse) {
    if (entry.kind != kEntryBody) continue;
    const auto body = storage::decode_entry(entry.payload.view());
    if (body && !body->confirms.empty()) return *std::ranges::max_element(body->confirms);
  }
  return 0;
}

std::uint64_t generation_of(const storage::RecoveredState& state) {
  const auto stored = decode_configuration(state.configuration);
  return stored ? stored->generation : 0;
}

}  // namespace

Task<void> Group::start() {
  std::vector<Task<Result<storage::RecoveredState>>> recoveries;
  for (const auto& member : members_)
    recoveries.push_back(recover_drive(member->remote ? nullptr : member->drive));
  auto states = co_await async::gather(std::move(recoveries));
  // What may be undecided: a crash leaves drives with different parts of it applied, so that none tells all.
  // What is applied anywhere is committed, and the same on every drive of the newest generation that has it.
  std::uint64_t newest = 0;
  for (const auto& state : states)
    if (state) newest = std::max(newest, generation_of(*state));
  std::map<raft::Index, const storage::LogEntry*> applied;
  for (const auto& state : states) {
    if (!state || generation_of(*state) < newest) continue;
    for (const storage::LogEntry& entry : state->entries)
      if (entry.index <= state->applied_index) applied.try_emplace(entry.index, &entry);
  }
  recovered_.clear();
  for (const auto& [index, entry] : applied) recovered_.push_back(*entry);
  for (std::size_t slot = 0; slot < members_.size(); ++slot) {
    MemberState& member = *members_[slot];
    if (member.remote) {
      member.failure = "its node does not answer";
    } else if (states[slot]) {
      start_member(member, std::move(*states[slot]));
    } else {
      member.failure = states[slot].error().describe();
      member.failure_code = states[slot].error().code();
    }
  }
  settle_doubts();
  changed_ = true;
  schedule();
}

Task<Result<void>> Group::rejoin(std::uint32_t slot, raft::MemberId id) {
  MemberState& member = *members_[slot];
  FLASHSTOR_CHECK(!member.open());
  if (!member.quiet() || stopping_) co_return fail(ErrorCode::kBusy, "calls to the drive are under way");
  auto state = co_await recover_drive(member.drive);
  if (!state) {
    member.failure = state.error().describe();
    member.failure_code = state.error().code();
    co_return std::unexpected(std::move(state).error());
  }
  if (id == member.id) {
    raft::LogBase last{.index = state->applied_index, .term = state->applied_term};
    if (!state->entries.empty())
      last = {.index = state->entries.back().index, .term = state->entries.back().term};
    if (std::pair(last.term, last.index) < std::pair(member.acknowledged.term, member.acknowledged.index) ||
        state->hard_state.term < member.acknowledged_term) {
      member.failure = "the drive has lost the end of its log";
      member.failure_code = ErrorCode::kCorrupt;
      co_return fail(ErrorCode::kCorrupt, member.failure);
    }
  } else {
    member.acknowledged = {};
    member.acknowledged_term = 0;
  }
  if (stopping_) co_return fail(ErrorCode::kCancelled, "the set is closing");
  member.id = id;
  member.failure.clear();
  member.to_apply.clear();
  member.runs.clear();
  member.membership = {};
  member.membership_index = 0;
  member.generation = 0;
  member.retired.clear();
  std::vector<raft::Entry> entries;
  for (const storage::LogEntry& entry : state->entries)
    if (auto parsed = from_log_entry(entry); parsed && entry.index <= state->applied_index)
      entries.push_back(std::move(*parsed));
  start_member(member, std::move(*state));
  if (!member.open()) co_return fail(ErrorCode::kCorrupt, member.failure);
  listener_.rejoined(member.generation, member.applied, entries);
  changed_ = true;
  beat_due_ = true;  // it hears from the leader, which then sends what it missed
  schedule();
  co_return Result<void>();
}

void Group::start_member(MemberState& member, storage::RecoveredState state) {
  raft::Restored restored;
  restored.hard_state = {.term = state.hard_state.term,
                         .vote = static_cast<raft::MemberId>(state.hard_state.vote)};
  restored.applied = state.applied_index;
  for (std::size_t i = 0; i < members_.size(); ++i)
    member.membership.voters.push_back(static_cast<raft::MemberId>(i + 1));
  if (!state.configuration.empty()) {
    auto stored = decode_configuration(state.configuration);
    if (!stored) {
      member.failure = stored.error().describe();
      member.failure_code = ErrorCode::kCorrupt;
      return;
    }
    member.membership = std::move(stored->membership);
    member.membership_index = stored->membership_index;
    member.runs = std::move(stored->runs);
    member.generation = stored->generation;
    member.retired = std::move(stored->retired);
  }
  restored.membership = member.membership;
  restored.membership_index = member.membership_index;
  const raft::Index confirmed = confirmed_in(state.entries);
  for (const storage::LogEntry& entry : state.entries) {
    auto parsed = from_log_entry(entry);
    if (!parsed) {
      member.failure = parsed.error().describe();
      return;
    }
    restored.tail.push_back(std::move(*parsed));
  }
  if (restored.tail.empty()) {
    restored.base = {.index = state.applied_index, .term = state.applied_term};
  } else {
    const raft::Index first = restored.tail.front().index;
    restored.runs = clip_runs(member.runs, state.first_index, first);
    if (first <= state.first_index || !restored.runs.empty()) {
      restored.base = {.index = std::min(first, state.first_index) - 1, .term = state.previous_term};
    } else {
      // The terms before the tail are not known: what lies there cannot be sent to others from here.
      restored.base = {.index = first - 1, .term = 0};
      if (first - 1 == state.applied_index) restored.base.term = state.applied_term;
      for (const raft::TermRun& run : member.runs)
        if (run.first <= first - 1) restored.base.term = run.term;
    }
  }
  // Runs past what is applied were noted for entries that a crash took back.
  std::erase_if(member.runs, [&state](const raft::TermRun& run) { return run.first > state.applied_index; });
  member.applied = state.applied_index;
  raft::Options options;
  options.self = member.id;
  options.generation = member.generation;
  options.defects = defects_;
  options.election_timeout = limits::kElectionTimeout;
  if (is_spread()) {
    options.election_timeout = limits::kSpreadElectionTimeout;
    options.max_inflight = limits::kSpreadInflight;
  }
  member.core = std::make_unique<raft::Raft>(options, std::move(restored), home_.random(), clock());
  // A crash takes back what the drive had applied; without this the few drives that come back alone, too few
  // for a leader, could not tell what is committed.
  member.core->learn_commit(member.core->log(), confirmed);
  member.in_doubt = state.in_doubt;
  member.doubted = home_.now();
  if (member.in_doubt) member.doubt_seen = member.doubted;
  member.core->set_muted(member.in_doubt);
  touch(member);
}

const raft::Membership* Group::newest_membership() const {
  const MemberState* newest = nullptr;
  const auto rank = [](const MemberState& m) {
    return std::tuple(m.generation, m.open(), m.core->log().membership_index());
  };
  for (const auto& member : members_)
    if (member->core != nullptr && (newest == nullptr || rank(*member) > rank(*newest)))
      newest = member.get();
  return newest == nullptr ? nullptr : &newest->core->membership();
}

std::size_t Group::voters() const {
  const raft::Membership* known = newest_membership();
  return known == nullptr ? members_.size() : known->voters.size();
}

bool Group::settled() const {
  const raft::Membership* known = newest_membership();
  if (known == nullptr) return true;
  if (leader_ && unfit_) return false;
  return known->standbys.empty() && known->voters.size() == members_.size() &&
         std::ranges::all_of(members_, [known](const auto& m) { return known->is_voter(m->id); });
}

std::optional<std::uint32_t> Group::highest_log() const {
  if (is_spread()) return std::nullopt;  // the logs of other nodes would have to be asked
  if (open_members() < read_quorum()) return std::nullopt;
  const MemberState* best = nullptr;
  const auto rank = [](const MemberState& m) {
    return std::tuple(m.generation, m.core->log().last_term(), m.core->log().last_index());
  };
  for (const auto& member : members_)
    if (member->votes() && (best == nullptr || rank(*member) > rank(*best))) best = member.get();
  return best == nullptr ? std::nullopt : std::optional(best->slot);
}

// Without a leader nobody says what is committed; but what one member knows, or knew when its drive failed,
// or had applied before the process started, all may apply.
void Group::share_commits() {
  const raft::Raft* best = nullptr;
  const std::uint64_t current = generation();
  for (const auto& member : members_)
    if (member->core && member->generation == current &&
        member->core->closed() != raft::Closed::kInconsistent &&
        (best == nullptr || member->core->commit_index() > best->commit_index()))
      best = member->core.get();
  for (const auto& member : members_) {
    if (best == nullptr || !member->open() || member->generation != current ||
        member->core->commit_index() >= best->commit_index())
      continue;
    const raft::Index before = member->core->commit_index();
    member->core->learn_commit(best->log(), best->commit_index());
    if (member->core->commit_index() != before) touch(*member);
  }
}

}  // namespace flashstor::cluster
