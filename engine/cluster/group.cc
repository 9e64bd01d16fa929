#include "engine/cluster/group.h"

#include <algorithm>
#include <utility>

#include "engine/cluster/limits.h"

namespace flashstor::cluster {

namespace {

// What made it fail in the first place.
ErrorCode root_of(const Error& error) {
  const Error* root = &error;
  while (root->cause() != nullptr) root = root->cause();
  return root->code();
}

}  // namespace

Group::Group(Runtime& home, GroupListener& listener, std::vector<storage::StorageApi*> drives,
             const std::vector<raft::MemberId>& ids)
    : home_(home), listener_(listener) {
  for (std::size_t slot = 0; slot < drives.size(); ++slot) {
    auto member = std::make_unique<MemberState>();
    member->slot = static_cast<std::uint32_t>(slot);
    member->id = slot < ids.size() ? ids[slot] : first_member_of(member->slot);
    member->drive = drives[slot];
    if (member->drive == nullptr) member->failure = "missing";
    members_.push_back(std::move(member));
  }
  work_.group = this;
  work_.run = [](async::Work* work) { static_cast<PumpWork*>(work)->group->pump(); };
  timer_.group = this;
  timer_.fire = [](async::TimerNode* timer) { static_cast<ClockTimer*>(timer)->group->tick(); };
}

Group::~Group() { FLASHSTOR_CHECK(!scheduled_ && !timer_.armed && gate_.running() == 0); }

Task<void> Group::stop() {
  stopping_ = true;
  home_.disarm(timer_);
  co_await gate_.close();
  while (scheduled_) co_await async::switch_to(home_);  // the queued turn runs before us
  home_.disarm(timer_);
}

bool Group::is_open(std::uint32_t slot) const { return members_[slot]->open(); }

std::size_t Group::open_members() const {
  return static_cast<std::size_t>(std::ranges::count_if(members_, [](const auto& m) { return m->votes(); }));
}

raft::Index Group::committed() const {
  raft::Index index = 0;
  for (const auto& member : members_)
    if (member->core) index = std::max(index, member->core->commit_index());
  return index;
}

std::uint64_t Group::generation() const {
  std::uint64_t newest = 0;
  for (const auto& member : members_)
    if (member->core) newest = std::max(newest, member->generation);
  return newest;
}

std::vector<raft::Entry> Group::tail(std::uint32_t slot) const {
  const raft::Raft& core = *members_[slot]->core;
  const raft::Index from = std::max(members_[slot]->applied + 1, core.log().memory_first());
  return core.log().slice(from, core.log().last_index(), SIZE_MAX, SIZE_MAX);
}

Result<Group::Proposed> Group::propose(Buffer payload) {
  if (!leader_) return fail(ErrorCode::kNotLeader);
  MemberState& member = *members_[*leader_];
  auto index = member.core->propose(clock(), std::move(payload));
  if (!index) return std::unexpected(std::move(index).error());
  touch(member);
  return Proposed{.index = *index, .term = member.core->term()};
}

Result<void> Group::propose_membership(raft::Membership wanted) {
  if (!leader_) return fail(ErrorCode::kNotLeader);
  MemberState& member = *members_[*leader_];
  auto index = member.core->propose_membership(clock(), std::move(wanted));
  if (!index) return std::unexpected(std::move(index).error());
  touch(member);
  return {};
}

void Group::fail_member(std::uint32_t slot, std::string why, ErrorCode code) {
  MemberState& member = *members_[slot];
  if (!member.open() || member.remote) return;
  member.failure = std::move(why);
  member.failure_code = code;
  member.core->append_done(clock(), 0, /*ok=*/false);  // as a failed append: silent for good
  changed_ = true;
  schedule();
}

void Group::touch(MemberState& member) {
  if (!member.dirty) {
    member.dirty = true;
    dirty_.push_back(&member);
  }
  schedule();
}

void Group::schedule() {
  if (scheduled_) return;
  scheduled_ = true;
  home_.post(work_);
}

// One turn: every member with news gives its output until nobody has any.
void Group::pump() {
  drain_dirty();
  if (beat_due_ && leader_ && !stopping_) {
    beat();
    drain_dirty();
  }
  scheduled_ = false;
  look_for_leader();
  settle_doubts();
  if (is_spread()) {
    look_for_leader_node();
    publish_lease();
    flush_bundles();
  }
  if (std::exchange(changed_, false)) listener_.changed();
  arm_clock();
}

void Group::drain_dirty() {
  for (std::size_t i = 0; i < dirty_.size(); ++i) {
    MemberState& member = *dirty_[i];
    member.dirty = false;
    if (!member.open() || stopping_) continue;
    // What comes meanwhile goes into one batch; but the others are not to take a drive that hangs for
    // silence.
    const bool takes_records = member.appends < limits::kMaxAppendsInFlight;
    if (!takes_records && append_age(member) < limits::kHangingAppend) continue;
    handle(member, member.core->ready(takes_records));
  }
  dirty_.clear();
}

void Group::handle(MemberState& member, raft::Ready ready) {
  route(std::move(ready.messages));
  if (ready.records) send_records(member, std::move(*ready.records));
  if (!ready.committed.empty()) {
    for (raft::Entry& entry : ready.committed) member.to_apply.push_back(std::move(entry));
    if (!member.applying) {
      member.applying = true;
      gate_.spawn(apply(member));
    }
    beat_due_ = beat_due_ || leader_ == member.slot;
  }
  for (const raft::EntriesWanted& wanted : ready.wanted) gate_.spawn(load(member, wanted));
  for (const raft::ReadAnswer& answer : ready.reads) {
    const auto found = reads_.find(answer.token);
    if (found == reads_.end()) continue;
    found->second->confirmed = answer.confirmed;
    found->second->done.set();
  }
}

void Group::route(std::vector<raft::Message> messages) {
  for (raft::Message& message : messages) {
    const std::uint32_t slot = slot_of_member(message.to);
    if (slot >= members_.size()) continue;
    MemberState& target = *members_[slot];
    if (target.id != message.to) continue;  // replaced by a new member
    if (target.remote) {
      send_away(target, std::move(message));
      continue;
    }
    if (!target.open()) continue;
    target.core->step(clock(), std::move(message));
    if (!target.dirty) {
      target.dirty = true;
      dirty_.push_back(&target);
    }
  }
}

void Group::send_records(MemberState& member, raft::Records records) {
  storage::AppendBatch batch;
  Appending appending;
  if (records.truncate_from != 0) batch.truncate_from = records.truncate_from;
  if (records.hard_state)
    batch.hard_state = storage::HardState{.term = records.hard_state->term, .vote = records.hard_state->vote};
  batch.entries.reserve(records.entries.size());
  appending.entries.reserve(records.entries.size());
  for (const raft::Entry& entry : records.entries) {
    changed_ = changed_ || entry.membership != nullptr;
    const bool with_data =
        listener_.add_data(member.slot, entry, batch) || add_incoming(member, entry, batch);
    appending.entries.push_back({.index = entry.index, .term = entry.term, .with_data = with_data});
    batch.entries.push_back(to_log_entry(entry));
    const DataRef data = with_data ? DataRef{} : storage::data_of_entry(entry.payload.view());
    if (data.place != DataPlace::kFile) continue;
    appending.staged.push_back(appending.entries.back());
    appending.entries.pop_back();
    appending.data.push_back(data.id);
  }
  ++member.appends;
  member.append_starts.push_back(home_.now());
  gate_.spawn(append(member, std::move(batch), records.sequence, std::move(appending)));
}

Task<void> Group::append(MemberState& member, storage::AppendBatch batch, std::uint64_t sequence,
                         Appending appending) {
  const raft::Term term = batch.hard_state ? batch.hard_state->term : 0;
  raft::LogBase last;
  if (!batch.entries.empty()) last = {.index = batch.entries.back().index, .term = batch.entries.back().term};
  const auto result = co_await member.drive->append(std::move(batch));
  --member.appends;
  member.append_starts.pop_front();
  if (!result && member.open()) {
    member.failure = result.error().describe();
    member.failure_code = root_of(result.error());
    changed_ = true;
  }
  if (result && last.index != 0) member.acknowledged = last;
  if (result) member.acknowledged_term = std::max(member.acknowledged_term, term);
  member.core->append_done(clock(), sequence, result.has_value());
  if (result && !appending.entries.empty()) tell_appended(member, appending.entries);
  if (result && !appending.staged.empty())
    gate_.spawn(tell_staged(member, std::move(appending.staged), std::move(appending.data)));
  touch(member);
}

void Group::tell_appended(MemberState& member, const std::vector<AppendedEntry>& entries) {
  listener_.appended(member.slot, entries);
  note_appended(member, entries);
}

// Entries whose data was staged before: a drive that lost its last second since may take the entry alone.
Task<void> Group::tell_staged(MemberState& member, std::vector<AppendedEntry> entries,
                              std::vector<DataId> data) {
  ++member.loads;
  const auto holds = co_await member.drive->holds(std::move(data));
  --member.loads;
  for (std::size_t i = 0; i < entries.size(); ++i)
    entries[i].with_data = holds && holds->size() == entries.size() && (*holds)[i];
  tell_appended(member, entries);
  touch(member);
}

Task<void> Group::apply(MemberState& member) {
  std::vector<raft::Entry> batch;
  while (!member.to_apply.empty() && member.open() && !stopping_) {
    batch.clear();
    batch.reserve(std::min(member.to_apply.size(), limits::kMaxApplyBatch));
    while (!member.to_apply.empty() && batch.size() < limits::kMaxApplyBatch) {
      batch.push_back(std::move(member.to_apply.front()));
      member.to_apply.pop_front();
    }
    const auto result = co_await apply_batch(member, batch);
    if (!result) {
      fail_member(member.slot, result.error().describe(), result.error().code());
      break;
    }
    member.applied = batch.back().index;
    member.core->applied(clock(), member.applied);
    listener_.applied(member.slot, member.applied);
    touch(member);
  }
  member.applying = false;
}

Task<Result<void>> Group::apply_batch(MemberState& member, const std::vector<raft::Entry>& batch) {
  bool configure = false;
  std::vector<storage::LogEntry> entries;
  entries.reserve(batch.size());
  for (const raft::Entry& entry : batch) {
    if (member.runs.empty() || member.runs.back().term != entry.term) {
      member.runs.push_back({.first = entry.index, .term = entry.term});
      configure = true;
    }
    if (entry.membership != nullptr && entry.index > member.membership_index) {
      member.membership = *entry.membership;
      member.membership_index = entry.index;
      configure = true;
    }
    entries.push_back(to_log_entry(entry));
  }
  if (configure) {
    // Before the entries: a checkpoint that holds them then holds this too.
    co_await or_return(member.drive->set_configuration(encode_configuration(configuration_of(member))));
  }
  listener_.applying(member.slot, batch);
  co_return co_await member.drive->apply(std::move(entries));
}

Task<void> Group::load(MemberState& member, raft::EntriesWanted wanted) {
  std::vector<raft::Entry> entries;
  ++member.loads;
  auto found = co_await member.drive->read_entries(wanted.from, wanted.to, flashstor::limits::kMiB);
  if (found) {
    for (const storage::LogEntry& entry : *found) {
      auto parsed = from_log_entry(entry);
      if (!parsed) break;
      entries.push_back(std::move(*parsed));
    }
  }
  // The core asks again at once, and a log that has lost an entry says so at once.
  if (entries.empty()) co_await async::sleep_for(home_, limits::kReadAgain);
  --member.loads;
  if (!member.open()) co_return;
  member.core->entries_loaded(clock(), wanted.member, std::move(entries));
  touch(member);
}

}  // namespace flashstor::cluster
