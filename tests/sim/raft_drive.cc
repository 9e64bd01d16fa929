#include "tests/sim/raft_drive.h"

#include <algorithm>
#include <utility>

namespace flashstor::sim {

using cluster::raft::Entry;
using cluster::raft::Index;
using cluster::raft::Records;
using cluster::raft::Restored;

void RaftDrive::sync(std::uint64_t sequence) {
  while (!under_way_.empty() && under_way_.front().sequence <= sequence) {
    cached_.push_back(std::move(under_way_.front()));
    under_way_.pop_front();
  }
  settle(cache_batches_);
}

bool RaftDrive::holds(Index index, cluster::raft::Term term) const {
  if (index <= std::max(base_.index, checkpoint_.at.index)) return true;
  return !hole_ && index <= last() && entries_[index - base_.index - 1].term == term;
}

void RaftDrive::drop(std::uint64_t sequence) {
  std::erase_if(under_way_, [sequence](const Records& records) { return records.sequence == sequence; });
}

std::size_t RaftDrive::lie(std::size_t count) {
  crash();
  std::size_t gone = 0;
  while (gone < count && !cached_.empty()) {
    cached_.pop_back();
    ++gone;
  }
  return gone;
}

void RaftDrive::settle(std::size_t keep) {
  while (cached_.size() > keep) {
    replay(std::move(cached_.front()));
    cached_.pop_front();
  }
}

void RaftDrive::replay(Records records) {
  if (records.reset) {
    base_ = *records.reset;
    entries_.clear();
    hole_ = false;
  }
  if (records.truncate_from != 0 && records.truncate_from <= last()) {
    const Index keep = std::max(records.truncate_from, base_.index + 1) - base_.index - 1;
    entries_.resize(keep);
  }
  if (records.hard_state) hard_ = *records.hard_state;
  for (Entry& entry : records.entries) {
    if (entry.index <= base_.index) continue;
    if (entry.index != last() + 1) hole_ = true;  // replay ends at a hole
    if (!hole_) entries_.push_back(std::move(entry));
  }
}

Index RaftDrive::free_to(Index index) {
  settle(0);
  index = std::min({index, checkpoint_.at.index, last()});
  if (index <= base_.index) return base_.index;
  const std::size_t count = index - base_.index;
  base_ = {.index = index, .term = entries_[count - 1].term};
  entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(count));
  return base_.index;
}

std::vector<Entry> RaftDrive::read(Index from, Index to) {
  settle(0);
  std::vector<Entry> out;
  for (Index i = std::max(from, base_.index + 1); i <= std::min(to, last()); ++i) {
    out.push_back(entries_[i - base_.index - 1]);
  }
  return out;
}

Restored RaftDrive::restore(bool whole_tail) {
  settle(0);
  hole_ = false;
  const Index applied = checkpoint_.at.index;
  const bool lost_end = last() < applied;  // the index is ahead of a log that lost its end, or was filled
  if (lost_end ||
      (applied > base_.index && entries_[applied - base_.index - 1].term != checkpoint_.at.term)) {
    base_ = checkpoint_.at;
    entries_.clear();
  }
  Restored out;
  out.hard_state = hard_;
  out.base = base_;
  out.applied = checkpoint_.at.index;
  out.membership = checkpoint_.membership;
  out.membership_index = checkpoint_.membership_index;
  const std::size_t skip = whole_tail ? 0 : out.applied - base_.index;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const Entry& entry = entries_[i];
    if (i >= skip) {
      out.tail.push_back(entry);
    } else if (out.runs.empty() || out.runs.back().term != entry.term) {
      out.runs.push_back({.first = entry.index, .term = entry.term});
    }
  }
  return out;
}

}  // namespace flashstor::sim
