#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "engine/storage/commit_log/log_index.h"
#include "engine/storage/commit_log/segments.h"

namespace flashstor::storage {

/// How a log ended.
struct ReplayResult {
  std::uint64_t next_sequence = 1;
  /// Where the writer goes on; nothing when the log has no segment yet.
  std::optional<BatchPosition> end;
  std::uint64_t batches = 0;
  std::uint64_t bytes = 0;
  bool torn_tail = false;  ///< A batch that is not whole stands behind the last one.
};

/// Called for each whole batch, with its body's records.
using BatchVisitor = std::function<Result<void>(const BatchPosition& at, std::string_view body)>;

/// Reads the log from `start` (nothing: its first segment) to its end. What is no whole batch at the end is a
/// torn write and is dropped. Errors: kCorrupt, in words, when a segment is missing or lacks its last batches
/// or a whole batch does not parse; kDriveForeign; kIo.  `past_torn` is
/// a planted defect for the simulator: what is damaged is stepped over.  Source: protocol.md, The log on a
/// drive.
[[nodiscard]] Result<ReplayResult> replay_log(Segments& segments, std::optional<BatchPosition> start,
                                              const BatchVisitor& visit, bool past_torn = false);

/// Looks behind the end of the log; only at what is near to it when that is a clean stop, for if more was
/// written then only the batch right behind it is missing. Errors: kCorrupt, in words, when a bad batch is
/// followed by a good one that knew it to be synced: a lost middle, the drive must be rebuilt from its set.
[[nodiscard]] Result<void> check_log_tail(Segments& segments, ReplayResult& result, bool clean);

/// Reads one segment's batches in order, for relocation and for tools; stops at the first that is not whole.
[[nodiscard]] Result<void> scan_segment(const Segment& segment, const BatchVisitor& visit);

/// Tells `index` what a batch says.
[[nodiscard]] Result<void> feed_index(LogIndex& index, const BatchPosition& at, std::string_view body);

}  // namespace flashstor::storage
