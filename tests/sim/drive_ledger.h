#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/storage/storage_api.h"

namespace flashstor::sim {

/// What was appended to one drive's log, in order, over all its lives; and whether what it recovers is where
/// one of these appends left it: never a log with a hole. An honest drive recovers all that it acknowledged;
/// one whose cache lies may come back with less.
class DriveLedger {
 public:
  using Number = std::size_t;

  Number begin(const storage::AppendBatch& batch) {
    Record record{.hard_state = batch.hard_state, .truncate_from = batch.truncate_from, .entries = {}};
    for (const storage::LogEntry& entry : batch.entries) record.entries.emplace_back(entry.index, entry.term);
    take(record);
    records_.push_back(std::move(record));
    return records_.size();
  }
  void acknowledge(Number number) { acknowledged_ = std::max(acknowledged_, number); }
  /// It was refused before anything was written.
  void withdraw(Number number) {
    records_[number - 1] = {};
    rebuild(records_.size());
  }
  /// Its log was begun anew behind rows that came from another drive: it goes on from what it recovers next.
  void filled() {
    *this = {};
    filled_ = true;
  }
  /// Empty, or what is wrong with what the drive came back with. Goes on from there.
  std::string recovered(const storage::RecoveredState& state, bool may_lose) {
    const bool none = state.entries.empty();
    if (!none && state.entries.front().index > state.applied_index + 1)
      return "a drive came back without the entries between " + std::to_string(state.applied_index) +
             " and " + std::to_string(state.entries.front().index);
    const End found{.hard_state = state.hard_state,
                    .index = none ? state.applied_index : state.entries.back().index,
                    .term = none ? state.applied_term : state.entries.back().term};
    if (std::exchange(filled_, false)) {
      if (found.index != 0) first_terms_[found.index] = found.term;
      terms_ = first_terms_;
      ends_ = {found};
      return {};
    }
    const Number least = may_lose ? 0 : acknowledged_;
    for (Number number = records_.size() + 1; number-- > least;) {
      const End& end = ends_[number];
      if (end.hard_state.term != found.hard_state.term || end.hard_state.vote != found.hard_state.vote)
        continue;
      // The index of a drive that lost the end of its log may be newer than what is left of it.
      const bool behind_index = found.index == state.applied_index && end.index < found.index;
      if (!behind_index && (end.index != found.index || end.term != found.term)) continue;
      rebuild(number);
      acknowledged_ = 0;
      if (behind_index) {
        records_.push_back(
            {.hard_state = found.hard_state, .truncate_from = 0, .entries = {{found.index, found.term}}});
        take(records_.back());
      }
      // What a lying cache still held when it was read may be gone after the next power cut.
      if (may_lose) return {};
      first_terms_ = terms_;
      records_.clear();
      ends_ = {found};
      return {};
    }
    return "a drive came back with term " + std::to_string(found.hard_state.term) + " and entries up to " +
           std::to_string(found.index) + ", where no append had left it (the last: term " +
           std::to_string(ends_.back().hard_state.term) + ", entry " + std::to_string(ends_.back().index) +
           ")";
  }

 private:
  struct Record {
    std::optional<storage::HardState> hard_state;
    std::optional<std::uint64_t> truncate_from;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> entries;  // index, term
  };
  struct End {
    storage::HardState hard_state;
    std::uint64_t index = 0;
    std::uint64_t term = 0;
  };
  void take(const Record& record) {
    End end = ends_.back();
    if (record.hard_state) end.hard_state = *record.hard_state;
    if (record.truncate_from) terms_.erase(terms_.lower_bound(*record.truncate_from), terms_.end());
    for (const auto& [index, term] : record.entries) {
      terms_.erase(terms_.lower_bound(index), terms_.end());
      terms_[index] = term;
    }
    end.index = terms_.empty() ? 0 : terms_.rbegin()->first;
    end.term = terms_.empty() ? 0 : terms_.rbegin()->second;
    ends_.push_back(end);
  }
  void rebuild(Number count) {
    const std::vector<Record> records(records_.begin(),
                                      records_.begin() + static_cast<std::ptrdiff_t>(count));
    records_.resize(count);
    ends_.resize(1);
    terms_ = first_terms_;
    for (const Record& record : records) take(record);
  }
  std::vector<Record> records_;
  std::vector<End> ends_{End{}};                  // after so many records
  std::map<std::uint64_t, std::uint64_t> terms_;  // of the entries now
  std::map<std::uint64_t, std::uint64_t> first_terms_;
  Number acknowledged_ = 0;
  bool filled_ = false;
};

}  // namespace flashstor::sim
