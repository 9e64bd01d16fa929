#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/storage/commit_log/log_index.h"
#include "engine/storage/local_rows.h"
#include "engine/storage/row_store.h"
#include "engine/storage/shard_store.h"
#include "engine/storage/storage_api.h"

namespace flashstor::storage {

/// Turns committed entries into rows: one atomic write for all entries of a call, with the revision that it
/// brings the index to. Keeps what undecided entries deferred. Threads: one `apply` at a time; relocation may
/// run beside it.
class Applier {
 public:
  Applier(RowStore& rows, LogIndex& index, ShardStore& shards)
      : rows_(rows), index_(index), shards_(shards) {}

  /// Reads the index's own state. Errors: kCorrupt, kIo.
  Result<LocalState> load();
  /// Brings the undecided entries back: the one at `index`, of kind 0, is applied already. In order, from the
  /// oldest that the log still has. `redo_files`: what does not live in the index (renames, drops) is done
  /// again, which an orderly stop makes unnecessary: thousands of looks for files that are gone.
  Result<void> remember(std::uint64_t index, std::string_view payload, bool redo_files);

  /// Work on its way from plan to write.
  struct Step {
    std::vector<RowChange> changes;
    std::vector<DataRef> renames;
    std::vector<DataId> drops;
    std::vector<DataId> settled;
    std::map<DataId, DataPosition> placed;         ///< Inline rows that this step writes.
    std::map<std::uint32_t, std::int64_t> growth;  ///< Live bytes by segment.
    AppliedState after;
    [[nodiscard]] bool needs_drive() const { return !renames.empty() || !drops.empty(); }
  };
  /// What `entries` do; entries that are applied already are left out. No I/O. Errors: kMalformed, kInternal
  /// for a gap.
  Result<Step> plan(const std::vector<LogEntry>& entries);
  /// What needs the drive: renames out of staging, drops. On a drive thread, before `write`.
  Result<void> run_files(Step& step);
  /// Writes the rows; kWouldBlock when `may_wait` is false and the store would wait (nothing was written).
  /// `with_checkpoint` adds what a replay after the next flush needs.
  Result<void> write(Step& step, bool may_wait, const std::optional<CheckpointState>& checkpoint);

  /// Moves inline shards to where they were copied, those whose row still names the old place.
  Result<void> relocate(const std::vector<std::pair<DataPosition, DataPosition>>& moves);
  /// Writes the rows of shards that were rebuilt, in one write. Gives those that were placed: the others were
  /// dropped meanwhile.
  Result<std::set<DataId>> place(const std::vector<DataPosition>& rebuilt);

  [[nodiscard]] AppliedState applied() const;
  /// Live bytes by segment.
  [[nodiscard]] std::map<std::uint32_t, std::int64_t> live() const;

 private:
  struct Pending {
    std::vector<RowChange> on_confirm;
    std::vector<RowChange> on_void;
    DataRef data;
  };
  void plan_entry(Step& step, const LogEntry& entry, EntryBody body);
  void decide(Step* step, const EntryBody& body);
  void add_growth(std::vector<RowChange>& changes, const std::map<std::uint32_t, std::int64_t>& growth);
  void grow_live(const std::map<std::uint32_t, std::int64_t>& growth);

  RowStore& rows_;
  LogIndex& index_;
  ShardStore& shards_;
  mutable std::mutex mutex_;  ///< Inline rows, live bytes and applied state change together.
  AppliedState applied_;
  std::map<std::uint32_t, std::int64_t> live_;
  std::map<std::uint64_t, Pending> pending_;
};

}  // namespace flashstor::storage
