#include <algorithm>
#include <bit>

#include "engine/cluster/due.h"
#include "engine/cluster/limits.h"
#include "engine/cluster/placement.h"
#include "engine/cluster/set.h"

// What becomes of proposed entries: who holds them, when they have happened, what is said of them later.
namespace flashstor::cluster {

std::uint32_t ErasureSet::open_slots() const {
  std::uint32_t mask = 0;
  for (std::uint32_t slot = 0; slot < drives_.size(); ++slot)
    if (group_.is_open(slot)) mask |= std::uint32_t{1} << slot;
  return mask;
}

std::vector<std::string> ErasureSet::names_of(const storage::EntryBody& body) {
  std::vector<std::string> names;
  names.reserve(body.changes.size());
  for (const RowChange& change : body.changes) names.push_back(lock_name(change.family, change.key));
  return names;
}

bool ErasureSet::add_data(std::uint32_t slot, const raft::Entry& entry, storage::AppendBatch& batch) {
  const Flight* flight = flights_.find(entry.index, entry.term);
  if (flight == nullptr || flight->shards.empty()) return false;
  if (group_.is_spread() && !group_.leads(entry.term)) return false;  // a successor may have it refused
  if (flight->outcome == Flight::Outcome::kUnknown) return false;  // a new leader may be asking who holds it
  if ((full_mask_.load(std::memory_order_relaxed) >> slot & 1) != 0) return false;  // owed until it has room
  const DataRef& data = flight->body->data;
  const std::uint32_t shard = shard_of_slot(data.id, slot, parts_.info.drives);
  batch.data.push_back({.id = data.id,
                        .ref = data,
                        .shard = static_cast<std::uint8_t>(shard),
                        .bytes = flight->shards[shard]});
  return true;
}

void ErasureSet::appended(std::uint32_t slot, std::span<const AppendedEntry> entries) {
  const std::uint32_t bit = std::uint32_t{1} << slot;
  if ((lagging_ & bit) != 0 && entries.back().index >= group_.committed()) lagging_ &= ~bit;
  for (const AppendedEntry& entry : entries) {
    Flight* flight = flights_.find(entry.index, entry.term);
    if (flight == nullptr) continue;
    flight->entry_slots |= bit;
    // What came to staging too late for its writer may not be synced: it is owed.
    if (entry.with_data && (!flight->shards.empty() || (flight->staged & bit) != 0))
      flight->data_slots |= bit;
    look_at(*flight);
  }
}

void ErasureSet::applying(std::uint32_t slot, std::span<const raft::Entry> entries) {
  if (!is_current(slot)) return;
  for (const raft::Entry& entry : entries)
    if (entry.index > seen_) note_entry(entry);
}

// Whichever member applies an entry first; all that follows from it for readers is in place before.
void ErasureSet::note_entry(const raft::Entry& entry) {
  seen_ = entry.index;
  pending_.applied(entry.index);
  if (entry.payload.empty()) return;
  Flight* flight = flights_.find(entry.index, entry.term);
  if (flight != nullptr) {
    note_body(entry.index, entry.term, *flight->body, flight);
    return;
  }
  const auto body = storage::decode_entry(entry.payload.view());
  FLASHSTOR_CHECK(body.has_value());  // it was encoded here and its bytes are under the log's checksum
  note_body(entry.index, entry.term, *body, nullptr);
}

void ErasureSet::note_body(raft::Index index, raft::Term term, const storage::EntryBody& body,
                           Flight* flight) {
  for (const std::uint64_t confirmed : body.confirms) {
    pending_.erase(confirmed);
    if (!tail_marks_.contains(confirmed)) undecided_.remove(confirmed, false);
  }
  for (const std::uint64_t voided : body.voids) voiding_.emplace_back(index, voided);
  if (body.excused_from != 0) {
    pending_.excuse(body.excused_from, body.excused);
    flights_.for_each(index, [&body](Flight& open) {
      if (open.index >= body.excused_from) open.excused |= body.excused;
    });
  }
  if (const std::uint32_t reborn = witnesses_.told(body.incarnations)) pending_.excuse(0, reborn);
  if (body.data.place != DataPlace::kNone) {
    // A shard that was staged before its entry may have been by an earlier incarnation.
    const bool staged = body.data.place == DataPlace::kFile;
    if (staged && named_in_sweep_) named_in_sweep_->insert(body.data.id);
    pending_.add(index, term, body.data,
                 staged ? storage::kAllExcused : body.excused | witnesses_.unknown(parts_.info.drives));
    // A mark of the same place may be that of another entry, which lost it.
    if (tail_marks_.contains(index)) undecided_.remove(index, true);
    const bool named = flight != nullptr && !flight->names.empty();
    undecided_.add(index, named ? std::move(flight->names) : names_of(body));
  }
  if (decided_signal_.has_waiters()) decided_signal_.notify_all();
}

void ErasureSet::applied(std::uint32_t slot, raft::Index index) {
  if (applied_signal_.has_waiters()) applied_signal_.notify_all();
  if (!tail_marks_.empty() && !group_.leader()) {  // what is applied is no longer in doubt
    publish();
    if (group_.is_spread() && !group_.is_elsewhere(slot)) drop_marks_behind(slot);
  }
  if (reader_.load() != static_cast<int>(slot)) return;
  drop_voided(index);
  if (group_.leader() != slot) return;
  if (!tail_marks_.empty()) drop_tail_marks(index, group_.leader_term());
  flights_.for_each(index, [this](Flight& flight) {
    if (flight.applied) return;
    flight.applied = true;
    look_at(flight);
  });
}

void ErasureSet::drop_voided(raft::Index applied) {
  while (!voiding_.empty() && voiding_.front().first <= applied) {
    pending_.erase(voiding_.front().second);
    undecided_.remove(voiding_.front().second, true);
    voiding_.erase(voiding_.begin());
    decided_signal_.notify_all();
  }
}

void ErasureSet::look_at(Flight& flight) {
  if (flight.outcome != Flight::Outcome::kOpen) return;
  const MonotonicTime now = parts_.home->now();
  if (!group_.leads(flight.term) || now - flight.proposed_at >= limits::kOutcomeDeadline) {
    finish(flight, Flight::Outcome::kUnknown);
    return;
  }
  const std::uint32_t open = open_slots();
  const auto needed = static_cast<int>(flight.needed);
  if (flight.applied && std::popcount(flight.held()) >= needed) {
    const std::uint32_t silent = open & ~lagging_ & ~flight.entry_slots;
    if (silent != 0 && now - flight.proposed_at < limits::kCommitDeadline) return;
    lagging_ |= silent;
    const std::uint32_t all = all_slots();
    const std::uint32_t lack = flight.has_data() ? all & ~flight.data_slots & ~flight.excused : 0;
    if (lack != 0 && !parts_.defects.excuse_nobody) return excuse(flight.index, lack);
    // A deposed leader that does not know it must not answer.
    if (group_.is_spread() && now >= group_.lease_until()) return;
    finish(flight, Flight::Outcome::kDone);
    return;
  }
  std::uint32_t coming = open & ~flight.entry_slots;
  if (flight.has_data() && flight.shards.empty()) coming &= flight.staged;
  if (std::popcount(flight.held() | coming) < needed) finish(flight, Flight::Outcome::kUnknown);
}

void ErasureSet::finish(Flight& flight, Flight::Outcome outcome) {
  flight.outcome = outcome;
  if (outcome == Flight::Outcome::kDone) {
    const auto took = static_cast<double>((parts_.home->now() - flight.proposed_at).count());
    commit_time_ += (took - commit_time_) / 16;
    best_commit_time_ =
        std::min(best_commit_time_ == 0 ? commit_time_ : best_commit_time_ * 1.001, commit_time_);
    suffering_.store(commit_time_ > best_commit_time_ * limits::kSlowdown, std::memory_order_relaxed);
  }
  if (outcome == Flight::Outcome::kDone && flight.has_data()) {
    undecided_.remove(flight.index, false);
    pending_.confirm(flight.index);
    note_missed(flight);
    if (decided_signal_.has_waiters()) decided_signal_.notify_all();
  }
  flight.finished.set();
}

// Slots of which it is known before that they will not hold `data`.
std::uint32_t ErasureSet::excused_now(const DataRef& data) {
  if (parts_.defects.excuse_nobody) return 0;
  const std::uint32_t all = all_slots();
  const std::uint32_t lack = data.place == DataPlace::kFile ? ~staged_slots(data) : full_mask_.load();
  return all & (~open_slots() | lagging_ | lack);
}

// Before a version is acknowledged or shown that `slots` lack, the log says so: a successor may then take a
// drive that lacks it, and was not excused, for the proof that nobody has seen it.
void ErasureSet::excuse(raft::Index from, std::uint32_t slots) {
  if (!excusing_) witnesses_.forget_excuses();  // those of an earlier term
  witnesses_.excuse(from, slots);
  if (!std::exchange(excusing_, true))
    gate_.spawn(say_all(excusing_, [this](storage::EntryBody& body) { return witnesses_.say(body); }));
}

// The leader puts the incarnations of all drives into the log whenever one is another than it says: a drive
// that was opened again is no witness any more for what is older.
void ErasureSet::tell_incarnations() {
  storage::EntryBody unsaid;
  if (!group_.leader() || telling_incarnations_ || !put_incarnations(unsaid)) return;
  telling_incarnations_ = true;
  gate_.spawn(
      say_all(telling_incarnations_, [this](storage::EntryBody& body) { return put_incarnations(body); }));
}

// Gives whether the log does not know one of them.
bool ErasureSet::put_incarnations(storage::EntryBody& body) const {
  bool news = false;
  for (std::uint32_t slot = 0; slot < drives_.size(); ++slot) {
    const std::uint64_t now = group_.incarnation(slot);
    const std::uint64_t known = witnesses_.incarnations()[slot];
    news = news || (now != 0 && now != known);
    body.incarnations.push_back(now == 0 ? known : now);
  }
  return news && !closing_.load();
}

// Commits what `next` puts into an entry, as long as it has something to say; `saying` meanwhile.
Task<void> ErasureSet::say_all(bool& saying, std::function<bool(storage::EntryBody&)> next) {
  co_await async::switch_to(*parts_.home);  // flights are being looked at
  while (group_.leader()) {
    storage::EntryBody body;
    if (!next(body)) break;
    if (!co_await commit_own(std::move(body))) co_await async::sleep_for(*parts_.home, limits::kHousePace);
  }
  saying = false;
  look_at_all();
}

Task<Result<void>> ErasureSet::commit_excuse(raft::Index from, std::uint32_t slots) {
  storage::EntryBody body;
  body.excused = slots;
  body.excused_from = from;
  co_return co_await commit_own(std::move(body));
}

// What the set owes its drives is part of its state: it rides on a later entry.
void ErasureSet::note_missed(const Flight& flight) {
  const std::uint32_t all = all_slots();
  const std::uint32_t missed = all & ~flight.data_slots;
  if (missed == 0) return;
  pending_.add_rider(owe(flight.body->data, missed));
}

// What a fill brought was decided without any member here: versions that this process holds for undecided and
// that are older than its oldest undecided one are no longer.
void ErasureSet::rejoined(std::uint64_t generation, raft::Index index, std::span<const raft::Entry> entries) {
  if (generation > generation_) begin_generation(generation);
  if (generation < generation_ || index <= seen_) return;
  const raft::Index first = entries.empty() ? index + 1 : entries.front().index;
  for (const raft::Index old : pending_.before(first)) {
    pending_.erase(old);
    undecided_.remove(old, true);
  }
  std::erase_if(voiding_, [first](const auto& item) { return item.second < first; });
  for (const raft::Entry& entry : entries)
    if (entry.index > seen_) note_entry(entry);
  pending_.excuse(0, storage::kAllExcused);  // what entries between them said of them is not known
  witnesses_.forget_incarnations();
  seen_ = index;
}

// The rest of the set was declared lost, and perhaps the end of the log with it: what is known here of
// versions may be of entries whose places others have taken.
void ErasureSet::begin_generation(std::uint64_t generation) {
  generation_ = generation;
  pending_.forget_versions();
  undecided_.clear();
  undecided_.outdate();
  voiding_.clear();
  tail_marks_.clear();
  tail_undecided_.store(false);
  seen_ = unknown_through_ = 0;
  settled_term_ = 0;  // the same term may be led anew
  leaving_.begin_anew();
  decided_signal_.notify_all();
}

// A row of the queue. It counts as owed from here on, though no entry has it yet.
RowChange ErasureSet::owe(const DataRef& data, std::uint32_t slots) {
  count_owed(1, slots);
  RowChange row = heal_row({.data = data, .slots = slots});
  if (healing_) renewed_.insert(row.key);
  if (is_urgent(row)) heal_urgent_ = true;
  return row;
}

// A pass through the queue that is under way may have gone by their places.
void ErasureSet::count_owed(std::uint64_t slices, std::uint32_t slots) {
  lacking_ |= slots;
  pass_lacking_ |= slots;
  heal_queued_.fetch_add(slices);
  heal_added_.fetch_add(slices);
}

void ErasureSet::arm_house() {
  if (!group_.leader()) return wait_for_none();
  if (closing_.load() && flights_.empty()) return;
  const MonotonicTime now = parts_.home->now();
  // What is at work already begins again when it has ended.
  MonotonicTime at = now + limits::kHealPeriod;
  if (!freeing_) at = std::min(at, next_due_);
  if (!healing_) at = std::min(at, next_heal_);
  if (!scanning_) at = std::min({at, next_scan_, next_deep_scan_});
  if (pending_.anything_waits()) {
    if (riders_since_ == MonotonicTime{}) riders_since_ = now;
    at = std::min(at, riders_since_ + limits::kConfirmDelay);
  }
  if (!flights_.empty()) at = std::min(at, now + limits::kHousePace);
  at = std::max(at, now + Milliseconds(1));
  if (house_.armed) {
    if (house_.at <= at) return;
    parts_.home->disarm(house_);
  }
  house_.at = at;
  parts_.home->arm(house_);
}

// That no leader comes is found out also when nobody asks.
void ErasureSet::wait_for_none() {
  if (house_.armed || closing_.load() || reader_.load() >= 0 || group_.open_members() < group_.majority())
    return;
  house_.at = std::max(leaderless_since_ + limits::kLeaderPatience, parts_.home->now() + Milliseconds(1));
  parts_.home->arm(house_);
}

void ErasureSet::house() {
  if (!group_.leader() && flights_.empty()) return publish();
  const MonotonicTime now = parts_.home->now();
  if (!closing_.load()) group_.watch_drives();
  look_at_all();
  if (closing_.load()) {
    arm_house();  // what is under way still has its deadlines
    return;
  }
  if (!pending_.anything_waits()) {
    riders_since_ = {};
  } else if (riders_since_ != MonotonicTime{} && now - riders_since_ >= limits::kConfirmDelay &&
             flights_.empty()) {
    riders_since_ = {};
    gate_.spawn(say_riders());
  }
  start_background(now);
  arm_house();
}

Task<void> ErasureSet::say_riders() {
  if (group_.leader() && pending_.anything_waits()) static_cast<void>(co_await commit_own({}));
  arm_house();
}

}  // namespace flashstor::cluster
