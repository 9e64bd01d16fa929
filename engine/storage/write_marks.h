#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>

#include "engine/storage/row_store.h"

namespace flashstor::storage {

/// Says whether versions of a key may have been written since somebody looked, so that what was read of them
/// can be kept and used again without a read. Names share counters: a change of one can look like a change of
/// another, never the other way round. Threads: any; a look takes no lock and allocates nothing.
class WriteMarks {
 public:
  /// Bytes of a version's id, the end of its row's key. Source: docs/on-disk-format.md, Keys.
  static constexpr std::size_t kVersionIdBytes = 16;

  /// While rows are being written: readers on other threads may see old or new ones.
  class Writing {
   public:
    Writing(WriteMarks& marks, std::span<const RowChangeView> changes) : marks_(marks), changes_(changes) {
      marks_.for_each(changes_, [](Counter& counter) { counter.begun.fetch_add(1); });
    }
    Writing(const Writing&) = delete;
    Writing& operator=(const Writing&) = delete;
    ~Writing() {
      marks_.for_each(changes_, [](Counter& counter) { counter.ended.fetch_add(1); });
    }

   private:
    WriteMarks& marks_;
    std::span<const RowChangeView> changes_;
  };

  /// `prefix` is the key of a version without its id. Nothing while one is being written.
  [[nodiscard]] std::optional<std::uint64_t> look(std::string_view prefix) const {
    const Counter& counter = counters_[slot_of(prefix)];
    // In this order: a write that began after the first load shows in the second.
    const std::uint64_t ended = counter.ended.load();
    const std::uint64_t begun = counter.begun.load();
    return ended == begun ? std::optional(begun) : std::nullopt;
  }
  /// Rows went or came by themselves.
  void forget_all() {
    for (Counter& counter : counters_) {
      counter.begun.fetch_add(1);
      counter.ended.fetch_add(1);
    }
  }

 private:
  struct Counter {
    std::atomic<std::uint64_t> begun{0};
    std::atomic<std::uint64_t> ended{0};
  };
  static constexpr std::size_t kCounters = 4096;
  static std::size_t slot_of(std::string_view prefix) {
    return std::hash<std::string_view>()(prefix) % kCounters;
  }
  template <class Visit>
  void for_each(std::span<const RowChangeView> changes, Visit visit) {
    for (const RowChangeView& change : changes)
      if (change.family == Family::kVersions && change.key.size() > kVersionIdBytes)
        visit(counters_[slot_of(change.key.substr(0, change.key.size() - kVersionIdBytes))]);
  }
  std::array<Counter, kCounters> counters_;
};

}  // namespace flashstor::storage
