#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <vector>

#include "engine/cluster/raft/types.h"
#include "engine/storage/entry.h"

namespace flashstor::cluster {

/// Versions with data that are applied and not yet confirmed or voided by an entry of the log, and what the
/// leader wants to say about them (and about what it owes its drives) in the entries to come.
/// Threads: the set's loop.
class Pending {
 public:
  struct Version {
    raft::Term term = 0;
    DataRef data;
    std::uint32_t excused = 0;  ///< Slots that may lack it though it was shown or acknowledged.
    bool decided = false;       ///< The leader knows that enough drives hold it; only the record is missing.
  };

  void add(raft::Index index, raft::Term term, const DataRef& data, std::uint32_t excused) {
    versions_.emplace(index, Version{.term = term, .data = data, .excused = excused, .decided = false});
  }
  /// `slots` may lack the data of what is pending from `from` on.
  void excuse(raft::Index from, std::uint32_t slots) {
    for (auto at = versions_.lower_bound(from); at != versions_.end(); ++at) at->second.excused |= slots;
  }
  /// A confirming or voiding entry took care of it.
  void erase(raft::Index index) { versions_.erase(index); }
  [[nodiscard]] Version* find(raft::Index index) {
    const auto found = versions_.find(index);
    return found == versions_.end() ? nullptr : &found->second;
  }
  /// Whether a version that is not confirmed or voided yet needs this data.
  [[nodiscard]] bool names(const DataId& id) const {
    return std::ranges::any_of(versions_, [&id](const auto& item) { return item.second.data.id == id; });
  }
  /// Whether it is not even known whether enough drives hold it.
  [[nodiscard]] bool undecided(const DataId& id) const {
    return std::ranges::any_of(
        versions_, [&id](const auto& item) { return item.second.data.id == id && !item.second.decided; });
  }
  /// Those that are older than `index`.
  [[nodiscard]] std::vector<raft::Index> before(raft::Index index) const {
    std::vector<raft::Index> out;
    for (auto at = versions_.begin(); at != versions_.end() && at->first < index; ++at)
      out.push_back(at->first);
    return out;
  }
  [[nodiscard]] const std::map<raft::Index, Version>& versions() const { return versions_; }

  /// To be confirmed by a later entry.
  void confirm(raft::Index index) {
    if (Version* version = find(index)) version->decided = true;
    waiting_.confirms.push_back(index);
  }
  void add_rider(RowChange change) { waiting_.changes.push_back(std::move(change)); }
  [[nodiscard]] bool anything_waits() const {
    return !waiting_.confirms.empty() || !waiting_.changes.empty();
  }
  /// Rows that are in no entry yet; and whether there are some in one that may not be applied yet.
  [[nodiscard]] std::size_t rows_waiting() const { return waiting_.changes.size(); }
  [[nodiscard]] bool rows_under_way() const {
    return std::ranges::any_of(under_way_, [](const Riders& riders) { return !riders.changes.empty(); });
  }
  /// Moves what waits onto `body`.
  void board(storage::EntryBody& body, std::size_t most_confirms, std::size_t most_changes);
  /// `body`, filled by `board`, was proposed at `index`.
  void boarded(raft::Index index, const storage::EntryBody& body, std::size_t own_changes);
  /// `board` was called and the proposal refused.
  void unboard(const storage::EntryBody& body, std::size_t own_changes);
  void applied(raft::Index index);
  /// The log has other entries where it had those that this knows of; rows to be said stay.
  void forget_versions();
  /// Another leader: what was proposed and not applied may be lost, so it is said again.
  void restart();

 private:
  struct Riders {
    raft::Index index = 0;
    std::vector<std::uint64_t> confirms;
    std::vector<RowChange> changes;
  };
  std::map<raft::Index, Version> versions_;
  Riders waiting_;
  std::deque<Riders> under_way_;
};

}  // namespace flashstor::cluster
