#pragma once

#include <atomic>
#include <deque>
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

  /// Work on its way from plan to write. Its changes are views of the entries that it was planned from, whose
  /// caller keeps them, of `payloads` and of `own`.
  struct Step {
    std::vector<RowChangeView> changes;
    std::vector<Buffer> payloads;  ///< Of earlier entries that are decided in this step.
    std::deque<RowChange> own;     ///< Rows of this drive alone; stays where it is as it grows.
    std::vector<DataRef> renames;
    std::vector<DataId> drops;
    std::vector<DataId> settled;
    std::map<DataId, DataPosition> placed;         ///< Inline rows that this step writes.
    std::map<std::uint32_t, std::int64_t> growth;  ///< Live bytes by segment.
    AppliedState after;
    [[nodiscard]] bool needs_drive() const { return !renames.empty() || !drops.empty(); }
    void add(RowChange change) { changes.push_back(RowChangeView::of(own.emplace_back(std::move(change)))); }
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
  /// Writes the rows of shards that were rebuilt, in one write, to where the log has them now. Gives those
  /// that were placed: the others were dropped meanwhile.
  Result<std::set<DataId>> place(const std::vector<DataId>& rebuilt);

  [[nodiscard]] AppliedState applied() const;
  /// Live bytes by segment.
  [[nodiscard]] std::map<std::uint32_t, std::int64_t> live() const;

 private:
  /// What an undecided entry deferred, as views of its payload, which all drives of this process share.
  struct Pending {
    Buffer payload;
    std::vector<RowChangeView> on_confirm;
    std::vector<RowChangeView> on_void;
    DataRef data;
  };
  void plan_entry(Step& step, const LogEntry& entry, EntryView body);
  void decide(Step* step, const EntryView& body);
  [[nodiscard]] std::vector<RowChange> live_rows(const std::map<std::uint32_t, std::int64_t>& growth) const;
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
