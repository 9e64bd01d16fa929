#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <vector>

#include "engine/async/sync.h"
#include "engine/cluster/raft/types.h"
#include "engine/storage/entry.h"

namespace flashstor::cluster {

/// A proposed entry whose author waits to learn its outcome. Lives in the author's coroutine.
struct Flight {
  enum class Outcome : std::uint8_t { kOpen, kDone, kUnknown };
  raft::Index index = 0;
  raft::Term term = 0;
  const storage::EntryBody* body = nullptr;
  std::vector<std::string> names;  ///< Undecided while it is.
  std::vector<Buffer> shards;      ///< By shard number; empty for what was staged.
  std::uint32_t staged = 0;        ///< Slots that hold the staged shard.
  std::uint32_t needed = 1;        ///< Drives that must hold it.
  std::uint32_t entry_slots = 0;   ///< Drives whose log holds the entry.
  std::uint32_t data_slots = 0;    ///< And its data too.
  std::uint32_t excused = 0;       ///< Slots of which a committed entry, or its own, says that they may not.
  bool applied = false;            ///< Visible at the leader.
  MonotonicTime proposed_at{};
  Outcome outcome = Outcome::kOpen;
  async::Event finished;

  [[nodiscard]] bool has_data() const { return body->data.place != storage::DataPlace::kNone; }
  [[nodiscard]] std::uint32_t held() const { return has_data() ? data_slots : entry_slots; }
};

/// The flights of a leader by their index.
class Flights {
 public:
  void add(Flight& flight) {
    if (flights_.empty()) base_ = flight.index;
    while (base_ + flights_.size() < flight.index) flights_.push_back(nullptr);
    FLASHSTOR_CHECK(base_ + flights_.size() == flight.index);
    flights_.push_back(&flight);
  }
  void remove(const Flight& flight) {
    if (find(flight.index, flight.term) != &flight) return;
    flights_[flight.index - base_] = nullptr;
    while (!flights_.empty() && flights_.front() == nullptr) {
      flights_.pop_front();
      ++base_;
    }
  }
  [[nodiscard]] Flight* find(raft::Index index, raft::Term term) const {
    if (index < base_ || index >= base_ + flights_.size()) return nullptr;
    Flight* flight = flights_[index - base_];
    return flight != nullptr && flight->term == term ? flight : nullptr;
  }
  [[nodiscard]] bool empty() const { return flights_.empty(); }
  /// Whether one of them brings this data.
  [[nodiscard]] bool carry(const DataId& id) const {
    return std::ranges::any_of(flights_, [&id](const Flight* flight) {
      return flight != nullptr && flight->has_data() && flight->body->data.id == id;
    });
  }
  /// Calls `look` with those under way up to `last`, oldest first; it must not add or remove any.
  template <class Look>
  void for_each(raft::Index last, Look look) {
    for (std::size_t i = 0; i < flights_.size() && base_ + i <= last; ++i)
      if (flights_[i] != nullptr) look(*flights_[i]);
  }

 private:
  raft::Index base_ = 0;
  std::deque<Flight*> flights_;
};

}  // namespace flashstor::cluster
