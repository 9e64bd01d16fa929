#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "engine/base/limits.h"

/// What bounds a drive's memory, files and queues.
namespace flashstor::storage::limits {

using flashstor::limits::kKiB;
using flashstor::limits::kLogSegmentBytes;
using flashstor::limits::kMaxEntriesInMemory;
using flashstor::limits::kMaxEntryBytes;
using flashstor::limits::kMaxRecordBytes;
using flashstor::limits::kMiB;

// The log.
inline constexpr std::size_t kLogBlockBytes = 4096;        ///< Batches start and end on it.
inline constexpr std::size_t kMaxBatchBytes = 16 * kMiB;   ///< One write and one sync.
inline constexpr std::size_t kMaxAppendBytes = 64 * kMiB;  ///< Waiting for the writer, all appends.
inline constexpr std::size_t kReservedSegments = 2;        ///< Ready beside the one written to.
inline constexpr std::size_t kFullSegments = 4;       ///< Room for fewer: the drive says that it is full.
inline constexpr std::size_t kMaxPositions = 65'536;  ///< Entries found by index without a scan.
inline constexpr std::size_t kEntryBytesInMemory = 16 * kMiB;    ///< Payload of the newest entries.
inline constexpr std::uint64_t kCheckpointLogBytes = 96 * kMiB;  ///< Log written between checkpoints.
inline constexpr std::uint64_t kCheckpointEntries = 32'768;      ///< … or so many entries.
inline constexpr std::uint64_t kReplayKeepEntries = 16'384;      ///< Applied entries kept across a restart …
inline constexpr std::uint64_t kReplayKeepBytes = 16 * kMiB;     ///< … within so much log.
inline constexpr std::size_t kMaxRefusals = 65'536;              ///< The oldest are forgotten after that.

// Shards.
inline constexpr std::size_t kStageBytesInMemory = 1 * kMiB;  ///< Waiting per staged shard.
inline constexpr std::chrono::minutes kStageIdle{10};     ///< One that got nothing for so long is nobody's.
inline constexpr std::size_t kDataCacheBytes = 8 * kMiB;  ///< Hot shards of data records per drive.
inline constexpr std::size_t kFooterCacheBytes = 4 * kMiB;
inline constexpr std::size_t kMaxOpenShards = 256;       ///< Shard files kept open per drive.
inline constexpr std::size_t kMaxShardBlocks = 1 << 20;  ///< Blocks of one shard file.
inline constexpr std::size_t kMaxRestoring = 64;         ///< Rebuilt shards of a drive that come in pieces.

// Threads.
inline constexpr std::size_t kDriveThreads = 4;

}  // namespace flashstor::storage::limits
