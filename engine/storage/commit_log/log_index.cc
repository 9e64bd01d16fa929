#include "engine/storage/commit_log/log_index.h"

#include <algorithm>
#include <utility>

namespace flashstor::storage {
namespace {
constexpr std::uint64_t kAppliedInMemory = 64;  // a member a little behind reads these without the drive
}

void LogIndex::on_hard_state(const HardState& state) {
  const std::lock_guard lock(mutex_);
  hard_state_ = state;
  clean_ = false;
}

void LogIndex::on_truncate(std::uint64_t from) {
  const std::lock_guard lock(mutex_);
  clean_ = false;
  truncate(from);
}

void LogIndex::truncate(std::uint64_t from) {
  while (!entries_.empty() && first_ + entries_.size() > from) {
    bytes_in_memory_ -= entries_.back().payload.size();
    entries_.pop_back();
  }
  in_memory_from_ = std::min(in_memory_from_, first_ + entries_.size());
}

void LogIndex::on_entry(std::uint64_t index, EntryPlace place) {
  const std::lock_guard lock(mutex_);
  clean_ = false;
  if (index < first_ + entries_.size()) truncate(index);
  if (index != first_ + entries_.size()) {
    entries_.clear();
    bytes_in_memory_ = 0;
    previous_term_ = 0;
    first_ = index;
    in_memory_from_ = index;
  }
  bytes_in_memory_ += place.payload.size();
  entries_.push_back(std::move(place));
  const std::uint64_t end = first_ + entries_.size();
  while (in_memory_from_ < end && (bytes_in_memory_ > limits::kEntryBytesInMemory ||
                                   end - in_memory_from_ > limits::kMaxEntriesInMemory)) {
    if (in_memory_from_ >= first_) {
      EntryPlace& oldest = entries_[in_memory_from_ - first_];
      bytes_in_memory_ -= oldest.payload.size();
      oldest.payload = {};
    }
    ++in_memory_from_;
  }
}

void LogIndex::on_data(DataPosition data) {
  const std::lock_guard lock(mutex_);
  clean_ = false;
  const DataId id = data.ref.id;
  // What is rebuilt was decided to live after the refusal, which a leader asked for that could not void it.
  if (data.rebuilt && refused_.erase(id) > 0) std::erase(refused_order_, id);
  if (refused_.contains(id)) return;
  unsettled_.insert_or_assign(id, std::move(data));
}

void LogIndex::on_refusal(const DataId& id) {
  const std::lock_guard lock(mutex_);
  clean_ = false;
  unsettled_.erase(id);
  if (!refused_.insert(id).second) return;
  refused_order_.push_back(id);
  if (refused_order_.size() > limits::kMaxRefusals) {
    refused_.erase(refused_order_.front());
    refused_order_.pop_front();
  }
}

void LogIndex::on_configuration(std::string bytes) {
  const std::lock_guard lock(mutex_);
  clean_ = false;
  configuration_ = std::move(bytes);
}

HardState LogIndex::hard_state() const {
  const std::lock_guard lock(mutex_);
  return hard_state_;
}
std::string LogIndex::configuration() const {
  const std::lock_guard lock(mutex_);
  return configuration_;
}
std::uint64_t LogIndex::first() const {
  const std::lock_guard lock(mutex_);
  return first_;
}
std::uint64_t LogIndex::last() const {
  const std::lock_guard lock(mutex_);
  return first_ + entries_.size() - 1;
}
std::uint64_t LogIndex::previous_term() const {
  const std::lock_guard lock(mutex_);
  return previous_term_;
}

void LogIndex::start_at(std::uint64_t first, std::uint64_t previous_term) {
  const std::lock_guard lock(mutex_);
  first_ = first;
  in_memory_from_ = first;
  previous_term_ = previous_term;
}

std::optional<LogIndex::EntryPlace> LogIndex::entry(std::uint64_t index) const {
  const std::lock_guard lock(mutex_);
  if (index < first_ || index >= first_ + entries_.size()) return std::nullopt;
  return entries_[index - first_];
}

std::optional<DataPosition> LogIndex::unsettled(const DataId& id) const {
  const std::lock_guard lock(mutex_);
  const auto found = unsettled_.find(id);
  if (found == unsettled_.end()) return std::nullopt;
  return found->second;
}

void LogIndex::settle(const DataId& id) {
  const std::lock_guard lock(mutex_);
  unsettled_.erase(id);
}

void LogIndex::settle_unless_rebuilt(const DataId& id) {
  const std::lock_guard lock(mutex_);
  const auto found = unsettled_.find(id);
  if (found != unsettled_.end() && !found->second.rebuilt) unsettled_.erase(found);
}

std::vector<DataPosition> LogIndex::all_unsettled() const {
  const std::lock_guard lock(mutex_);
  std::vector<DataPosition> all;
  all.reserve(unsettled_.size());
  for (const auto& [id, data] : unsettled_) all.push_back(data);
  std::ranges::sort(all, {}, [](const DataPosition& data) { return data.ref.id; });
  return all;
}

bool LogIndex::refused(const DataId& id) const {
  const std::lock_guard lock(mutex_);
  return refused_.contains(id);
}
std::vector<DataId> LogIndex::refusals() const {
  const std::lock_guard lock(mutex_);
  return {refused_order_.begin(), refused_order_.end()};
}

bool LogIndex::has_unsettled_in(std::uint32_t segment) const {
  const std::lock_guard lock(mutex_);
  return std::ranges::any_of(unsettled_,
                             [segment](const auto& item) { return item.second.at.segment == segment; });
}

void LogIndex::drop_front() {
  previous_term_ = entries_.front().term;
  bytes_in_memory_ -= entries_.front().payload.size();
  entries_.pop_front();
  ++first_;
}

void LogIndex::applied_through(std::uint64_t applied) {
  const std::lock_guard lock(mutex_);
  while (in_memory_from_ + kAppliedInMemory <= applied && in_memory_from_ < first_ + entries_.size()) {
    if (in_memory_from_ >= first_) {
      EntryPlace& oldest = entries_[in_memory_from_ - first_];
      bytes_in_memory_ -= oldest.payload.size();
      oldest.payload = {};
    }
    ++in_memory_from_;
  }
  while (entries_.size() > limits::kMaxPositions && first_ < applied) drop_front();
}

LogIndex::ReplayStart LogIndex::replay_start(std::uint64_t needed) const {
  const std::lock_guard lock(mutex_);
  const std::uint64_t end = first_ + entries_.size();
  std::uint64_t index = std::clamp(needed, first_, end);
  const auto term_before = [&](std::uint64_t at) {
    return at == first_ ? previous_term_ : entries_[at - 1 - first_].term;
  };
  // The batch of the last entry kept bounds how far back "near" is.
  const auto near = [&](std::uint64_t candidate) {
    const BatchPosition& from = entries_[candidate - first_].batch;
    const BatchPosition& to = entries_[std::min(std::max(needed, first_), end - 1) - first_].batch;
    const std::uint64_t distance =
        std::uint64_t{to.segment - from.segment} * limits::kLogSegmentBytes + to.offset - from.offset;
    return needed - candidate <= limits::kReplayKeepEntries && distance <= limits::kReplayKeepBytes;
  };
  while (index > first_ && near(index - 1)) --index;
  // A replay starts with a whole batch: the entries before this one in it are met again too.
  while (index < end && index > first_ &&
         entries_[index - 1 - first_].batch == entries_[index - first_].batch)
    --index;
  ReplayStart start;
  start.first_index = index;
  start.previous_term = term_before(index);
  if (index < end) start.at = entries_[index - first_].batch;
  return start;
}

void LogIndex::drop_before(std::uint64_t index) {
  const std::lock_guard lock(mutex_);
  while (!entries_.empty() && first_ < index) drop_front();
}

std::uint64_t LogIndex::first_index_from(std::uint32_t segment) const {
  const std::lock_guard lock(mutex_);
  std::uint64_t index = first_ + entries_.size();
  while (index > first_ && entries_[index - 1 - first_].at.segment >= segment) --index;
  return index;
}

}  // namespace flashstor::storage
