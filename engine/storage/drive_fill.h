#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "engine/storage/drive_format.h"
#include "engine/storage/local_rows.h"
#include "engine/storage/row_store.h"
#include "engine/storage/storage_api.h"

/// Filling a drive's index from another of its set: what comes before and after its rows (fill_pages.h). All
/// of it blocks: on a thread that may wait for drives.
/// Source: protocol.md, The log on a drive.
namespace flashstor::storage {

using OpenRows = std::function<Result<std::unique_ptr<RowStore>>(const std::string& path)>;

/// How a fill goes, for metrics; and how it is told to end early.
struct FillProgress {
  std::atomic<std::uint64_t> rows = 0;
  std::atomic<bool> stop = false;
  std::function<bool()> hurry;  ///< Whether requests suffer: then the copying rests between its steps.
  /// Between two steps.
  void rest();

 private:
  std::mutex mutex_;
  std::condition_variable never_;
};

/// The state of the drive that `source` (a checkpoint of its index) was taken of.
[[nodiscard]] Result<AppliedState> applied_in(RowStore& source);

/// What a filled drive starts from, beside its rows.
struct FillBase {
  AppliedState applied;             ///< What the rows hold.
  std::uint64_t previous_term = 0;  ///< Of the entry before the first of `entries`.
  std::vector<LogEntry> entries;    ///< From the oldest undecided one (or the last applied one) to `applied`.
  std::string configuration;
};

/// Readies the drive, whose rows are filled, to be opened with an empty log just before `base.entries`.
Result<void> begin_filled_log(FileIo& io, const std::string& path, const OpenRows& open_rows,
                              const FillBase& base);
/// `base.entries` are in the drive's log, and the drive is closed: from now on it takes part.
Result<void> end_fill(FileIo& io, const std::string& path, const OpenRows& open_rows, const FillBase& base);
/// Drops index and log of a drive of ours that are damaged, and marks it to be filled as `format`; its shard
/// files stay.
Result<void> discard_index(FileIo& io, const std::string& path, const DriveFormat& format);

}  // namespace flashstor::storage
