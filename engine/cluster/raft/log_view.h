#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "engine/cluster/raft/types.h"

namespace flashstor::cluster::raft {

/// The log as the core sees it: the newest entries in memory, the terms of all that the driver can still
/// read, and every change of membership among them. Indexes run from base().index + 1 to last_index() without
/// a gap.
class LogView {
 public:
  explicit LogView(Restored& restored);

  [[nodiscard]] LogBase base() const { return base_; }
  [[nodiscard]] Index last_index() const { return last_; }
  [[nodiscard]] Term last_term() const { return term_at(last_); }
  /// The first index whose entry is in memory; last_index() + 1 when none is.
  [[nodiscard]] Index memory_first() const { return last_ + 1 - entries_.size(); }
  /// The term of `index`, which must lie in [base().index, last_index()].
  [[nodiscard]] Term term_at(Index index) const;
  [[nodiscard]] bool has(Index index) const { return index >= base_.index && index <= last_; }
  [[nodiscard]] bool matches(Index index, Term term) const { return has(index) && term_at(index) == term; }
  /// The entry at `index`, which must be in memory.
  [[nodiscard]] const Entry& at(Index index) const;
  /// The highest index in [base, `index`] whose term is at most `term`; base().index if none.
  [[nodiscard]] Index last_with_term_at_most(Index index, Term term) const;
  [[nodiscard]] std::vector<Entry> slice(Index from, Index to, std::size_t max_entries,
                                         std::size_t max_bytes) const;

  void append(Entry entry);
  /// Drops entries from `from` on; gives true when a change of membership went with them.
  bool truncate(Index from);
  /// Replaces everything by a fill.
  void reset(LogBase base, std::shared_ptr<const Membership> membership);
  /// The driver can no longer read entries up to `index`.
  void compact(Index index);
  /// Lets go of the oldest entries up to `index` that are over the limits.
  void shrink(Index index, std::size_t max_entries, std::size_t max_bytes);

  [[nodiscard]] const Membership& membership() const { return *memberships_.back().second; }
  [[nodiscard]] std::shared_ptr<const Membership> membership_shared() const {
    return memberships_.back().second;
  }
  /// The entry that set membership().
  [[nodiscard]] Index membership_index() const { return memberships_.back().first; }
  /// Whether `id` votes, or voted under the membership before one that is not committed at `commit`: until
  /// then it may be needed as a leader (Ongaro 4.2.2).
  [[nodiscard]] bool may_lead(MemberId id, Index commit) const;
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  LogBase base_;
  Index last_ = 0;
  std::deque<Entry> entries_;
  std::size_t bytes_ = 0;
  std::vector<TermRun> runs_;
  std::vector<std::pair<Index, std::shared_ptr<const Membership>>> memberships_;
};

[[nodiscard]] inline LogBase end_of(const LogView& log) {
  return {.index = log.last_index(), .term = log.last_term()};
}

}  // namespace flashstor::cluster::raft
