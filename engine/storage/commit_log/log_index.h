#pragma once

#include <deque>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "engine/storage/commit_log/log_format.h"

namespace flashstor::storage {

/// What a drive knows of its log without reading it: where each entry lies, which data records no applied
/// entry names yet, which data ids are refused. Fed with the same records in the same order by the writer
/// (after they are durable) and by a replay. Threads: any.
class LogIndex {
 public:
  struct EntryPlace {
    std::uint64_t term = 0;
    std::uint8_t kind = 0;
    LogPosition at;
    BatchPosition batch;
    Buffer payload;  ///< Empty when it is to be read from the log.
  };

  // Feeding.
  void on_hard_state(const HardState& state);
  void on_truncate(std::uint64_t from);
  /// An entry at or below the last one replaces it and all after it; one after a gap starts the log anew.
  void on_entry(std::uint64_t index, EntryPlace place);
  void on_data(DataPosition data);
  void on_refusal(const DataId& id);
  void on_configuration(std::string bytes);
  void on_clean_close() { clean_ = true; }

  [[nodiscard]] HardState hard_state() const;
  [[nodiscard]] std::string configuration() const;
  /// The last record is a clean close.
  [[nodiscard]] bool clean() const { return clean_; }
  [[nodiscard]] std::uint64_t first() const;
  [[nodiscard]] std::uint64_t last() const;
  [[nodiscard]] std::uint64_t previous_term() const;
  /// Where an empty log goes on, as a checkpoint said.
  void start_at(std::uint64_t first, std::uint64_t previous_term);
  [[nodiscard]] std::optional<EntryPlace> entry(std::uint64_t index) const;

  [[nodiscard]] std::optional<DataPosition> unsettled(const DataId& id) const;
  /// An applied entry names it, or it was dropped.
  void settle(const DataId& id);
  /// The same for one that is not of healing, whose row is looked at on its own.
  void settle_unless_rebuilt(const DataId& id);
  [[nodiscard]] std::vector<DataPosition> all_unsettled() const;
  [[nodiscard]] bool refused(const DataId& id) const;
  [[nodiscard]] std::vector<DataId> refusals() const;
  [[nodiscard]] bool has_unsettled_in(std::uint32_t segment) const;

  /// Payloads of entries up to `applied` may leave memory, all but the newest; positions too, down to
  /// kMaxPositions.
  void applied_through(std::uint64_t applied);
  /// Where a replay must start to meet entry `needed` and all after it; goes back to older entries as far as
  /// kReplayKeepEntries and kReplayKeepBytes allow. Also the first entry that it meets, and the term before.
  struct ReplayStart {
    std::optional<BatchPosition> at;  ///< Nothing when no such entry is known.
    std::uint64_t first_index = 0;
    std::uint64_t previous_term = 0;
  };
  [[nodiscard]] ReplayStart replay_start(std::uint64_t needed) const;
  /// Forgets the positions of entries below `index`.
  void drop_before(std::uint64_t index);
  /// The first entry of which, and of all after it, no part lies in a segment below `segment`.
  [[nodiscard]] std::uint64_t first_index_from(std::uint32_t segment) const;

 private:
  void truncate(std::uint64_t from);
  void drop_front();
  mutable std::mutex mutex_;
  HardState hard_state_;
  std::string configuration_;
  bool clean_ = false;
  std::uint64_t first_ = 1;
  std::uint64_t previous_term_ = 0;
  std::deque<EntryPlace> entries_;
  std::uint64_t in_memory_from_ = 1;  ///< Payloads below are dropped.
  std::size_t bytes_in_memory_ = 0;
  std::unordered_map<DataId, DataPosition> unsettled_;
  std::unordered_set<DataId> refused_;
  std::deque<DataId> refused_order_;
};

}  // namespace flashstor::storage
