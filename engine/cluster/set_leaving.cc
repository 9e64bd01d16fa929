#include <algorithm>

#include "engine/cluster/set.h"

// Which slices healing keeps away from, for they are about to go.
namespace flashstor::cluster {

// A drive that hangs is given up, and no longer counts: what it has not applied frees the slice there when it
// is back. Nor does one that must be filled, for it may take hours: a scan finds afterwards what is left
// over. One that is merely behind is so by no more than the log keeps.
raft::Index ErasureSet::settle_leaving() {
  if (!group_.leader()) return 0;
  const raft::Raft& core = *group_.core(*group_.leader());
  const raft::Index applied = group_.applied(*group_.leader());
  raft::Index by_all = applied;
  for (std::uint32_t slot = 0; slot < drives_.size(); ++slot)
    if (group_.is_open(slot) && !core.needs_fill(group_.member(slot).id))
      by_all = std::min(by_all, group_.applied(slot));
  leaving_.settle(group_.leader_term(), applied, by_all);
  return by_all;
}

// What predecessors freed, or this process before it was started, is in the log as long as a drive lags
// behind it; and so it is when one comes back that does. Gives whether all of it is known now.
Task<bool> ErasureSet::read_leaving() {
  const raft::Term term = group_.leader_term();
  while (group_.leads(term) && !closing_.load()) {
    const raft::Index by_all = settle_leaving();
    const raft::Index through = leaving_.unread();
    if (by_all >= through) co_return true;
    // What lags behind the log must be filled.
    raft::Index from = std::max(by_all, group_.core(*group_.leader())->log().base().index) + 1;
    while (from <= through) {
      const std::uint32_t leader = *group_.leader();
      const auto entries = co_await drives_[leader]->read_entries(from, through, flashstor::limits::kMiB);
      if (!entries || entries->empty() || !group_.leads(term) || closing_.load()) co_return false;
      for (const storage::LogEntry& entry : *entries) {
        if (entry.kind != kEntryBody) continue;
        auto body = storage::decode_entry(entry.payload.view());
        if (!body) co_return false;
        if (body->frees.empty()) continue;
        leaving_.add(body->frees);
        leaving_.keep(entry.index, term, std::move(body->frees));
      }
      from = entries->back().index + 1;
    }
    leaving_.read_from(by_all);
  }
  co_return false;
}

}  // namespace flashstor::cluster
