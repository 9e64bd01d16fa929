#pragma once

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "engine/cluster/raft/types.h"
#include "engine/storage/entry.h"

namespace flashstor::cluster {

/// Slices that an entry frees of which it is not known yet what becomes of it: a shard that was rebuilt after
/// its drive applied the entry would stay for good, for no row names it and no drive compares it with others.
/// Threads: the set's loop.
class Leaving {
 public:
  /// An entry that frees `ids` is about to be proposed.
  void add(const std::vector<DataId>& ids) { ids_.insert(ids.begin(), ids.end()); }
  /// It was not, or has happened.
  void remove(const std::vector<DataId>& ids) {
    for (const DataId& id : ids) ids_.erase(ids_.find(id));
  }
  /// Nobody could tell whether it has: the log still may have it happen, or another entry in its place.
  void keep(raft::Index index, raft::Term term, std::vector<DataId> ids) {
    kept_.push_back({.index = index, .term = term, .ids = std::move(ids)});
  }
  /// The leader of `term` has applied up to `applied`, its own first entry included: what was proposed in
  /// another term is before that, or lost.
  void settle(raft::Term term, raft::Index applied) {
    std::erase_if(kept_, [&](const Kept& kept) {
      const bool settled = kept.term != term || kept.index <= applied;
      if (settled) remove(kept.ids);
      return settled;
    });
  }
  [[nodiscard]] bool contains(const DataId& id) const { return ids_.contains(id); }

 private:
  struct Kept {
    raft::Index index = 0;
    raft::Term term = 0;
    std::vector<DataId> ids;
  };
  std::multiset<DataId> ids_;
  std::vector<Kept> kept_;
};

}  // namespace flashstor::cluster
