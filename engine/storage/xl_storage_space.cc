#include <algorithm>
#include <set>
#include <utility>

#include "engine/base/log.h"
#include "engine/storage/commit_log/replay.h"
#include "engine/storage/staged_shard.h"
#include "engine/storage/xl_storage.h"

/// Checkpoints, and the log's space.
namespace flashstor::storage {
namespace {
constexpr std::size_t kRelocationGroupBytes = 4 * limits::kMiB;
constexpr std::size_t kRelocationGroupRecords = 256;  // entries wait for the index while their rows are moved
constexpr std::size_t kSegmentsPerPass = 2;           // rewritten after one checkpoint
constexpr std::size_t kRecordOverhead = kRecordHeaderBytes + 72;  // of a data record, about
}  // namespace

bool XlStorage::checkpoint_due() {
  if (flushing_) return false;
  const std::uint64_t applied = applier_->applied().index;
  // What the start replayed counts once it is applied again: a checkpoint before that would cover little.
  const std::uint64_t replayed = applied >= replayed_last_ ? replayed_bytes_ : 0;
  return replayed + log_.appended_bytes() - checkpoint_bytes_ >= options_.checkpoint_bytes ||
         applied - checkpoint_index_ >= options_.checkpoint_entries;
}

CheckpointState XlStorage::capture_checkpoint(const AppliedState& after) {
  flushing_ = true;
  checkpoint_bytes_ = log_.appended_bytes();
  replayed_bytes_ = 0;
  checkpoint_index_ = after.index;
  CheckpointState state;
  // The end first: whatever it covers, the index has heard of.
  const BatchPosition end = log_.published_end();
  std::uint64_t needed = after.index + 1;
  if (after.oldest_undecided != 0) needed = std::min(needed, after.oldest_undecided);
  const LogIndex::ReplayStart start = index_.replay_start(needed);
  state.first_index = start.first_index;
  state.previous_term = start.previous_term;
  if (end.segment != 0) state.replay_from = start.at && *start.at < end ? *start.at : end;
  state.hard_state = index_.hard_state();
  state.configuration = index_.configuration();
  state.refusals = index_.refusals();
  if (end.segment != 0) state.placed_through = end;
  for (DataPosition& data : index_.all_unsettled()) {
    const bool not_replayed = state.replay_from && lies_before(data.at, *state.replay_from);
    const bool not_placed = data.rebuilt && state.placed_through && lies_before(data.at, end);
    if (not_replayed || not_placed) state.unsettled.push_back(std::move(data));
  }
  state.next_segment = state.replay_from ? state.replay_from->segment : 1;

  // What is live last: a shard that is settled after the first look is live before.
  std::set<std::uint32_t> unsettled;
  for (const std::uint32_t number : segments_.numbers())
    if (index_.has_unsettled_in(number)) unsettled.insert(number);
  const auto live = applier_->live();
  const std::lock_guard lock(condemned_mutex_);
  condemned_.clear();
  for (const std::uint32_t number : segments_.numbers()) {
    if (number >= state.next_segment) continue;
    if (live.contains(number) || unsettled.contains(number)) {
      state.segments.push_back(number);
    } else {
      condemned_.push_back(number);
    }
  }
  return state;
}

void XlStorage::start_flush() {
  flush_work_.storage = this;
  flush_work_.run = [](async::Work* work) { static_cast<FlushWork*>(work)->storage->flush_in_background(); };
  io_pool().submit(flush_work_);
}

void XlStorage::flush_in_background() {
  const std::lock_guard lock(flush_mutex_);
  (void)drive_failed(flush_locked());
  flushing_ = false;
}

void XlStorage::start_refill() {
  refill_work_.storage = this;
  refill_work_.run = [](async::Work* work) {
    // Without room there are no spares; the drive says that it is full.
    (void)static_cast<FlushWork*>(work)->storage->segments_.refill(limits::kReservedSegments);
  };
  io_pool().submit(refill_work_);
}

Result<void> XlStorage::flush_locked() {
  base::log_debug("drive {}: checkpoint begins", options_.path);
  if (auto synced = shards_.sync_published(); !synced) return synced;
  base::log_debug("drive {}: index flush begins", options_.path);
  if (auto flushed = rows_->flush(); !flushed) return flushed;
  base::log_debug("drive {}: index flush ends", options_.path);
  std::vector<std::uint32_t> condemned;
  {
    const std::lock_guard condemned_lock(condemned_mutex_);
    condemned.swap(condemned_);
  }
  for (const std::uint32_t number : condemned) {
    index_.drop_before(index_.first_index_from(number + 1));
    auto released = segments_.release(number);
    if (!released) return std::unexpected(released.error());
  }
  if (auto relocated = relocate_segments(); !relocated) return relocated;
  if (auto refilled = segments_.refill(limits::kReservedSegments);
      !refilled && refilled.error().code() != ErrorCode::kNoSpace)
    return refilled;
  base::log_debug("drive {}: checkpoint ends", options_.path);
  return {};
}

Result<void> XlStorage::relocate_segments() {
  const std::uint32_t active = log_.published_end().segment;
  std::vector<std::pair<std::int64_t, std::uint32_t>> sparse;
  const auto live = applier_->live();
  std::erase_if(dense_, [&live](const auto& known) { return !live.contains(known.first); });
  for (const auto& [number, bytes] : live) {
    const auto known = dense_.find(number);
    if (known != dense_.end() && bytes * 4 > known->second * 3) continue;
    if (number < active && bytes * 2 < static_cast<std::int64_t>(options_.segment_bytes) &&
        !index_.has_unsettled_in(number))
      sparse.emplace_back(bytes, number);
  }
  std::ranges::sort(sparse);
  if (sparse.size() > kSegmentsPerPass) sparse.resize(kSegmentsPerPass);
  for (const auto& [bytes, number] : sparse) {
    const auto segment = segments_.find(number);
    if (!segment && segment.error().code() == ErrorCode::kCorrupt) {
      // Its header rotted. What it holds is healed, which leaves nothing in it: no reason to lose the drive.
      dense_[number] = bytes;
      continue;
    }
    auto worth = worth_relocating(number);
    if (!worth) return std::unexpected(worth.error());
    if (closing_) return {};
    if (!*worth) {
      dense_[number] = bytes;
      continue;
    }
    if (auto done = relocate_segment(number); !done) return done;
  }
  return {};
}

// The data record that lies at `offset` of segment `number`, if the index still names it there.
Result<std::optional<DataPosition>> XlStorage::live_record(std::uint32_t number, std::uint64_t offset,
                                                           const RecordView& record) {
  if (record.kind != RecordKind::kData && record.kind != RecordKind::kRelocation) return std::nullopt;
  auto now = find_inline(record.id, ReadTier::kAny);
  if (!now) return std::unexpected(now.error());
  if (!*now || (*now)->at.segment != number || (*now)->at.offset != offset) return std::nullopt;
  return now;
}

// Small records are mostly frame: a segment full of them has few live payload bytes, and had it been written
// anew because of that it would look just the same, and be written anew for ever.
Result<bool> XlStorage::worth_relocating(std::uint32_t number) {
  auto segment = segments_.find(number);
  if (!segment) return std::unexpected(segment.error());
  std::size_t live = 0;
  const auto visit = [&](const BatchPosition& at, std::string_view body) -> Result<void> {
    if (live * 2 >= options_.segment_bytes || closing_) return {};
    RecordReader reader(body);
    while (!reader.at_end()) {
      auto record = reader.next();
      if (!record) return std::unexpected(record.error());
      auto found = live_record(number, at.offset + kBatchHeaderBytes + record->payload_offset, *record);
      if (!found) return std::unexpected(found.error());
      if (*found) live += record->payload.size() + kRecordOverhead;
    }
    return {};
  };
  if (auto scanned = scan_segment(**segment, visit); !scanned) return std::unexpected(scanned.error());
  return live * 2 < options_.segment_bytes;
}

Result<void> XlStorage::relocate_segment(std::uint32_t number) {
  auto segment = segments_.find(number);
  if (!segment) return std::unexpected(segment.error());
  LogRequest request;
  std::vector<DataPosition> from;
  std::size_t bytes = 0;
  const auto move_group = [&]() -> Result<void> {
    if (from.empty()) return {};
    if (auto written = log_.append_now(request); !written) return written;
    std::vector<std::pair<DataPosition, DataPosition>> moves;
    for (std::size_t i = 0; i < from.size(); ++i)
      moves.emplace_back(std::move(from[i]), std::move(request.relocated[i]));
    from.clear();
    bytes = 0;
    request = {};
    return applier_->relocate(moves);
  };
  const auto visit = [&](const BatchPosition& at, std::string_view body) -> Result<void> {
    if (closing_) return {};  // what is left stays where it is
    RecordReader reader(body);
    while (!reader.at_end()) {
      auto record = reader.next();
      if (!record) return std::unexpected(record.error());
      auto now = live_record(number, at.offset + kBatchHeaderBytes + record->payload_offset, *record);
      if (!now) return std::unexpected(now.error());
      if (!*now) continue;
      request.relocations.push_back(
          {record->id, record->data.ref, record->data.shard, Buffer::copy_of(record->payload)});
      from.push_back(std::move(**now));
      bytes += record->payload.size();
      if (bytes >= kRelocationGroupBytes || from.size() >= kRelocationGroupRecords)
        if (auto moved = move_group(); !moved) return moved;
    }
    return {};
  };
  if (auto scanned = scan_segment(**segment, visit); !scanned) return scanned;
  return move_group();
}

Task<Result<void>> XlStorage::checkpoint() {
  FLASHSTOR_CHECK(!applying_.exchange(true));
  auto result = co_await async::offload(io_pool(), [this] { return checkpoint_now(); });
  applying_ = false;
  co_return result;
}

Result<void> XlStorage::checkpoint_now() {
  // Held from the capture on: a flush in between would free what only this checkpoint does without.
  const std::lock_guard lock(flush_mutex_);
  auto step = applier_->plan({});
  if (!step) return std::unexpected(step.error());
  const CheckpointState state = capture_checkpoint(step->after);
  if (auto written = applier_->write(*step, true, state); !written) return drive_failed(written);
  auto flushed = drive_failed(flush_locked());
  flushing_ = false;
  return flushed;
}

Result<void> XlStorage::close_now() {
  if (!recovered_) return {};
  if (log_.failed()) return fail(ErrorCode::kDriveFailed, log_.failure());
  if (auto done = checkpoint_now(); !done) return done;
  LogRequest request;
  request.clean_close = true;
  return log_.append_now(request);
}

}  // namespace flashstor::storage
