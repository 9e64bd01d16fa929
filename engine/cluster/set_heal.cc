#include <algorithm>
#include <array>
#include <bit>
#include <memory>
#include <span>

#include "engine/async/gather.h"
#include "engine/cluster/due.h"
#include "engine/cluster/limits.h"
#include "engine/cluster/outside.h"
#include "engine/cluster/placement.h"
#include "engine/cluster/set.h"
#include "engine/cluster/set_rows.h"
#include "engine/cluster/shard_reader.h"

// Gives drives the shards that they lack, the most endangered slices first.
namespace flashstor::cluster {
namespace {

constexpr std::uint32_t kStripesAtOnce = 4;

// Block `at` (of `bytes`) of shard `wanted` of one stripe, from the data shards of `reader`.
Buffer rebuild_block(const ShardReader& reader, const Geometry& geometry, std::uint32_t wanted,
                     std::size_t at, std::size_t bytes) {
  const std::uint32_t k = geometry.data_shards;
  if (wanted < k) return reader.blocks(wanted).slice(at, bytes);
  std::array<Buffer, flashstor::limits::kMaxDrivesPerSet> blocks;
  std::array<std::byte*, flashstor::limits::kMaxDrivesPerSet> pointers{};
  for (std::uint32_t shard = 0; shard < k; ++shard) {
    blocks[shard] = reader.blocks(shard).slice(at, bytes);
    pointers[shard] = blocks[shard].writable();
  }
  Buffer out = Buffer::allocate(bytes);
  pointers[wanted] = out.writable();
  const auto done = codec::erasure_coder(geometry).rebuild({pointers.data(), geometry.shards()}, bytes,
                                                           (codec::PresenceMask{1} << k) - 1,
                                                           codec::PresenceMask{1} << wanted);
  FLASHSTOR_CHECK(done.has_value());
  return out;
}

std::uint64_t length_of(const HealItem& item) { return item.data.length; }
std::uint64_t length_of(const std::pair<std::string, HealItem>& row) { return row.second.data.length; }

// How many of `items` are healed beside each other.
template <class Item>
std::size_t group_size(std::span<const Item> items) {
  constexpr std::uint64_t kMost = kStripesAtOnce * flashstor::limits::kStripeBytes;
  std::uint64_t bytes = 0;
  std::size_t count = 0;
  for (; count < std::min(items.size(), limits::kHealAtOnce); ++count) {
    bytes += std::min(length_of(items[count]), kMost);
    if (count > 0 && bytes > limits::kHealBytesAtOnce) break;
  }
  return count;
}

}  // namespace

Task<Result<void>> ErasureSet::heal_now() {
  const Outside inside(outside_);
  const auto on_home = [](ErasureSet* self) -> Task<Result<void>> {
    while (self->healing_ && !self->closing_.load())
      co_await async::sleep_for(*self->parts_.home, Milliseconds(1));
    self->try_all_again();
    co_return co_await self->heal_queue();
  };
  co_return co_await async::run_on(*parts_.home, on_home(this));
}

// What was given up for now may be possible again.
void ErasureSet::try_all_again() {
  postponed_.forget();
  scan_pause_.reset();
  owed_scan_from_ = {};
  next_heal_ = std::min(next_heal_, parts_.home->now() + limits::kHealSoon);
}

Task<void> ErasureSet::heal_round() {
  static_cast<void>(co_await heal_queue());
  arm_house();
}

Task<Result<void>> ErasureSet::heal_queue() {
  healing_ = true;
  begin_healing();
  auto result = co_await heal_queue_held();
  healers_.fetch_sub(1);
  healing_ = false;
  co_return result;
}

// What reads found bad goes into the durable queue.
Task<Result<void>> ErasureSet::queue_reports() {
  if (bad_.empty()) co_return Result<void>();
  const auto reports = std::exchange(bad_, {});
  storage::EntryBody body;
  for (const auto& [id, report] : reports)
    if (!postponed_.contains(heal_key({.data = report.first, .slots = report.second})))  // it is there
      body.changes.push_back(owe(report.first, report.second));
  if (body.changes.empty()) co_return Result<void>();
  auto done = co_await commit_own(std::move(body));
  if (done) co_return done;
  for (const auto& [id, report] : reports) {
    auto& [ref, slots] = bad_[id];
    ref = report.first;
    slots |= report.second;
  }
  co_return done;
}

Task<Result<void>> ErasureSet::heal_queue_held() {
  const raft::Term term = settled_term_;
  renewed_.clear();
  heal_at_.clear();
  heal_urgent_ = false;
  postponed_.begin_pass(parts_.home->now());
  co_await or_return(queue_reports());
  // What is owed so far is in the rows once an entry that comes after it is applied.
  heal_added_.store(0);
  pass_lacking_ = 0;
  if (group_.leader() && (pending_.anything_waits() || pending_.rows_under_way()))
    for (std::size_t rounds = pending_.rows_waiting() / limits::kMaxRiders + 1; rounds > 0; --rounds)
      co_await or_return(commit_own({}));
  co_await wait_all_applied();  // a drive that is about to apply an entry does not know yet what it holds
  std::string from;
  std::uint64_t left = 0;
  while (group_.leader() && !closing_.load()) {
    auto items = co_await or_return(heal_batch(from));
    if (items.empty()) break;
    from = items.back().first;
    from.push_back('\0');
    left += take_owed_scans(items);
    left += take_postponed(items);
    for (std::span<const std::pair<std::string, HealItem>> rest(items); !rest.empty() && !closing_.load();) {
      const MonotonicTime begun = parts_.home->now();
      const auto group = rest.first(group_size(rest));
      rest = rest.subspan(group.size());
      heal_at_ = group.front().first;
      left += co_await or_return(heal_group({group.begin(), group.end()}));
      co_await or_return(queue_reports());
      if (std::exchange(heal_urgent_,
                        false)) {  // before the rest of this pass comes what is in greater danger
        next_heal_ = parts_.home->now();
        co_return Result<void>();
      }
      co_await rest_after(begun);
    }
  }
  heal_at_.clear();
  if (!group_.leads(term) || closing_.load()) co_return Result<void>();
  // What came meanwhile is counted, perhaps twice, until the next pass.
  const std::uint64_t added = heal_added_.load();
  heal_queued_.store(left + added);
  lacking_ = pass_lacking_;
  owed_known_.store(true);
  postponed_.end_pass();
  if (added != 0) next_heal_ = std::min(next_heal_, parts_.home->now() + limits::kHealSoon);
  co_return Result<void>();
}

// Of the queue from `from` on.
Task<Result<std::vector<std::pair<std::string, HealItem>>>> ErasureSet::heal_batch(std::string from) {
  std::vector<std::pair<std::string, HealItem>> items;
  SetRows view(*this);
  co_await or_return(view.scan(
      Family::kHeal, from, {},
      [&items](std::string_view key, std::string_view value) -> ScanStep {
        if (auto item = decode_heal(value)) items.emplace_back(key, *item);
        return {.kind = items.size() < limits::kMaxHealBatch ? ScanStep::Kind::kNext : ScanStep::Kind::kStop};
      },
      [&items] { items.clear(); }));
  co_return items;
}

// Takes the scans that are owed out of `items`, and has one begin for those drives that stand; gives how many
// are owed.
std::size_t ErasureSet::take_owed_scans(std::vector<std::pair<std::string, HealItem>>& items) {
  const std::uint32_t open = open_slots();
  const std::size_t owed = std::erase_if(items, [&](const auto& item) {
    if (!is_owed_scan(item.second)) return false;
    scans_owed_ |= item.second.slots & open;
    pass_lacking_ |= item.second.slots;
    return true;
  });
  const bool tells = !scan_blocked_ || group_.open_members() == drives_.size();
  if (owed != 0 && scans_owed_ != 0 && !scanning_ && tells)
    next_scan_ = std::min(next_scan_, std::max(parts_.home->now(), owed_scan_from_));
  return owed;
}

// Takes out of `items` what was tried in vain a short while ago; gives how many.
std::size_t ErasureSet::take_postponed(std::vector<std::pair<std::string, HealItem>>& items) {
  return std::erase_if(items, [&](const auto& item) {
    if (!postponed_.contains(item.first)) return false;
    pass_lacking_ |= item.second.slots;
    return true;
  });
}

// Not known as long as it is open what became of a predecessor's versions.
std::optional<std::uint64_t> ErasureSet::owed() const {
  return owed_known_.load() && settling_term_.load() == 0 ? std::optional(heal_queued_.load()) : std::nullopt;
}

void ErasureSet::told_owed(std::optional<std::uint64_t> slices) {
  owed_known_.store(slices.has_value());
  if (slices) heal_queued_.store(*slices);
}

// Heals slices beside each other and notes in one entry what came of it; gives how many lack a shard still.
Task<Result<std::size_t>> ErasureSet::heal_group(std::vector<std::pair<std::string, HealItem>> group) {
  std::vector<HealItem> items;
  for (const auto& [key, item] : group) items.push_back(item);
  const auto rests = co_await heal_slices(std::move(items));
  storage::EntryBody body;
  std::size_t left = 0;
  for (std::size_t i = 0; i < group.size(); ++i) {
    const auto& [key, item] = group[i];
    pass_lacking_ |= rests[i];
    if (rests[i] != 0) ++left;
    if (rests[i] == item.slots || renewed_.contains(key)) continue;  // one that is owed anew stays
    body.changes.push_back({.family = Family::kHeal, .key = key, .value = std::nullopt});
    if (rests[i] != 0) body.changes.push_back(heal_row({.data = item.data, .slots = rests[i]}));
  }
  heal_queued_.store(heal_queued_.load() - std::min<std::uint64_t>(heal_queued_.load(), group.size() - left));
  measure_healing();
  if (body.changes.empty()) co_return left;
  if (auto done = co_await commit_own(std::move(body)); !done) {
    postponed_.forget();  // it names rows that are not there
    co_return std::unexpected(std::move(done).error());
  }
  co_return left;
}

// Gives by item the slots that lack their shard still. What was freed before it was pinned has left every
// drive when it is read: a shard rebuilt of it would never go. Pins keep nobody but this leader from freeing:
// once another one led meanwhile, nothing is restored.
Task<std::vector<std::uint32_t>> ErasureSet::heal_slices(std::vector<HealItem> items) {
  const raft::Term term = group_.leader_term();
  std::vector<std::unique_ptr<DataPin>> pins;
  std::vector<std::uint32_t> rests;
  for (const HealItem& item : items) rests.push_back(item.slots);
  if (!co_await read_leaving()) co_return rests;
  for (HealItem& item : items) {
    pins.push_back(pin(item.data));
    if (leaving_.contains(item.data.id)) item.slots = 0;
  }
  // A drive that stays behind does not hold up the healing that it may wait for itself.
  const MonotonicTime begun = parts_.home->now();
  if (begun >= heal_waits_from_) {
    co_await wait_all_applied();
    if (const MonotonicTime now = parts_.home->now(); now - begun >= limits::kCommitDeadline)
      heal_waits_from_ = now + limits::kHealPeriod;
  }
  if (!group_.leads(term)) co_return rests;
  const std::vector<std::uint32_t> held = co_await held_of(items);
  std::vector<Task<std::uint32_t>> healing;
  for (std::size_t i = 0; i < items.size(); ++i) healing.push_back(heal_item(items[i], held[i], term));
  const auto healed = co_await async::gather(std::move(healing));
  for (std::size_t i = 0; i < items.size(); ++i)
    if (items[i].slots != 0) rests[i] = healed[i];
  co_return rests;
}

// What a scan found that filled drives lack is healed as it goes, past the queue: that the scan is owed
// stands there until its end. Gives what they lack still. A group's shards are read while another's are
// written.
Task<std::vector<HealItem>> ErasureSet::heal_found(std::vector<HealItem> items) {
  std::vector<HealItem> rest;
  std::span<const HealItem> left(items);
  std::vector<Task<bool>> lanes;
  for (std::size_t i = 0; i < limits::kHealLanes; ++i) lanes.push_back(heal_lane(left, rest));
  static_cast<void>(co_await async::gather(std::move(lanes)));
  rest.insert(rest.end(), left.begin(), left.end());
  co_return rest;
}

// Takes from `left` group by group and adds to `rest` what could not be healed.
Task<bool> ErasureSet::heal_lane(std::span<const HealItem>& left, std::vector<HealItem>& rest) {
  const raft::Term term = group_.leader_term();
  while (!left.empty() && !closing_.load() && group_.leads(term)) {
    const MonotonicTime begun = parts_.home->now();
    const auto group = left.first(group_size(left));
    left = left.subspan(group.size());
    const auto rests = co_await heal_slices({group.begin(), group.end()});
    for (std::size_t i = 0; i < group.size(); ++i)
      if (rests[i] != 0) rest.push_back({.data = group[i].data, .slots = rests[i]});
    measure_healing();
    co_await rest_after(begun);
  }
  co_return true;
}

// By item, the slots that have a shard, sound or not, where one is said to be lacking: most have none, and
// one call says so for all.
Task<std::vector<std::uint32_t>> ErasureSet::held_of(const std::vector<HealItem>& items) {
  std::vector<std::uint32_t> held(items.size(), 0);
  for (std::uint32_t slot = 0; slot < drives_.size(); ++slot) {
    const std::uint32_t bit = std::uint32_t{1} << slot;
    std::vector<std::size_t> asked;
    std::vector<DataId> ids;
    for (std::size_t i = 0; i < items.size(); ++i) {
      if ((items[i].slots & bit) == 0) continue;
      asked.push_back(i);
      ids.push_back(items[i].data.id);
    }
    if (ids.empty() || !group_.is_open(slot)) continue;
    const auto holds = co_await drives_[slot]->holds(std::move(ids));
    const bool told = holds && holds->size() == asked.size();
    for (std::size_t i = 0; i < asked.size(); ++i)
      if (!told || (*holds)[i]) held[asked[i]] |= bit;
  }
  co_return held;
}

// Gives the slots that still lack their shard afterwards; one of `held` may turn out to be sound.
Task<std::uint32_t> ErasureSet::heal_item(HealItem item, std::uint32_t held, raft::Term term) {
  // Two rows of one slice may name the same drive, and a scan find it too: not at the same time.
  if (!under_repair_.insert(item.data.id).second) {
    next_heal_ = std::min(next_heal_, parts_.home->now() + limits::kHealSoon);
    co_return item.slots;
  }
  const std::uint32_t rest = co_await repair(item, held, term);
  under_repair_.erase(item.data.id);
  co_return rest;
}

// The slice is not freed meanwhile.
Task<std::uint32_t> ErasureSet::repair(HealItem item, std::uint32_t held, raft::Term term) {
  const auto pinned = pin(item.data);
  std::uint32_t rest = item.slots;
  for (std::uint32_t slot = 0; slot < drives_.size(); ++slot) {
    const std::uint32_t bit = std::uint32_t{1} << slot;
    if ((item.slots & bit) == 0 || !group_.is_open(slot) || !group_.leads(term)) continue;
    if ((full_mask_.load() & bit) != 0) continue;
    if ((held & bit) != 0 && co_await drives_[slot]->verify_shard(item.data)) {
      rest &= ~bit;
      continue;
    }
    const auto healed = co_await heal_shard(item.data, slot, term);
    if (healed) {
      rest &= ~bit;
      healed_.fetch_add(1);
    } else if (healed.error().code() == ErrorCode::kNotFound && co_await is_freed(item.data.id)) {
      co_return 0;
    } else {
      heal_failed_.fetch_add(1);
    }
  }
  if (rest != 0 && group_.leads(term))
    postponed_.add(heal_key({.data = item.data, .slots = rest}), parts_.home->now());
  co_return rest;
}

// Whether no drive has any shard of it, and none is behind. With some, but too few, it is not forgotten.
Task<bool> ErasureSet::is_freed(DataId id) {
  if (!co_await wait_all_applied()) co_return false;
  for (storage::StorageApi* drive : drives_) {
    const auto holds = co_await drive->holds({id});
    if (!holds || holds->size() != 1 || (*holds)[0]) co_return false;
  }
  co_return true;
}

Task<Result<void>> ErasureSet::heal_shard(DataRef data, std::uint32_t slot, raft::Term term) {
  auto done = co_await rebuild_shard(data, slot, term);
  // What its successor heals is staged under the same name: the sweep takes what a deposed one left, which it
  // may learn from the drive.
  const bool ours =
      done || (done.error().code() != ErrorCode::kNotLeader && done.error().code() != ErrorCode::kStale);
  if (!done && ours && data.place == DataPlace::kFile)
    static_cast<void>(co_await drives_[slot]->stage_abort(data.id));
  co_return done;
}

// Some stripes at a time: a shard may be larger than memory. Another leader may have the slice freed
// meanwhile.
Task<Result<void>> ErasureSet::rebuild_shard(DataRef data, std::uint32_t slot, raft::Term term) {
  const std::uint64_t stripes =
      (data.length + flashstor::limits::kStripeBytes - 1) / flashstor::limits::kStripeBytes;
  const std::size_t alignment =
      data.place == DataPlace::kLog ? codec::kInlineBlockAlignment : codec::kFileBlockAlignment;
  const std::uint32_t shard = shard_of_slot(data.id, slot, parts_.info.drives);
  const codec::PresenceMask all = (codec::PresenceMask{1} << data.geometry.data_shards) - 1;
  std::uint64_t restored = 0;
  for (std::uint64_t first = 0; first < stripes; first += kStripesAtOnce) {
    if (!group_.leads(term)) co_return fail(ErrorCode::kNotLeader);
    const auto count = static_cast<std::uint32_t>(std::min<std::uint64_t>(kStripesAtOnce, stripes - first));
    ShardReader reader(*this, data, static_cast<std::uint32_t>(first), count);
    co_await or_return(reader.fetch(all));
    BufferChain blocks;
    std::size_t at = 0;
    for (std::uint64_t stripe = first; stripe < first + count; ++stripe) {
      const std::uint64_t bytes = std::min<std::uint64_t>(
          flashstor::limits::kStripeBytes, data.length - stripe * flashstor::limits::kStripeBytes);
      const std::size_t block = codec::shard_block_bytes(data.geometry, bytes, alignment);
      blocks.append(rebuild_block(reader, data.geometry, shard, at, block));
      at += block;
    }
    const std::size_t bytes = blocks.size();
    if (!group_.leads(term)) co_return fail(ErrorCode::kNotLeader);  // reading took its time
    co_await or_return(drives_[slot]->restore_shard(data, static_cast<std::uint8_t>(shard), term, restored,
                                                    std::move(blocks)));
    restored += bytes;
    healed_bytes_.fetch_add(bytes);
  }
  if (!group_.leads(term)) co_return fail(ErrorCode::kNotLeader);
  co_return Result<void>();
}

}  // namespace flashstor::cluster
