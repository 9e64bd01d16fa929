#include <algorithm>
#include <bit>

#include "engine/cluster/due.h"
#include "engine/cluster/limits.h"
#include "engine/cluster/outside.h"
#include "engine/cluster/set.h"
#include "engine/cluster/set_rows.h"

// What the leader does beside requests: freeing what is due, and the queue of what it owes its drives.
namespace flashstor::cluster {

void ErasureSet::start_background(MonotonicTime now) {
  if (now >= next_due_ && !freeing_) {
    next_due_ = now + limits::kDuePeriod;
    gate_.spawn(due_round());
  }
  if (now >= next_heal_ && !healing_) {
    next_heal_ = now + limits::kHealPeriod;
    gate_.spawn(heal_round());
  }
  const bool deep = now >= next_deep_scan_;
  if ((deep || now >= next_scan_) && !scanning_) {
    next_scan_ = now + limits::kScanPeriod;
    if (deep) next_deep_scan_ = now + limits::kDeepScanPeriod;
    gate_.spawn(scan_round(deep));
  }
}

// Requests come first: the background works half of the time beside them, and a tenth when they suffer.
Task<void> ErasureSet::rest_after(MonotonicTime begun) {
  const Nanoseconds spent = parts_.home->now() - begun;
  const std::uint64_t requests = requests_.load(std::memory_order_relaxed);
  const bool busy = requests != std::exchange(requests_rested_, requests) || !flights_.empty();
  if (!busy || closing_.load()) co_return;
  const Nanoseconds rest = spent * (requests_suffer() ? limits::kRestWhenSlow : limits::kRestWhenBusy);
  co_await async::sleep_for(*parts_.home,
                            std::clamp<Nanoseconds>(rest, limits::kHealPause, limits::kLongestRest));
}

void ErasureSet::set_full(std::uint32_t slot, bool full) {
  group_.set_full(slot, full);
  room(slot, full);
}

void ErasureSet::room(std::uint32_t slot, bool full) {
  const std::uint32_t bit = std::uint32_t{1} << slot;
  if (full) {
    full_mask_.fetch_or(bit);
  } else if ((full_mask_.fetch_and(~bit) & bit) != 0) {
    try_all_again();
  }
}

Task<void> ErasureSet::due_round() {
  freeing_ = true;
  static_cast<void>(co_await free_due_home(parts_.home->wall_now()));
  drop_old_staged();
  if (parts_.home->now() >= next_sweep_) {
    next_sweep_ = parts_.home->now() + limits::kSweepPeriod;
    for (std::uint32_t slot = 0; slot < drives_.size(); ++slot) {
      named_in_sweep_.emplace();
      co_await sweep_staged(slot);
      named_in_sweep_.reset();
    }
  }
  freeing_ = false;
}

Task<Result<std::size_t>> ErasureSet::free_due(WallTime now) {
  const Outside inside(outside_);
  co_return co_await async::run_on(*parts_.home, free_due_home(now));
}

Task<Result<std::size_t>> ErasureSet::free_due_home(WallTime now) {
  std::size_t freed = 0;
  std::string from;
  while (group_.leader() && !closing_.load()) {
    DueRows rows = co_await or_return(due_rows(from, due_bound(now)));
    if (rows.empty()) break;
    const bool more = rows.size() == limits::kMaxFrees;
    std::string next = rows.back().first;
    next.push_back('\0');
    const auto unused = co_await unused_of(rows);
    if (!unused) break;
    // Nothing may come between a look at the rows and what is made of them: others may have changed
    // meanwhile.
    if (group_.is_spread()) rows = co_await or_return(due_rows(std::move(from), next));
    storage::EntryBody body;
    for (const auto& [key, due] : rows) {
      if (due.kind == DueKind::kFreeData) {
        const bool pinned = pins_.pinned(due.data.id) && !parts_.defects.free_in_use;
        if (pinned || !unused->contains(due.data.id)) continue;
        body.frees.push_back(due.data.id);
      } else {
        body.changes.push_back(
            {.family = Family::kResults, .key = due.request_id.to_bytes(), .value = std::nullopt});
      }
      body.changes.push_back({.family = Family::kDue, .key = key, .value = std::nullopt});
    }
    from = std::move(next);
    const std::size_t count = body.frees.size();
    if (!body.changes.empty()) co_await or_return(commit_frees(std::move(body)));
    freed += count;
    if (!more) break;
  }
  co_return freed;
}

Task<Result<DueRows>> ErasureSet::due_rows(std::string from, std::string to) {
  DueRows rows;
  Result<void> decoded;
  SetRows view(*this);
  co_await or_return(view.scan(
      Family::kDue, std::move(from), std::move(to),
      [&rows, &decoded](std::string_view key, std::string_view value) -> ScanStep {
        auto due = decode_due(value);
        if (!due) {
          decoded = std::unexpected(std::move(due).error());
          return {.kind = ScanStep::Kind::kStop};
        }
        rows.emplace_back(key, *due);
        return {.kind = rows.size() < limits::kMaxFrees ? ScanStep::Kind::kNext : ScanStep::Kind::kStop};
      },
      [&rows] { rows.clear(); }));
  if (!decoded) co_return std::unexpected(std::move(decoded).error());
  co_return rows;
}

// The slices of `rows` that nobody reads, here or elsewhere; nothing while a node may that does not answer.
// Who is asked cannot begin to read one of them any more: no row has named it for kDataGrace.
Task<std::optional<std::set<DataId>>> ErasureSet::unused_of(const DueRows& rows) {
  std::set<DataId> unused;
  for (const auto& [key, due] : rows)
    if (due.kind == DueKind::kFreeData && (!pins_.pinned(due.data.id) || parts_.defects.free_in_use))
      unused.insert(due.data.id);
  if (!group_.is_spread() || unused.empty() || parts_.defects.free_in_use) co_return unused;
  const raft::Term term = group_.leader_term();
  auto answers =
      co_await parts_.place.transport->ask_pinned(parts_.place.set, {unused.begin(), unused.end()});
  const auto pinned = pin_holders_.hear(std::move(answers), term, parts_.home->now());
  if (!pinned) co_return std::nullopt;
  for (const DataId& id : *pinned) unused.erase(id);
  co_return unused;
}

// Healing keeps away from what is about to go: it was not pinned when that was decided.
Task<Result<void>> ErasureSet::commit_frees(storage::EntryBody body) {
  std::vector<DataId> ids = body.frees;
  leaving_.add(ids);
  Flight flight;
  const auto done = co_await fly(std::move(body), flight, {});
  if (flight.index == 0) {
    leaving_.remove(ids);
  } else {
    leaving_.keep(flight.index, flight.term, std::move(ids));
  }
  static_cast<void>(settle_leaving());
  if (!done) co_return std::unexpected(done.error());
  co_return Result<void>();
}

// Data that was staged and whose entry never came.
void ErasureSet::drop_old_staged() {
  const MonotonicTime before = parts_.home->now() - limits::kStagedKeep;
  std::vector<DataId> old;
  {
    const std::lock_guard lock(staged_mutex_);
    for (const auto& [id, staged] : staged_)
      if (staged.slots != 0 && staged.since < before) old.push_back(id);
  }
  for (const DataId& id : old) gate_.spawn(drop_staged(id));
}

// Shards that a stop left behind: no entry names them any more once the drive has caught up, and after its
// refusal none ever will. While healing goes on, a rebuilt shard file is in staging for a moment.
Task<void> ErasureSet::sweep_staged(std::uint32_t slot) {
  if (!group_.leader() || !group_.is_open(slot) || !under_repair_.empty()) co_return;
  auto found = co_await drives_[slot]->staged();
  if (!found || found->empty() || !under_repair_.empty()) co_return;
  std::vector<DataId> suspects;
  {
    const std::lock_guard lock(staged_mutex_);
    for (const DataId& id : *found)
      if (!staged_.contains(id) && !pending_.names(id) && !flights_.carry(id)) suspects.push_back(id);
  }
  if (group_.is_spread()) suspects = long_strange(slot, suspects);
  // What was named before is no longer staged once the drive has applied all that is committed now.
  const raft::Index committed = group_.committed();
  const raft::Term term = group_.leader_term();
  co_await wait_all_applied();
  if (suspects.empty() || !group_.leader() || group_.applied(slot) < committed) co_return;
  found = co_await drives_[slot]->staged();
  if (!found || !group_.leads(term)) co_return;
  storage::AppendBatch batch;
  batch.refusals_term = term;
  {
    const std::lock_guard lock(staged_mutex_);
    for (const DataId& id : suspects)
      if (std::ranges::find(*found, id) != found->end() && !staged_.contains(id) &&
          !under_repair_.contains(id) && !named_in_sweep_->contains(id) && !flights_.carry(id))
        batch.refusals.push_back(id);
  }
  if (!batch.refusals.empty()) static_cast<void>(co_await drives_[slot]->append(std::move(batch)));
}

// Other nodes stage without asking the leader: only what has lain there for long is nobody's.
std::vector<DataId> ErasureSet::long_strange(std::uint32_t slot, const std::vector<DataId>& found) {
  const MonotonicTime now = parts_.home->now();
  std::map<DataId, MonotonicTime> since;
  std::vector<DataId> old;
  const auto& before = strangers_[slot];
  for (const DataId& id : found) {
    const auto known = before.find(id);
    since[id] = known == before.end() ? now : known->second;
    if (now - since[id] >= limits::kStagedKeep) old.push_back(id);
  }
  strangers_[slot] = std::move(since);
  return old;
}

Task<void> ErasureSet::sweep_unseen() {
  for (std::uint32_t slot = 0; slot < drives_.size(); ++slot) {
    if (!group_.is_open(slot)) continue;
    auto found = co_await drives_[slot]->staged();
    if (!found || found->empty()) continue;
    storage::AppendBatch batch;
    batch.refusals = std::move(*found);
    static_cast<void>(co_await drives_[slot]->append(std::move(batch)));
  }
}

Task<void> ErasureSet::drop_staged(DataId id) {
  std::uint32_t slots = 0;
  {
    const std::lock_guard lock(staged_mutex_);
    const auto found = staged_.find(id);
    if (found == staged_.end()) co_return;
    slots = found->second.slots;
    staged_.erase(found);
  }
  for (std::uint32_t slot = 0; slot < drives_.size(); ++slot)
    if ((slots >> slot & 1) != 0) static_cast<void>(co_await drives_[slot]->stage_abort(id));
}

}  // namespace flashstor::cluster
