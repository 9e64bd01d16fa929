#include <algorithm>
#include <bit>

#include "engine/async/gather.h"
#include "engine/cluster/due.h"
#include "engine/cluster/limits.h"
#include "engine/cluster/outside.h"
#include "engine/cluster/placement.h"
#include "engine/cluster/set.h"

// A new leader settles the versions that its predecessor left undecided.  Source: protocol.md, When a write
// has happened.
namespace flashstor::cluster {
namespace {

struct Answer {
  std::uint32_t slot = 0;
  Result<storage::Holdings> holds;
};

Task<Answer> ask(storage::StorageApi* drive, std::uint32_t slot, std::vector<DataId> ids, Outside inside) {
  static_cast<void>(inside);  // may go on after the set has stopped waiting for it
  auto holds = co_await drive->holds(std::move(ids));
  co_return Answer{.slot = slot, .holds = std::move(holds)};
}

Task<std::uint32_t> refuse_at(storage::StorageApi* drive, std::uint32_t slot, std::vector<DataId> ids,
                              raft::Term term) {
  storage::AppendBatch batch;
  batch.refusals_term = term;
  batch.refusals = std::move(ids);
  const auto done = co_await drive->append(std::move(batch));
  co_return done ? std::uint32_t{1} << slot : 0;
}

}  // namespace

void ErasureSet::start_settling() {
  const raft::Term term = group_.leader_term();
  if (!closing_.load() && settling_term_.exchange(term) != term) gate_.spawn(settle(term));
}

Task<void> ErasureSet::settle(raft::Term term) {
  Nanoseconds patience = limits::kInquiryPatience;
  for (bool again = false; group_.leads(term) && !closing_.load(); again = true) {
    const raft::Index through = unknown_through_;
    const bool seen = group_.applied(*group_.leader()) >= through;  // not applied yet: no version yet
    if (co_await settle_once(term, again, patience) && seen && through == unknown_through_) break;
    co_await leader_signal_.wait_until(parts_.home->now() + limits::kSettleRetry);
    patience = std::min<Nanoseconds>(patience * 2, limits::kLongestInquiry);
  }
  raft::Term mine = term;
  settling_term_.compare_exchange_strong(mine, 0);
}

std::vector<ErasureSet::Inquiry> ErasureSet::open_inquiries(raft::Term term) const {
  std::vector<Inquiry> out;
  const raft::Index applied = group_.leads(term) ? group_.applied(*group_.leader()) : 0;
  for (const auto& [index, version] : pending_.versions()) {
    if (index > applied) break;
    if (version.decided || flights_.find(index, term) != nullptr) continue;
    out.push_back({.index = index, .data = version.data, .held = 0, .excused = version.excused, .reborn = 0});
    if (out.size() >= limits::kMaxConfirms) break;
  }
  return out;
}

// A drive that an older leader still reaches might take from it what it has just said that it lacks.
Task<void> ErasureSet::await_followers(MonotonicTime deadline) {
  const auto behind = [this] {
    for (std::uint32_t slot = 0; slot < drives_.size(); ++slot)
      if (group_.is_open(slot) && !group_.follows(slot)) return true;
    return false;
  };
  while (group_.leader() && behind() && parts_.home->now() < deadline)
    co_await async::sleep_for(*parts_.home, limits::kFollowPoll);
}

// Asks every standing drive; gives which of them answered in time: one that hangs counts as away.
Task<std::uint32_t> ErasureSet::inquire(std::vector<Inquiry>& inquiries, Nanoseconds patience) {
  co_await await_followers(parts_.home->now() + limits::kFollowPatience);
  // As of the excuses that the inquiries carry: what is told meanwhile excuses, and they do not know it.
  const auto told = witnesses_.incarnations();
  std::vector<DataId> ids;
  for (const Inquiry& inquiry : inquiries) ids.push_back(inquiry.data.id);
  std::vector<Task<Answer>> asking;
  for (std::uint32_t slot = 0; slot < drives_.size(); ++slot)
    if (group_.is_open(slot) && group_.follows(slot))
      asking.push_back(ask(drives_[slot], slot, ids, Outside(outside_)));
  std::uint32_t answered = 0;
  const auto answers = co_await async::gather_until(std::move(asking), parts_.home->now() + patience);
  for (const std::optional<Answer>& answer : answers) {
    if (!answer || !answer->holds || answer->holds->size() != inquiries.size()) continue;
    const std::uint32_t bit = std::uint32_t{1} << answer->slot;
    answered |= bit;
    const std::uint64_t incarnation = answer->holds->incarnation;
    const bool reborn = incarnation == 0 || incarnation != told[answer->slot];
    for (std::size_t i = 0; i < inquiries.size(); ++i) {
      if ((*answer->holds)[i]) inquiries[i].held |= bit;
      if (reborn) inquiries[i].reborn |= bit;
    }
  }
  co_return answered;
}

// `again`: what could not be decided before was not decided by a drive that came back since.
Task<bool> ErasureSet::settle_once(raft::Term term, bool again, Nanoseconds patience) {
  std::vector<Inquiry> inquiries = open_inquiries(term);
  if (inquiries.empty()) co_return true;
  const bool more = inquiries.size() >= limits::kMaxConfirms;
  const std::uint32_t answered = co_await inquire(inquiries, patience);
  if (!group_.leads(term)) co_return true;
  const int drives = static_cast<int>(drives_.size());
  const int absent = drives - std::popcount(answered);
  lagging_ |= open_slots() & ~answered;  // the entries to come do not wait for what does not answer
  std::vector<Inquiry> sure;
  std::vector<Inquiry> lost;
  std::vector<Inquiry> few;
  bool open = more;
  for (const Inquiry& inquiry : inquiries) {
    const int held = std::popcount(inquiry.held);
    const int k = inquiry.data.geometry.data_shards;
    if (held >= static_cast<int>(needed_for(inquiry.data))) {
      sure.push_back(inquiry);
    } else if (held + absent < k || parts_.defects.void_early ||
               (held < k && was_never_shown(inquiry, answered, absent))) {
      lost.push_back(inquiry);
    } else if (held >= k && (absent == 0 || again)) {
      few.push_back(inquiry);
    } else {
      open = true;
    }
  }
  for (Inquiry& inquiry : few) {
    if (!group_.leads(term) || closing_.load()) co_return true;
    const Few end = co_await complete_shards(inquiry, answered, term);
    if (!group_.leads(term)) co_return true;
    if (end == Few::kLost) lost.push_back(inquiry);
    // Drives that are full cannot be given what they lack; all have answered, so it stays with what it has.
    const bool enough = end == Few::kComplete || (end == Few::kReadable && absent == 0 && again);
    if (enough) sure.push_back(inquiry);
    if (end != Few::kLost && !enough) open = true;
  }
  if (!co_await confirm_all(std::move(sure), term)) open = true;
  if (!lost.empty() && !co_await void_lost(lost, answered, term)) open = true;
  if (pending_.anything_waits() && group_.leads(term)) static_cast<void>(co_await commit_own({}));
  co_return !open;
}

// Enough drives say that they hold it to read it, too few to confirm it. As it is it would not stand the loss
// of one shard, and one of them may be rotten already: then what it replaces, which was acknowledged, must
// stay. So what they hold is verified, and the others, of which some may be away for good, are given what
// they lack.
Task<ErasureSet::Few> ErasureSet::complete_shards(Inquiry& inquiry, std::uint32_t answered, raft::Term term) {
  const auto pinned = pin(inquiry.data);
  const int k = inquiry.data.geometry.data_shards;
  std::uint32_t sound = 0;
  std::uint32_t rotten = 0;
  for (std::uint32_t slot = 0; slot < drives_.size(); ++slot) {
    const std::uint32_t bit = std::uint32_t{1} << slot;
    if ((inquiry.held & bit) == 0 || !group_.is_open(slot)) continue;
    const auto verified = co_await drives_[slot]->verify_shard(inquiry.data);
    if (verified) sound |= bit;
    if (!verified && verified.error().code() == ErrorCode::kCorrupt) rotten |= bit;
  }
  const int absent = static_cast<int>(drives_.size()) - std::popcount(answered);
  if (std::popcount(inquiry.held & ~rotten) + absent < k) {
    inquiry.held &= ~rotten;
    co_return Few::kLost;
  }
  if (std::popcount(sound) < k || std::popcount(answered) < static_cast<int>(needed_for(inquiry.data)))
    co_return Few::kOpen;
  HealItem item{.data = inquiry.data, .slots = 0};
  for (std::uint32_t slot = 0; slot < drives_.size(); ++slot) {
    const bool lacks = (answered >> slot & 1) != 0 && (sound >> slot & 1) == 0;
    if (lacks && group_.applied(slot) >= inquiry.index) item.slots |= std::uint32_t{1} << slot;
  }
  sound |= item.slots & ~co_await heal_item(item, item.slots, term);
  inquiry.held = sound;
  co_return std::popcount(sound) >= static_cast<int>(needed_for(inquiry.data)) ? Few::kComplete
                                                                               : Few::kReadable;
}

// Of a version that was acknowledged or shown, every drive that is not excused held its shard, and has it
// still if it has not been opened again since. If some of these say that they do not, and with those that are
// away too few may hold it to read it, it never was.
bool ErasureSet::was_never_shown(const Inquiry& inquiry, std::uint32_t refused, int absent) const {
  const int lack = std::popcount(refused & ~inquiry.held & ~inquiry.excused & ~inquiry.reborn);
  return lack > 0 && lack + absent > inquiry.data.geometry.parity_shards;
}

Task<bool> ErasureSet::confirm_all(std::vector<Inquiry> sure, raft::Term term) {
  const std::uint32_t all = all_slots();
  std::uint32_t lack = 0;
  // Who is excused here need not be to others: this process may only not know better.
  for (const Inquiry& inquiry : sure) lack |= all & ~inquiry.held;
  if (lack != 0 && !parts_.defects.excuse_nobody) {
    const auto oldest = std::ranges::min_element(sure, {}, &Inquiry::index);
    if (!co_await commit_excuse(oldest->index, lack) || !group_.leads(term)) co_return false;
  }
  for (const Inquiry& inquiry : sure) confirm_settled(inquiry);
  co_return true;
}

void ErasureSet::confirm_settled(const Inquiry& inquiry) {
  if (pending_.find(inquiry.index) == nullptr) return;
  pending_.confirm(inquiry.index);
  undecided_.remove(inquiry.index, false);
  const std::uint32_t all = all_slots();
  if (inquiry.held != all) {
    pending_.add_rider(owe(inquiry.data, all & ~inquiry.held));
  }
  decided_signal_.notify_all();
}

// Voided only after the drives that do not hold it have durably refused ever to.
Task<bool> ErasureSet::void_lost(const std::vector<Inquiry>& lost, std::uint32_t answered, raft::Term term) {
  std::vector<Task<std::uint32_t>> refusing;
  for (std::uint32_t slot = 0; slot < drives_.size(); ++slot) {
    if ((answered >> slot & 1) == 0) continue;
    std::vector<DataId> ids;
    for (const Inquiry& inquiry : lost)
      if ((inquiry.held >> slot & 1) == 0) ids.push_back(inquiry.data.id);
    if (!ids.empty()) refusing.push_back(refuse_at(drives_[slot], slot, std::move(ids), term));
  }
  std::uint32_t refused = 0;
  for (const std::uint32_t bit : co_await async::gather(std::move(refusing))) refused |= bit;
  if (!group_.leads(term)) co_return false;  // another leader may have let them live meanwhile
  storage::EntryBody body;
  bool all = true;
  for (const Inquiry& inquiry : lost) {
    const int can_hold = static_cast<int>(drives_.size()) - std::popcount(refused & ~inquiry.held);
    const int absent = static_cast<int>(drives_.size()) - std::popcount(answered);
    if (can_hold < inquiry.data.geometry.data_shards || was_never_shown(inquiry, refused, absent) ||
        parts_.defects.void_early) {
      body.voids.push_back(inquiry.index);
    } else {
      all = false;
    }
  }
  if (body.voids.empty()) co_return false;
  const auto done = co_await commit_own(std::move(body));
  co_return done.has_value() && all;
}

}  // namespace flashstor::cluster
