#include <algorithm>
#include <bit>
#include <map>

#include "engine/async/gather.h"
#include "engine/cluster/due.h"
#include "engine/cluster/limits.h"
#include "engine/cluster/outside.h"
#include "engine/cluster/set.h"

// The scanner: compares what the drives of a set hold, slice by slice, and in a deep pass reads and verifies
// it. What lacks a shard goes into the heal queue.
namespace flashstor::cluster {
namespace {

struct Inventory {
  std::uint32_t slot = 0;
  Result<std::vector<DataRef>> held;
};

Task<Inventory> ask(storage::StorageApi* drive, std::uint32_t slot, DataId after) {
  auto held = co_await drive->inventory(after, limits::kScanPage);
  co_return Inventory{.slot = slot, .held = std::move(held)};
}

struct Holding {
  std::uint32_t slot = 0;
  Result<storage::Holdings> holds;
};

Task<Holding> ask_holds(storage::StorageApi* drive, std::uint32_t slot, std::vector<DataId> ids) {
  auto holds = co_await drive->holds(std::move(ids));
  co_return Holding{.slot = slot, .holds = std::move(holds)};
}

}  // namespace

Task<Result<std::string>> ErasureSet::scan_soon(bool deep) {
  const auto on_home = [](ErasureSet* self, bool contents) -> Task<Result<std::string>> {
    if (self->group_.is_spread() && !self->group_.leader()) co_return fail(ErrorCode::kNotLeader);
    self->try_all_again();
    self->want_scan(contents, self->parts_.home->now());
    co_return std::string();
  };
  co_return co_await async::run_on(*parts_.home, on_home(this, deep));
}

void ErasureSet::want_scan(bool deep, MonotonicTime at) {
  (deep ? deep_scan_wanted_ : scan_wanted_) = true;
  MonotonicTime& next = deep ? next_deep_scan_ : next_scan_;
  next = std::min(next, at);
  arm_house();
}

Task<void> ErasureSet::scan_round(bool deep) {
  scanning_ = true;
  scanning_now_ = true;
  scanning_deep_ = deep;
  const bool wanted = std::exchange(deep ? deep_scan_wanted_ : scan_wanted_, false);
  const std::uint32_t owed = std::exchange(scans_owed_, 0);
  scan_fresh_ = owed;
  scan_blocked_ = false;
  scan_from_ = scanned_.load();
  if (owed != 0) {
    begin_healing();
    gate_.spawn(count_slices());
  }
  std::vector<raft::MemberId> members;
  for (std::uint32_t slot = 0; slot < drives_.size(); ++slot) members.push_back(group_.member(slot).id);
  const bool whole = co_await scan_all(deep);
  for (std::uint32_t slot = 0; slot < drives_.size(); ++slot)
    if (group_.member(slot).id != members[slot]) scan_asked_ = 0;  // another drive now
  if (whole) {
    scans_.fetch_add(1);
    if (deep) deep_scans_.fetch_add(1);
  } else if (wanted && !closing_.load()) {
    want_scan(deep, parts_.home->now() + limits::kHealPeriod);  // the leader changed, or a drive failed
  }
  // With fewer asked a slice may have escaped whose holders are all away.
  const bool enough = std::popcount(scan_asked_) > parts_.info.default_parity;
  const std::uint32_t done = whole && enough && !scan_blocked_ ? owed & scan_asked_ : 0;
  const bool noted = done == 0 || co_await scans_done(done);
  if (owed != 0) {
    healers_.fetch_sub(1);
    if (done == owed && noted)
      scan_pause_.reset();
    else
      owed_scan_from_ = parts_.home->now() + scan_pause_.grow();
  }
  scan_total_ = 0;
  scanning_now_ = false;
  scanning_ = false;
  arm_house();
}

// Gives whether it came to its end.
Task<bool> ErasureSet::scan_all(bool deep) {
  const raft::Index committed = group_.committed();
  co_await wait_all_applied();
  scan_asked_ = 0;
  for (std::uint32_t slot = 0; slot < drives_.size(); ++slot)
    if (group_.is_open(slot) && group_.applied(slot) >= committed) scan_asked_ |= std::uint32_t{1} << slot;
  // A damaged index takes its drive out (GuardedStorage), whatever else is read.
  for (std::uint32_t slot = 0; deep && slot < drives_.size() && !closing_.load(); ++slot)
    if (group_.is_open(slot)) static_cast<void>(co_await drives_[slot]->verify_rows());
  DataId after;
  while (group_.leader() && !closing_.load()) {
    const MonotonicTime begun = parts_.home->now();
    const auto more = co_await scan_page(after, deep);
    if (!more) co_return false;
    if (!*more) co_return !closing_.load();
    co_await rest_after(begun);
  }
  co_return false;
}

Task<Result<void>> ErasureSet::owe_scan(std::uint32_t slot) {
  storage::EntryBody body;
  body.changes.push_back(heal_row(owed_scan(slot)));
  count_owed(1, std::uint32_t{1} << slot);
  co_await or_return(commit_own(std::move(body)));
  next_heal_ = parts_.home->now();
  arm_house();
  co_return Result<void>();
}

// About so many slices lie before a scan: as many as a drive has that was not filled anew.
Task<void> ErasureSet::count_slices() {
  const std::uint64_t pass = scan_from_.load();
  std::uint32_t slot = 0;
  while (slot < drives_.size() && (!group_.is_open(slot) || (scan_fresh_ >> slot & 1) != 0)) ++slot;
  std::uint64_t count = 0;
  DataId after;
  while (slot < drives_.size() && !closing_.load()) {
    const auto held = co_await drives_[slot]->inventory(after, limits::kScanPage);
    if (!held) co_return;
    count += held->size();
    if (held->size() < limits::kScanPage) break;
    after = held->back().id;
  }
  if (scanning_ && scan_from_.load() == pass) scan_total_ = count;
}

// What the drives at `slots` lack still, if anything, is in the queue now. Gives whether that is noted.
Task<bool> ErasureSet::scans_done(std::uint32_t slots) {
  storage::EntryBody body;
  for (std::uint32_t slot = 0; slot < drives_.size(); ++slot)
    if ((slots >> slot & 1) != 0)
      body.changes.push_back(
          {.family = Family::kHeal, .key = heal_key(owed_scan(slot)), .value = std::nullopt});
  if (!co_await commit_own(std::move(body))) co_return false;
  next_heal_ = parts_.home->now();
  co_return true;
}

// Looks at the slices after `after` and moves it on; gives whether there are more.
Task<Result<bool>> ErasureSet::scan_page(DataId& after, bool deep) {
  std::vector<Task<Inventory>> asking;
  for (std::uint32_t slot = 0; slot < drives_.size(); ++slot)
    if (group_.is_open(slot)) asking.push_back(ask(drives_[slot], slot, after));
  std::uint32_t asked = 0;
  std::map<DataId, std::pair<DataRef, std::uint32_t>> slices;
  std::optional<DataId> bound;  // up to here every list is whole
  for (const Inventory& one : co_await async::gather(std::move(asking))) {
    if (!one.held) continue;
    asked |= std::uint32_t{1} << one.slot;
    if (one.held->size() >= limits::kScanPage)
      bound = std::min(bound.value_or(one.held->back().id), one.held->back().id);
    for (const DataRef& data : *one.held) {
      auto& [ref, slots] = slices[data.id];
      ref = data;
      slots |= std::uint32_t{1} << one.slot;
    }
  }
  scan_asked_ &= asked;
  // Slices that lack no more than what filled drives brought none of are healed at once (the others hold
  // them, so they were not freed while those were away); in greater danger, in the order of the queue.
  const std::uint32_t fill = (asked & ~scan_fresh_) != 0 ? scan_fresh_ : 0;
  std::vector<HealItem> suspects;
  std::vector<HealItem> found;
  for (const auto& [id, slice] : slices) {
    if (bound && id > *bound) break;
    if (closing_.load()) co_return false;
    scanned_.fetch_add(1);
    if (flights_.carry(id)) continue;  // on its way to the drives
    if (pending_.undecided(id)) {
      scan_asked_ = 0;  // nobody's shards are all known yet
      continue;
    }
    std::uint32_t missing = asked & ~slice.second;
    if (deep) {
      const MonotonicTime begun = parts_.home->now();
      missing |= co_await verify_at(slice.first, slice.second);
      co_await rest_after(begun);
    }
    if (missing != 0)
      ((missing & ~fill) == 0 ? found : suspects).push_back({.data = slice.first, .slots = missing});
  }
  if (bound) after = *bound;
  if (!suspects.empty()) co_await or_return(queue_missing(std::move(suspects)));
  if (!found.empty()) co_await or_return(heal_missing(std::move(found)));
  co_return bound.has_value();
}

// Which of `slots` have a bad shard.
Task<std::uint32_t> ErasureSet::verify_at(DataRef data, std::uint32_t slots) {
  const auto pinned = pin(data);
  std::uint32_t bad = 0;
  for (std::uint32_t slot = 0; slot < drives_.size(); ++slot) {
    if ((slots >> slot & 1) == 0 || !group_.is_open(slot) || closing_.load()) continue;
    const auto sound = co_await drives_[slot]->verify_shard(data);
    if (sound) continue;
    const ErrorCode code = sound.error().code();
    if (code == ErrorCode::kCorrupt || code == ErrorCode::kNotFound || code == ErrorCode::kIo)
      bad |= std::uint32_t{1} << slot;
  }
  co_return bad;
}

// Whether `held`, of all drives, are only such as were filled anew, which keep their shard files: it was
// freed while they were away. What is in use has shards on the others too; so few could not give it anyway.
bool ErasureSet::is_left_over(const DataRef& data, std::uint32_t held) const {
  if (held == 0 || (held & ~scan_fresh_) != 0) return false;
  if (std::popcount(held) >= static_cast<int>(data.geometry.data_shards)) return false;
  return !pending_.names(data.id) && !flights_.carry(data.id);
}

// What could not be healed is owed in the queue, and tried again when that may be of use (postponed_).
Task<Result<void>> ErasureSet::heal_missing(std::vector<HealItem> found) {
  scan_found_.fetch_add(found.size());
  std::erase_if(found, [this](const HealItem& item) { return postponed_.contains(heal_key(item)); });
  storage::EntryBody body;
  for (const HealItem& item : co_await heal_found(std::move(found)))
    body.changes.push_back(owe(item.data, item.slots));
  if (body.changes.empty()) co_return Result<void>();
  auto done = co_await commit_own(std::move(body));
  if (!done) postponed_.forget();  // it names rows that are not there
  co_return done;
}

// What the drives lack once all have applied what is committed now goes into the durable queue; what none has
// any more was freed meanwhile.
Task<Result<void>> ErasureSet::queue_missing(std::vector<HealItem> suspects) {
  bool all = co_await wait_all_applied();
  std::vector<DataId> ids;
  for (const HealItem& item : suspects) ids.push_back(item.data.id);
  std::vector<Task<Holding>> asking;
  for (std::uint32_t slot = 0; slot < drives_.size(); ++slot)
    if (group_.is_open(slot)) asking.push_back(ask_holds(drives_[slot], slot, ids));
  std::vector<std::uint32_t> held(ids.size(), 0);
  for (const Holding& one : co_await async::gather(std::move(asking))) {
    const bool told = one.holds && one.holds->size() == ids.size();
    all = all && told;
    if (!told) continue;
    for (std::size_t i = 0; i < ids.size(); ++i)
      if ((*one.holds)[i]) held[i] |= std::uint32_t{1} << one.slot;
  }
  storage::EntryBody body;
  for (std::size_t i = 0; i < suspects.size(); ++i) {
    const auto& [data, slots] = suspects[i];
    if (is_left_over(data, held[i])) {
      if (all) body.frees.push_back(data.id);
      scan_blocked_ = scan_blocked_ || !all;
    } else if (held[i] != 0 && !postponed_.contains(heal_key(suspects[i]))) {
      body.changes.push_back(owe(data, slots));
    }
  }
  if (body.changes.empty() && body.frees.empty()) co_return Result<void>();
  scan_found_.fetch_add(body.changes.size());
  const bool urgent =
      std::ranges::any_of(body.changes, [this](const RowChange& row) { return is_urgent(row); });
  co_await or_return(commit_frees(std::move(body)));
  heal_urgent_ = heal_urgent_ || urgent;  // a pass that began anew before may have missed it
  next_heal_ = parts_.home->now();
  arm_house();
  co_return Result<void>();
}

}  // namespace flashstor::cluster
