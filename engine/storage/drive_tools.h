#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/base/json.h"
#include "engine/storage/file_io.h"
#include "engine/storage/row_store.h"

/// What `flashctl drive` does, offline, on any drive's directory. Nothing here changes a drive.
namespace flashstor::storage {

/// Opens a drive's index to read only (open_rocksdb_rows_read_only with some resources).
using OpenRows = std::function<Result<std::unique_ptr<RowStore>>(const std::string& path)>;

/// What a drive is and holds, for a person or a script: condition and words, format, space, log segments,
/// and, unless a node uses the drive now, how far its index is and the rows of each family (at most
/// kMaxCountedRows are counted). Never fails: what cannot be read is said in the result.
[[nodiscard]] Json inspect_drive_json(FileIo& io, const std::string& path, const OpenRows& open_rows);

/// What a verification found.
struct DriveReport {
  std::uint64_t batches = 0;  ///< Replayed from the checkpoint on.
  std::uint64_t entries = 0;
  std::uint64_t inline_shards = 0;
  std::uint64_t shard_files = 0;
  std::uint64_t staged_files = 0;  ///< Not named by an entry yet; not verified.
  std::uint64_t bytes = 0;         ///< Of shards, read and compared.
  std::uint64_t problem_count = 0;
  std::vector<std::string> problems;  ///< The first kMaxProblems, each in words.
  [[nodiscard]] bool good() const { return problem_count == 0; }
};
[[nodiscard]] Json to_json(const DriveReport& report);

/// Called now and then with the report so far; false stops.
using Progress = std::function<bool(const DriveReport& sofar)>;

/// Reads everything on a drive: format, log (replay from the checkpoint), every block of the index, every
/// shard in the log and in files, each checksum. Blocks for long. Errors: kBusy when a node uses the drive;
/// what inspect_drive says when there is no drive; kCancelled. Damage is in the report, not an error.
[[nodiscard]] Result<DriveReport> verify_drive(FileIo& io, const std::string& path, const OpenRows& open_rows,
                                               const Progress& progress);

/// Gives every row of one family in key order as {"family", "key", "value"} (hexadecimal), or, for family
/// names "log", every entry that a replay meets as {"index", "term", "kind", "bytes"}. Errors: kBusy,
/// kInvalidArgument for an unknown family, kCorrupt, kIo.
[[nodiscard]] Result<void> dump_drive(FileIo& io, const std::string& path, const OpenRows& open_rows,
                                      const std::string& family,
                                      const std::function<void(const Json& row)>& give);

}  // namespace flashstor::storage
