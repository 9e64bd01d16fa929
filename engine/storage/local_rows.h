#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/storage/commit_log/log_format.h"
#include "engine/storage/row_store.h"
#include "engine/storage/storage_api.h"

/// The rows of Family::kLocal: a drive's own state, written with the rows that it speaks of.
namespace flashstor::storage {

/// How far the index is.
struct AppliedState {
  std::uint64_t index = 0;
  std::uint64_t term = 0;
  std::uint64_t oldest_undecided = 0;  ///< 0 when every applied entry is decided.
};

/// What a replay needs beside the log: true of the moment of a flush.
struct CheckpointState {
  std::optional<BatchPosition> replay_from;  ///< Nothing: the log's first batch.
  std::uint64_t first_index = 1;             ///< Of the entries at or after `replay_from`.
  std::uint64_t previous_term = 0;
  HardState hard_state;
  std::string configuration;
  std::vector<DataId> refusals;
  /// Data records below `replay_from` that no applied entry names, and rebuilt ones below `placed_through`
  /// without a row.
  std::vector<DataPosition> unsettled;
  std::vector<std::uint32_t> segments;  ///< That must be there.
  std::uint32_t next_segment = 1;       ///< Segments from here on came later.
  /// Other rebuilt shards before it have their row in the index, or had it when they were dropped.
  std::optional<BatchPosition> placed_through;
};

struct LocalState {
  AppliedState applied;
  CheckpointState checkpoint;
  std::map<std::uint32_t, std::int64_t> live;
};

[[nodiscard]] RowChange applied_row(const AppliedState& state);
[[nodiscard]] RowChange checkpoint_row(const CheckpointState& state);
/// `bytes` 0 removes the row.
[[nodiscard]] RowChange live_row(std::uint32_t segment, std::int64_t bytes);
[[nodiscard]] RowChange inline_row(const DataPosition& data);
[[nodiscard]] RowChange inline_row_gone(const DataId& id);
/// Errors: kCorrupt, kIo.
[[nodiscard]] Result<LocalState> load_local_state(RowStore& rows);

}  // namespace flashstor::storage
