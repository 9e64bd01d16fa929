#include "engine/cluster/raft/log_view.h"

#include <algorithm>

#include "engine/base/check.h"

namespace flashstor::cluster::raft {

LogView::LogView(Restored& restored) : base_(restored.base), last_(restored.base.index) {
  memberships_.emplace_back(restored.membership_index,
                            std::make_shared<const Membership>(restored.membership));
  runs_ = std::move(restored.runs);
  if (restored.tail.empty()) {
    last_ = std::max(base_.index, restored.applied);
    FLASHSTOR_CHECK(last_ == base_.index || (!runs_.empty() && runs_.front().first == base_.index + 1));
  } else {
    const Index first = restored.tail.front().index;
    FLASHSTOR_CHECK(first > base_.index);
    FLASHSTOR_CHECK(first == base_.index + 1 || (!runs_.empty() && runs_.front().first == base_.index + 1));
    last_ = first - 1;
  }
  FLASHSTOR_CHECK(restored.applied >= last_);
  for (Entry& entry : restored.tail) append(std::move(entry));
  restored.tail.clear();
  FLASHSTOR_CHECK(restored.applied <= last_);
}

Term LogView::term_at(Index index) const {
  FLASHSTOR_CHECK(has(index));
  if (index == base_.index) return base_.term;
  const auto after = std::upper_bound(runs_.begin(), runs_.end(), index,
                                      [](Index value, const TermRun& run) { return value < run.first; });
  FLASHSTOR_CHECK(after != runs_.begin());
  return std::prev(after)->term;
}

const Entry& LogView::at(Index index) const {
  FLASHSTOR_CHECK(index >= memory_first() && index <= last_);
  return entries_[index - memory_first()];
}

Index LogView::last_with_term_at_most(Index index, Term term) const {
  index = std::min(index, last_);
  for (auto run = runs_.rbegin(); run != runs_.rend(); ++run) {
    if (run->first > index) continue;
    if (run->term <= term) return index;
    index = run->first - 1;
  }
  return std::max(std::min(index, base_.index), base_.index);
}

std::vector<Entry> LogView::slice(Index from, Index to, std::size_t max_entries,
                                  std::size_t max_bytes) const {
  std::vector<Entry> out;
  if (from <= to) out.reserve(std::min<std::size_t>(max_entries, to - from + 1));
  std::size_t bytes = 0;
  for (Index i = from; i <= to && out.size() < max_entries; ++i) {
    const Entry& entry = at(i);
    if (!out.empty() && bytes + entry.payload.size() > max_bytes) break;
    bytes += entry.payload.size();
    out.push_back(entry);
  }
  return out;
}

void LogView::append(Entry entry) {
  FLASHSTOR_CHECK(entry.index == last_ + 1);
  const Term before = runs_.empty() ? base_.term : runs_.back().term;
  FLASHSTOR_CHECK(entry.term >= before);
  if (runs_.empty() || entry.term != before) runs_.push_back({entry.index, entry.term});
  if (entry.membership != nullptr && entry.index > membership_index()) {
    memberships_.emplace_back(entry.index, entry.membership);
  }
  last_ = entry.index;
  bytes_ += entry.payload.size();
  entries_.push_back(std::move(entry));
}

bool LogView::truncate(Index from) {
  FLASHSTOR_CHECK(from > base_.index && from >= memory_first());
  while (last_ >= from) {
    bytes_ -= entries_.back().payload.size();
    entries_.pop_back();
    --last_;
  }
  while (!runs_.empty() && runs_.back().first >= from) runs_.pop_back();
  bool changed = false;
  while (memberships_.size() > 1 && memberships_.back().first >= from) {
    memberships_.pop_back();
    changed = true;
  }
  return changed;
}

void LogView::reset(LogBase base, std::shared_ptr<const Membership> membership) {
  base_ = base;
  last_ = base.index;
  entries_.clear();
  bytes_ = 0;
  runs_.clear();
  memberships_.clear();
  memberships_.emplace_back(base.index, std::move(membership));
}

bool LogView::may_lead(MemberId id, Index commit) const {
  if (membership().is_voter(id)) return true;
  return memberships_.size() > 1 && membership_index() > commit &&
         memberships_[memberships_.size() - 2].second->is_voter(id);
}

void LogView::compact(Index index) {
  if (index <= base_.index) return;
  FLASHSTOR_CHECK(index <= last_);
  const Term term = term_at(index);
  while (memory_first() <= index && !entries_.empty()) {
    bytes_ -= entries_.front().payload.size();
    entries_.pop_front();
  }
  while (runs_.size() > 1 && runs_[1].first <= index + 1) runs_.erase(runs_.begin());
  if (!runs_.empty()) {
    if (last_ == index) {
      runs_.clear();
    } else {
      runs_.front().first = index + 1;
    }
  }
  base_ = {.index = index, .term = term};
  while (memberships_.size() > 1 && memberships_[1].first <= index) memberships_.erase(memberships_.begin());
}

void LogView::shrink(Index index, std::size_t max_entries, std::size_t max_bytes) {
  while (!entries_.empty() && memory_first() <= index &&
         (entries_.size() > max_entries || bytes_ > max_bytes)) {
    bytes_ -= entries_.front().payload.size();
    entries_.pop_front();
  }
}

}  // namespace flashstor::cluster::raft
