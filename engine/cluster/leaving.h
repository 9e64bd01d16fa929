#pragma once

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "engine/cluster/raft/types.h"
#include "engine/storage/entry.h"

namespace flashstor::cluster {

/// Slices that an entry frees which some drive has not applied yet, or of which it is not known what becomes:
/// a shard that was rebuilt, from drives that are behind, after its own drive applied the entry would stay
/// for good, for no row names it and no drive compares it with others. Threads: the set's loop.
class Leaving {
 public:
  /// An entry that frees `ids` is about to be proposed.
  void add(const std::vector<DataId>& ids) { ids_.insert(ids.begin(), ids.end()); }
  /// It was not.
  void remove(const std::vector<DataId>& ids) {
    for (const DataId& id : ids) ids_.erase(ids_.find(id));
  }
  /// It was: the log has it happen, or, where nobody could tell, perhaps another entry in its place.
  void keep(raft::Index index, raft::Term term, std::vector<DataId> ids) {
    kept_.push_back({.index = index, .term = term, .ids = std::move(ids)});
  }
  /// The leader of `term` has applied up to `applied`, its own first entry included: what was proposed in
  /// another term is before that, or lost. All drives that are open have applied up to `by_all`.
  void settle(raft::Term term, raft::Index applied, raft::Index by_all) {
    if (term != term_) unread_ = applied;  // another one may have proposed all that
    term_ = term;
    unread_ = std::max(unread_, by_all);
    std::erase_if(kept_, [&](Kept& kept) {
      if (kept.term != term)
        kept = {.index = std::min(kept.index, applied), .term = term, .ids = std::move(kept.ids)};
      const bool settled = kept.index <= by_all;
      if (settled) remove(kept.ids);
      return settled;
    });
  }
  [[nodiscard]] bool contains(const DataId& id) const { return ids_.contains(id); }
  /// What entries up to here free is not in it, as far as not all drives have applied it: the log says it.
  [[nodiscard]] raft::Index unread() const { return unread_; }
  /// The entries from after `from` up to unread() were kept.
  void read_from(raft::Index from) { unread_ = std::min(unread_, from); }
  /// The same term may be led anew, with other entries.
  void begin_anew() { term_ = 0; }

 private:
  struct Kept {
    raft::Index index = 0;
    raft::Term term = 0;
    std::vector<DataId> ids;
  };
  std::multiset<DataId> ids_;
  std::vector<Kept> kept_;
  raft::Term term_ = 0;
  raft::Index unread_ = 0;
};

}  // namespace flashstor::cluster
