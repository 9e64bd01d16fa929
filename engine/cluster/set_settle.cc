#include <algorithm>
#include <bit>

#include "engine/async/gather.h"
#include "engine/cluster/due.h"
#include "engine/cluster/limits.h"
#include "engine/cluster/placement.h"
#include "engine/cluster/set.h"

// A new leader settles the versions that its predecessor left undecided.  Source: protocol.md, When a write
// has happened.
namespace flashstor::cluster {
namespace {

struct Answer {
  std::uint32_t slot = 0;
  Result<std::vector<bool>> holds;
};

Task<Answer> ask(storage::StorageApi* drive, std::uint32_t slot, std::vector<DataId> ids) {
  auto holds = co_await drive->holds(std::move(ids));
  co_return Answer{.slot = slot, .holds = std::move(holds)};
}

Task<std::uint32_t> refuse_at(storage::StorageApi* drive, std::uint32_t slot, std::vector<DataId> ids) {
  storage::AppendBatch batch;
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
  for (bool again = false; group_.leads(term) && !closing_.load(); again = true) {
    const raft::Index through = unknown_through_;
    const bool seen = group_.applied(*group_.leader()) >= through;  // not applied yet: no version yet
    if (co_await settle_once(term, again) && seen && through == unknown_through_) break;
    co_await leader_signal_.wait_until(parts_.home->now() + limits::kSettleRetry);
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
    out.push_back({.index = index, .data = version.data, .held = 0});
    if (out.size() >= limits::kMaxConfirms) break;
  }
  return out;
}

// Asks every standing drive; gives which of them answered.
Task<std::uint32_t> ErasureSet::inquire(std::vector<Inquiry>& inquiries) {
  std::vector<DataId> ids;
  for (const Inquiry& inquiry : inquiries) ids.push_back(inquiry.data.id);
  std::vector<Task<Answer>> asking;
  for (std::uint32_t slot = 0; slot < drives_.size(); ++slot)
    if (group_.is_open(slot)) asking.push_back(ask(drives_[slot], slot, ids));
  std::uint32_t answered = 0;
  for (const Answer& answer : co_await async::gather(std::move(asking))) {
    if (!answer.holds || answer.holds->size() != inquiries.size()) continue;
    answered |= std::uint32_t{1} << answer.slot;
    for (std::size_t i = 0; i < inquiries.size(); ++i)
      if ((*answer.holds)[i]) inquiries[i].held |= std::uint32_t{1} << answer.slot;
  }
  co_return answered;
}

// `again`: what could not be decided before was not decided by a drive that came back since.
Task<bool> ErasureSet::settle_once(raft::Term term, bool again) {
  std::vector<Inquiry> inquiries = open_inquiries(term);
  if (inquiries.empty()) co_return true;
  const bool more = inquiries.size() >= limits::kMaxConfirms;
  const std::uint32_t answered = co_await inquire(inquiries);
  if (!group_.leads(term)) co_return true;
  const int drives = static_cast<int>(drives_.size());
  const int absent = drives - std::popcount(answered);
  std::vector<Inquiry> lost;
  std::vector<Inquiry> incomplete;
  bool open = more;
  for (const Inquiry& inquiry : inquiries) {
    const int held = std::popcount(inquiry.held);
    const int k = inquiry.data.geometry.data_shards;
    if (held >= static_cast<int>(needed_for(inquiry.data)) || (held >= k && absent == 0)) {
      confirm_settled(inquiry);
    } else if (held + absent < k || parts_.defects.void_early) {
      lost.push_back(inquiry);
    } else {
      open = true;
      if (again && held >= k) incomplete.push_back(inquiry);
    }
  }
  if (!lost.empty() && !co_await void_lost(lost, answered)) open = true;
  if (pending_.anything_waits() && group_.leads(term)) static_cast<void>(co_await commit_own({}));
  for (const Inquiry& inquiry : incomplete)
    if (group_.leads(term) && !closing_.load()) co_await complete_shards(inquiry, answered);
  co_return !open;
}

// Enough drives hold it to read it, too few to confirm it, and those that are away may be lost for good: the
// others are given what they lack. The next inquiry finds that W drives hold it.
Task<void> ErasureSet::complete_shards(Inquiry inquiry, std::uint32_t answered) {
  if (std::popcount(answered) < static_cast<int>(needed_for(inquiry.data))) co_return;
  HealItem item{.data = inquiry.data, .slots = 0};
  for (std::uint32_t slot = 0; slot < drives_.size(); ++slot) {
    const bool lacks = (answered >> slot & 1) != 0 && (inquiry.held >> slot & 1) == 0;
    if (lacks && group_.applied(slot) >= inquiry.index) item.slots |= std::uint32_t{1} << slot;
  }
  co_await heal_item(item);
}

void ErasureSet::confirm_settled(const Inquiry& inquiry) {
  if (pending_.find(inquiry.index) == nullptr) return;
  pending_.confirm(inquiry.index);
  undecided_.remove(inquiry.index, false);
  const std::uint32_t all = (std::uint32_t{1} << parts_.info.drives) - 1;
  if (inquiry.held != all) {
    pending_.add_rider(owe(inquiry.data, all & ~inquiry.held));
  }
  decided_signal_.notify_all();
}

// Voided only after the drives that do not hold it have durably refused ever to.
Task<bool> ErasureSet::void_lost(const std::vector<Inquiry>& lost, std::uint32_t answered) {
  std::vector<Task<std::uint32_t>> refusing;
  for (std::uint32_t slot = 0; slot < drives_.size(); ++slot) {
    if ((answered >> slot & 1) == 0) continue;
    std::vector<DataId> ids;
    for (const Inquiry& inquiry : lost)
      if ((inquiry.held >> slot & 1) == 0) ids.push_back(inquiry.data.id);
    if (!ids.empty()) refusing.push_back(refuse_at(drives_[slot], slot, std::move(ids)));
  }
  std::uint32_t refused = 0;
  for (const std::uint32_t bit : co_await async::gather(std::move(refusing))) refused |= bit;
  storage::EntryBody body;
  bool all = true;
  for (const Inquiry& inquiry : lost) {
    const int can_hold = static_cast<int>(drives_.size()) - std::popcount(refused & ~inquiry.held);
    if (can_hold < inquiry.data.geometry.data_shards || parts_.defects.void_early) {
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
