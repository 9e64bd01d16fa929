#include "engine/cluster/set.h"

#include <algorithm>
#include <bit>

#include "engine/async/gather.h"
#include "engine/cluster/limits.h"
#include "engine/cluster/outside.h"
#include "engine/cluster/placement.h"

namespace flashstor::cluster {
namespace {

std::vector<storage::StorageApi*> pointers_to(
    const std::vector<std::unique_ptr<storage::StorageApi>>& drives) {
  std::vector<storage::StorageApi*> out;
  for (const auto& drive : drives) out.push_back(drive.get());
  return out;
}

Task<bool> close_drive(storage::StorageApi* drive) { co_return (co_await drive->close()).has_value(); }

}  // namespace

ErasureSet::ErasureSet(SetParts parts)
    : parts_(std::move(parts)),
      drives_(pointers_to(parts_.drives)),
      group_(*parts_.home, *this, drives_, parts_.members) {
  FLASHSTOR_CHECK(drives_.size() == parts_.info.drives && parts_.described.size() == drives_.size());
  if (parts_.place.transport != nullptr) group_.spread(parts_.place);
  group_.plant(parts_.defects.consensus);
  house_.set = this;
  house_.fire = [](async::TimerNode* timer) { static_cast<HouseTimer*>(timer)->set->house(); };
}

ErasureSet::~ErasureSet() { FLASHSTOR_CHECK(!house_.armed && gate_.running() == 0); }

Task<Result<void>> ErasureSet::open() {
  const auto on_home = [](ErasureSet* self) -> Task<Result<void>> {
    co_await self->group_.start();
    self->generation_ = self->group_.generation();
    self->pin_holders_.begin(self->parts_.home->now());
    for (std::uint32_t slot = 0; slot < self->drives_.size(); ++slot)
      if (self->group_.is_open(slot) && self->is_current(slot))
        self->seen_ = std::max(self->seen_, self->group_.applied(slot));
    for (const storage::LogEntry& entry : self->group_.take_recovered()) {
      if (entry.kind != kEntryBody) continue;
      auto body = storage::decode_entry(entry.payload.view());
      if (!body) co_return std::unexpected(std::move(body).error());
      self->note_body(entry.index, entry.term, *body, nullptr);
    }
    self->pending_.excuse(0, storage::kAllExcused);  // what later entries said of them is not known here
    for (const auto& [by, which] : std::exchange(self->voiding_, {})) {
      self->pending_.erase(which);
      self->undecided_.remove(which, true);
    }
    self->publish();
    if (self->parts_.defects.sweep_at_start) co_await self->sweep_unseen();
    if (self->group_.is_spread()) co_return Result<void>();  // the other nodes may still be on their way
    const MonotonicTime deadline = self->parts_.home->now() + limits::kWaitDeadline;
    auto leader = co_await self->await_leader(deadline);
    if (!leader && self->reader_.load() < 0) co_return leader;
    co_return Result<void>();
  };
  co_return co_await async::run_on(*parts_.home, on_home(this));
}

Task<void> ErasureSet::close() {
  const auto on_home = [](ErasureSet* self) -> Task<void> {
    self->closing_.store(true);
    Runtime& home = *self->parts_.home;
    home.disarm(self->house_);
    self->arm_house();
    self->leader_signal_.notify_all();
    self->decided_signal_.notify_all();
    self->applied_signal_.notify_all();
    while (self->outside_.load() > 0) co_await async::sleep_for(home, Milliseconds(1));
    // Elsewhere another leader says what this one did not.
    if (!self->group_.is_spread() && self->group_.leader() && self->pending_.anything_waits())
      co_await self->commit_own({});
    co_await self->gate_.close();
    home.disarm(self->house_);
    // Every drive has what is committed in its index: the few that come back then still show it.
    const raft::Index committed = self->group_.committed();
    const MonotonicTime deadline = home.now() + limits::kCommitDeadline;
    const auto behind = [self, committed] {
      for (std::uint32_t slot = 0; slot < self->drives_.size(); ++slot)
        if (self->group_.is_open(slot) && self->group_.applied(slot) < committed) return true;
      return false;
    };
    while (behind() && co_await self->applied_signal_.wait_until(deadline)) {
    }
    co_await self->group_.stop();
    std::vector<Task<bool>> closings;
    for (storage::StorageApi* drive : self->drives_)
      if (drive != nullptr) closings.push_back(close_drive(drive));
    co_await async::gather(std::move(closings));
  };
  co_await async::run_on(*parts_.home, on_home(this));
}

SetStatus ErasureSet::status() const {
  SetStatus out;
  {
    const std::lock_guard lock(status_mutex_);
    out = status_;
  }
  out.can_write = can_write_.load();
  out.can_read =
      enough_shards_.load() &&
      (reader_.load() >= 0 || (group_.is_spread() && (group_.leader_node() >= 0 || may_read_.load())));
  out.undecided = undecided_.size();
  out.heal_queue = heal_queued_.load();
  out.settled = settled_.load() && owed().has_value();
  out.can_spare_node = may_spare_.load() && out.settled && out.heal_queue == 0;
  out.heal = heal_status();
  const std::uint32_t open = open_mask_.load();
  for (std::size_t slot = 0; slot < drives_.size(); ++slot) {
    if (drives_[slot] == nullptr) continue;
    const std::string error = std::move(out.drives[slot].error);
    out.drives[slot] = drives_[slot]->info();
    if ((open >> slot & 1) == 0 && out.drives[slot].state == storage::DriveInfo::State::kOnline) {
      out.drives[slot].state = storage::DriveInfo::State::kFailed;
      if (out.drives[slot].error.empty()) out.drives[slot].error = error;
    }
  }
  return out;
}

// What other loops see of this set, after any change of leader or drives.
void ErasureSet::publish() {
  const std::uint32_t open = open_slots();
  // A drive that has come back is not waited for before it has caught up.
  for (std::uint32_t slot = 0; slot < drives_.size(); ++slot)
    if (((open & ~open_mask_.load()) >> slot & 1) != 0 && group_.applied(slot) < group_.committed())
      lagging_ |= std::uint32_t{1} << slot;
  // What is owed to one that has come back need not wait.
  if ((open & ~open_mask_.load()) != 0) try_all_again();
  open_mask_.store(open);
  const auto leader = group_.leader();
  const std::uint8_t m = parts_.info.default_parity;
  const std::uint32_t quorum =
      write_quorum(parts_.info.drives,
                   {.data_shards = static_cast<std::uint8_t>(parts_.info.drives - m), .parity_shards = m});
  const bool led = leader.has_value() || group_.leads_elsewhere();
  // A leader whose drive stands alone still knows every name, but nobody can give the bytes.
  enough_shards_.store(std::popcount(open) + m >= static_cast<int>(parts_.info.drives));
  settled_.store(led && group_.settled());
  // What one leader said says nothing of what the next has yet to count.
  if (std::exchange(told_by_, group_.leader_node()) != group_.leader_node() && !group_.leader())
    owed_known_ = false;
  may_read_.store(group_.open_members() >= group_.read_quorum());
  may_elect_.store(group_.open_members() >= group_.majority());
  if (group_.is_spread()) {
    const std::int64_t since = spread_leaderless_.load();
    if (led || since == 0) spread_leaderless_.store(led ? 0 : parts_.home->now().time_since_epoch().count());
    std::uint32_t elsewhere = 0;
    for (std::uint32_t slot = 0; slot < drives_.size(); ++slot)
      if (group_.is_elsewhere(slot)) elsewhere |= std::uint32_t{1} << slot;
    may_spare_.store(led && std::popcount(open & elsewhere) >= static_cast<int>(quorum) &&
                     group_.open_members_elsewhere() >= group_.majority());
  }
  can_write_.store(led && std::popcount(open) >= static_cast<int>(quorum) && !closing_.load());
  int reader = -1;
  if (leader) {
    reader = static_cast<int>(*leader);
    leaderless_since_ = {};
  } else {
    if (leaderless_since_ == MonotonicTime{}) leaderless_since_ = parts_.home->now();
    const bool none_comes = parts_.home->now() >= leaderless_since_ + limits::kLeaderPatience;
    if (none_comes || group_.open_members() < group_.majority()) reader = serve_without_leader();
  }
  if (reader != reader_.load()) reader_era_.fetch_add(1);
  reader_.store(reader);
  if (!leader && reader >= 0) drop_tail_marks(group_.applied(static_cast<std::uint32_t>(reader)), 0);
  const std::lock_guard lock(status_mutex_);
  status_.info = parts_.info;
  status_.leader_slot = group_.known_leader().value_or(parts_.info.drives);
  status_.term = group_.leader_term();
  status_.committed = group_.committed();
  status_.applied = leader ? group_.applied(*leader) : 0;
  status_.drives = parts_.described;
  for (std::uint32_t slot = 0; slot < status_.drives.size(); ++slot)
    if ((open >> slot & 1) == 0) status_.drives[slot].error = group_.failure(slot);
}

// Read-only service: enough drives stand to be sure of what may have been committed. Names touched by entries
// that may or may not be are undecided until a leader comes, those that are until they are applied.
int ErasureSet::serve_without_leader() {
  const auto highest = group_.highest_log();
  if (!highest) return -1;
  std::uint32_t reader = *highest;
  for (std::uint32_t slot = 0; slot < drives_.size(); ++slot)
    if (group_.is_open(slot) && is_current(slot) && group_.applied(slot) > group_.applied(reader))
      reader = slot;
  mark_tail(*highest, group_.applied(reader));
  return static_cast<int>(reader);
}

// Names that entries after `applied` in the log of `highest` touch may or may not have changed.
void ErasureSet::mark_tail(std::uint32_t highest, raft::Index applied) {
  for (const raft::Entry& entry : group_.tail(highest)) {
    if (entry.index <= applied || entry.payload.empty()) continue;
    const auto [mark, fresh] = tail_marks_.try_emplace(entry.index, entry.term);
    if (!fresh && mark->second == entry.term) continue;
    mark->second = entry.term;
    // Another entry, which lost that place, may have marked it.
    if (!fresh && pending_.find(entry.index) == nullptr) undecided_.remove(entry.index, true);
    const auto body = storage::decode_entry(entry.payload.view());
    if (body) undecided_.add(entry.index, names_of(*body));
    tail_undecided_.store(true);
  }
}

// An entry of this leader's own of which nobody knows what becomes, and which may yet be committed: what
// comes after it in the log must not be planned without it.
void ErasureSet::mark_unknown(const Flight& flight) {
  if (flight.applied) return;
  std::vector<std::string> names = names_of(*flight.body);
  names.insert(names.end(), flight.names.begin(), flight.names.end());
  tail_marks_[flight.index] = flight.term;
  undecided_.add(flight.index, std::move(names));
  tail_undecided_.store(true);
}

// What is applied is in the index that answers (readers learn of that index first), and as undecided as its
// version is. Entries of terms before that of a leader are applied there, or lost.
void ErasureSet::drop_tail_marks(raft::Index through, raft::Term leads) {
  drop_marks(
      [through, leads](raft::Index index, raft::Term term) { return index <= through || term < leads; });
}

// At a member that follows: what it has applied, and what its log no longer has because a leader's took the
// place. Whoever asks it without a leader marks anew what its log then holds.
void ErasureSet::drop_marks_behind(std::uint32_t slot) {
  const raft::Raft* core = group_.core(slot);
  if (core == nullptr || !group_.is_open(slot)) return;
  drop_marks([core, applied = group_.applied(slot)](raft::Index index, raft::Term term) {
    return index <= applied || !core->log().matches(index, term);
  });
}

void ErasureSet::drop_marks(const std::function<bool(raft::Index, raft::Term)>& is_gone) {
  for (auto mark = tail_marks_.begin(); mark != tail_marks_.end();) {
    if (!is_gone(mark->first, mark->second)) {
      ++mark;
      continue;
    }
    const raft::Index index = mark->first;
    mark = tail_marks_.erase(mark);
    if (pending_.find(index) == nullptr) {
      undecided_.remove(index, true);
    } else {
      undecided_.outdate();
    }
  }
  if (tail_marks_.empty()) tail_undecided_.store(false);
  decided_signal_.notify_all();
}

void ErasureSet::changed() {
  const auto leader = group_.leader();
  if (leader) {
    if (settled_term_ != group_.leader_term()) {
      settled_term_ = group_.leader_term();
      owed_known_ = false;
      lacking_ = 0;
      try_all_again();
      pending_.restart();
      next_due_ = next_heal_ = parts_.home->now();
      // What was asked of the leader before is the new one's to do.
      next_scan_ = scan_wanted_ ? next_due_ : next_due_ + limits::kFirstScan;
      next_deep_scan_ = deep_scan_wanted_ ? next_due_ : next_due_ + limits::kFirstDeepScan;
      drop_voided(group_.applied(*leader));
      start_settling();
    }
  }
  note_doubts();
  publish();
  tell_incarnations();
  if (leader) drop_tail_marks(group_.applied(*leader), group_.leader_term());
  look_at_all();
  leader_signal_.notify_all();
  applied_signal_.notify_all();
  arm_house();
}

Task<void> ErasureSet::fail_drive(std::uint32_t slot, std::string why, ErrorCode code) {
  const auto on_home = [](ErasureSet* self, std::uint32_t which, std::string words,
                          ErrorCode because) -> Task<void> {
    self->group_.fail_member(which, std::move(words), because);
    co_await async::switch_to(*self->parts_.home);  // the group's own turn is queued before this
  };
  co_await async::run_on(*parts_.home, on_home(this, slot, std::move(why), code));
}

std::unique_ptr<DataPin> ErasureSet::pin(const DataRef& data) { return pins_.pin(data.id); }

}  // namespace flashstor::cluster
