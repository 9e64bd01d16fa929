#include "engine/storage/applier.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace flashstor::storage {

Result<LocalState> Applier::load() {
  auto state = load_local_state(rows_);
  if (!state) return state;
  const std::lock_guard lock(mutex_);
  applied_ = state->applied;
  live_ = state->live;
  return state;
}

AppliedState Applier::applied() const {
  const std::lock_guard lock(mutex_);
  return applied_;
}

std::map<std::uint32_t, std::int64_t> Applier::live() const {
  const std::lock_guard lock(mutex_);
  return live_;
}

void Applier::decide(Step* step, const EntryView& body) {
  const auto take = [&](std::uint64_t index) -> std::optional<Pending> {
    const auto found = pending_.find(index);
    if (found == pending_.end()) return std::nullopt;
    Pending pending = std::move(found->second);
    pending_.erase(found);
    return pending;
  };
  const auto add = [&](Pending& pending, const std::vector<RowChangeView>& changes) {
    if (step == nullptr || changes.empty()) return;
    std::ranges::copy(changes, std::back_inserter(step->changes));
    step->payloads.push_back(std::move(pending.payload));
  };
  for (const std::uint64_t index : body.confirms)
    if (auto pending = take(index)) add(*pending, pending->on_confirm);
  for (const std::uint64_t index : body.voids)
    if (auto pending = take(index)) {
      add(*pending, pending->on_void);
      if (step != nullptr) step->drops.push_back(pending->data.id);
      if (step == nullptr) index_.settle(pending->data.id);
    }
}

void Applier::plan_entry(Step& step, const LogEntry& entry, EntryView body) {
  decide(&step, body);
  std::ranges::copy(body.changes, std::back_inserter(step.changes));
  if (body.data.place == DataPlace::kNone) {
    // Nothing to wait for: what the entry replaces goes with it.
    std::ranges::copy(body.on_confirm, std::back_inserter(step.changes));
  } else {
    pending_[entry.index] = {entry.payload, std::move(body.on_confirm), std::move(body.on_void), body.data};
  }
  if (body.data.place == DataPlace::kFile) step.renames.push_back(body.data);
  if (body.data.place == DataPlace::kLog) {
    if (auto data = index_.unsettled(body.data.id)) {
      step.add(inline_row(*data));
      step.growth[data->at.segment] += data->at.length;
      step.settled.push_back(body.data.id);
      step.placed.insert_or_assign(body.data.id, std::move(*data));
    }
  }
  std::ranges::copy(body.frees, std::back_inserter(step.drops));
}

Result<Applier::Step> Applier::plan(const std::vector<LogEntry>& entries) {
  Step step;
  step.after = applied();
  // Everything is decoded before anything is remembered, so that a bad entry changes nothing.
  std::vector<std::pair<const LogEntry*, EntryView>> bodies;
  bodies.reserve(entries.size());
  for (const LogEntry& entry : entries) {
    if (entry.index <= step.after.index) continue;
    if (entry.index != step.after.index + 1)
      return fail(ErrorCode::kInternal,
                  fmt::format("entry {} cannot be applied after entry {}", entry.index, step.after.index));
    step.after.index = entry.index;
    step.after.term = entry.term;
    if (entry.kind != 0) continue;
    auto body = view_entry(entry.payload.view());
    if (!body) return std::unexpected(body.error());
    bodies.emplace_back(&entry, std::move(*body));
  }
  for (auto& [entry, body] : bodies) plan_entry(step, *entry, std::move(body));
  step.after.oldest_undecided = pending_.empty() ? 0 : pending_.begin()->first;
  return step;
}

Result<void> Applier::remember(std::uint64_t index, std::string_view payload, bool redo_files) {
  Buffer kept = Buffer::copy_of(payload);
  auto body = view_entry(kept.view());
  if (!body) return std::unexpected(body.error());
  decide(nullptr, *body);
  // A later entry of these took care of it, unless it is undecided still.
  if (body->data.place != DataPlace::kNone)
    pending_[index] = {std::move(kept), std::move(body->on_confirm), std::move(body->on_void), body->data};
  // A rebuilt shard came after the entry that names it: whether its row is safe is looked at on its own.
  if (body->data.place == DataPlace::kLog) index_.settle_unless_rebuilt(body->data.id);
  if (redo_files && body->data.place == DataPlace::kFile)
    if (auto renamed = shards_.publish(body->data.id); !renamed) return renamed;
  for (const DataId& id : body->frees) {
    index_.settle(id);
    if (!redo_files) continue;
    if (auto dropped = shards_.drop(id); !dropped) return dropped;
  }
  return {};
}

Result<void> Applier::run_files(Step& step) {
  for (const DataRef& data : step.renames)
    if (auto renamed = shards_.publish(data.id); !renamed) return renamed;
  step.renames.clear();
  for (const DataId& id : step.drops) {
    step.add(inline_row_gone(id));
    if (const auto placed = step.placed.find(id); placed != step.placed.end()) {
      step.growth[placed->second.at.segment] -= placed->second.at.length;
      step.placed.erase(placed);
      continue;
    }
    step.settled.push_back(id);
    if (auto dropped = shards_.drop(id); !dropped) return dropped;
  }
  return {};
}

std::vector<RowChange> Applier::live_rows(const std::map<std::uint32_t, std::int64_t>& growth) const {
  std::vector<RowChange> rows;
  for (const auto& [segment, bytes] : growth) {
    const auto found = live_.find(segment);
    rows.push_back(live_row(segment, (found == live_.end() ? 0 : found->second) + bytes));
  }
  return rows;
}

void Applier::grow_live(const std::map<std::uint32_t, std::int64_t>& growth) {
  for (const auto& [segment, bytes] : growth) {
    std::int64_t& live = live_[segment];
    live += bytes;
    if (live == 0) live_.erase(segment);
  }
}

Result<void> Applier::write(Step& step, bool may_wait, const std::optional<CheckpointState>& checkpoint) {
  const std::lock_guard lock(mutex_);
  std::map<std::uint32_t, std::int64_t> growth = step.growth;
  // Rows of dropped shards are read here, under the lock, so that a relocation cannot move them in between.
  for (const DataId& id : step.drops) {
    auto row = rows_.get(Family::kInline, id.to_bytes(), ReadTier::kAny);
    if (!row) return std::unexpected(row.error());
    if (!*row) continue;
    auto data = decode_data_position(**row, id);
    if (!data) return std::unexpected(data.error());
    growth[data->at.segment] -= data->at.length;
  }
  const auto planned = static_cast<std::ptrdiff_t>(step.changes.size());
  for (RowChange& row : live_rows(growth)) step.add(std::move(row));
  step.add(applied_row(step.after));
  if (checkpoint) step.add(checkpoint_row(*checkpoint));
  if (auto written = rows_.write(std::span<const RowChangeView>(step.changes), may_wait); !written) {
    step.changes.erase(step.changes.begin() + planned, step.changes.end());
    return written;
  }
  grow_live(growth);
  applied_ = step.after;
  for (const DataId& id : step.settled) index_.settle(id);
  return {};
}

Result<void> Applier::relocate(const std::vector<std::pair<DataPosition, DataPosition>>& moves) {
  const std::lock_guard lock(mutex_);
  std::vector<RowChange> changes;
  std::map<std::uint32_t, std::int64_t> growth;
  for (const auto& [from, to] : moves) {
    auto row = rows_.get(Family::kInline, from.ref.id.to_bytes(), ReadTier::kAny);
    if (!row) return std::unexpected(row.error());
    if (!*row) continue;
    auto now = decode_data_position(**row, from.ref.id);
    if (!now) return std::unexpected(now.error());
    if (now->at != from.at) continue;
    changes.push_back(inline_row(to));
    growth[from.at.segment] -= from.at.length;
    growth[to.at.segment] += to.at.length;
  }
  if (changes.empty()) return {};
  std::ranges::move(live_rows(growth), std::back_inserter(changes));
  if (auto written = rows_.write(changes, true); !written) return written;
  grow_live(growth);
  return {};
}

Result<std::set<DataId>> Applier::place(const std::vector<DataId>& rebuilt) {
  const std::lock_guard lock(mutex_);
  std::map<std::uint32_t, std::int64_t> growth;
  std::vector<RowChange> changes;
  std::set<DataId> placed;
  for (const DataId& id : rebuilt) {
    // Looked up under the lock: the row of what was freed since would bring it back, in a segment that a
    // checkpoint may free.
    const auto data = index_.unsettled(id);
    if (!data || !placed.insert(id).second) continue;
    auto row = rows_.get(Family::kInline, id.to_bytes(), ReadTier::kAny);
    if (!row) return std::unexpected(row.error());
    if (*row) {
      // A damaged row is what is being repaired: its bytes stay accounted as live, which only delays reuse.
      if (auto old = decode_data_position(**row, id)) growth[old->at.segment] -= old->at.length;
    }
    growth[data->at.segment] += data->at.length;
    changes.push_back(inline_row(*data));
  }
  if (changes.empty()) return placed;
  std::ranges::move(live_rows(growth), std::back_inserter(changes));
  if (auto written = rows_.write(changes, true); !written) return std::unexpected(std::move(written).error());
  grow_live(growth);
  for (const DataId& id : placed) index_.settle(id);
  return placed;
}

}  // namespace flashstor::storage
