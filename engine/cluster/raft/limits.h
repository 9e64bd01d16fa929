#pragma once

#include <cstddef>

#include "engine/base/limits.h"

/// What bounds the consensus core.
namespace flashstor::cluster::raft::limits {

inline constexpr std::size_t kMaxVoters = flashstor::limits::kMaxDrivesPerSet + 1;
inline constexpr std::size_t kMaxStandbys = flashstor::limits::kMaxDrivesPerSet;
inline constexpr std::size_t kMaxEntriesInMemory = flashstor::limits::kMaxEntriesInMemory;
inline constexpr std::size_t kMaxEntryBytes = flashstor::limits::kMaxEntryBytes;
/// Payload bytes of applied entries kept for members that lag.
inline constexpr std::size_t kMaxBytesInMemory = 16 * flashstor::limits::kMiB;
/// Entries appended and not yet applied: above this a leader takes no proposal and a follower no entry.
inline constexpr std::size_t kMaxUnapplied = 2 * kMaxEntriesInMemory;
inline constexpr std::size_t kMaxUnappliedBytes = 128 * flashstor::limits::kMiB;
/// One append message: entries, and payload bytes (a single larger entry goes alone).
inline constexpr std::size_t kMaxAppendEntries = 1024;
inline constexpr std::size_t kMaxAppendBytes = flashstor::limits::kMiB;
/// Append messages with entries under way to one member.
inline constexpr std::size_t kMaxInflight = 64;
/// Entries handed out for applying at a time.
inline constexpr std::size_t kMaxApplyEntries = 1024;
/// Reads waiting for a round, and numbers remembered with the time of their sending.
inline constexpr std::size_t kMaxPendingReads = 4096;
inline constexpr std::size_t kMaxRounds = 4096;
/// An encoded message: a full append and its framing.
inline constexpr std::size_t kMaxMessageBytes =
    kMaxEntryBytes + kMaxAppendBytes + 64 * kMaxAppendEntries + 4096;

}  // namespace flashstor::cluster::raft::limits
