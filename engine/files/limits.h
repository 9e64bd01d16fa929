#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/base/limits.h"

/// Maxima of the files layer.
namespace flashstor::files {

inline constexpr std::size_t kMaxLinks = 64;          ///< Names of one inode.
inline constexpr std::size_t kMaxSlicesInFile = 512;  ///< Above it short neighbours are folded into one.
inline constexpr std::size_t kMaxDirtyBytes = 8 * limits::kMiB;  ///< Waiting in one open file.
inline constexpr std::size_t kStageFromBytes =
    2 * limits::kMiB;  ///< A run of this length is streamed as it grows.
inline constexpr std::uint64_t kMaxStageBytes = 4 * limits::kGiB;  ///< One streamed slice.
inline constexpr std::size_t kMaxAttributeNameBytes = 255;
inline constexpr std::size_t kMaxAttributeValueBytes = 64 * limits::kKiB;
inline constexpr std::size_t kMaxMovedBytes = 3 * limits::kMiB;  ///< Rows of one step of a directory rename.
inline constexpr std::size_t kMaxMovedVersions = 1000;           ///< The same, in a bucket with versions.
inline constexpr std::size_t kMaxCachedStripes = 32;             ///< 1 MiB each, a volume.
inline constexpr std::uint64_t kMaxFileBytes = std::uint64_t{1} << 53;
inline constexpr std::size_t kMaxTargetBytes = 4095;            ///< Of a symlink.
inline constexpr std::chrono::seconds kDirectoryTimesDelay{1};  ///< How long a directory's times may wait.
inline constexpr int kMaxStaleRetries = 8;
/// For how long a name keeps its file after an open found another there than it was told of: the kernel asks
/// for the name again and comes back, once.
inline constexpr std::chrono::milliseconds kOpenAgain{200};
/// Locks across nodes: how often a node says what it holds, after how long without that it holds nothing, and
/// how often a waiting lock is tried.
inline constexpr std::chrono::milliseconds kLockRefresh{500};
inline constexpr std::chrono::milliseconds kLockLease{2000};
inline constexpr std::chrono::milliseconds kLockRetry{50};
inline constexpr std::string_view kLinksChanged = "links changed";  ///< Why a command over names was refused.
/// Message of kNotSupported: a row shares data of another set, to which the caller has taken no reference.
inline constexpr std::string_view kForeignData = "data of another set";
inline constexpr std::string_view kMoving =
    "being moved to another set";                             ///< Why one was refused: kConflict.
inline constexpr std::string_view kMoveIntents = "move/";     ///< In Family::kIntents, at the old name's set.
inline constexpr std::string_view kMoveDecisions = "moved/";  ///< The same, at the new name's set.
inline constexpr std::string_view kDirectoryMoves = "moves/";     ///< The same, at the old directory's set.
inline constexpr std::string_view kDirectoryRenames = "rename/";  ///< The same, within one set: in steps.
inline constexpr std::string_view kMover = "mover/";  ///< The same, in every set: who moves directories.
inline constexpr std::string_view kOvertaken =
    "another node moves directories now";             ///< Why one was refused: kConflict.
inline constexpr std::chrono::seconds kMoveWatch{2};  ///< How often a node looks for what others left.
inline constexpr int kMoveTries = 20;  ///< Of a rename that is made, when names cannot be moved just now.
inline constexpr std::chrono::milliseconds kMovePause{250};
inline constexpr std::size_t kMovedAtOnce = 16;  ///< Names of a directory that are moved beside each other.
inline constexpr std::chrono::milliseconds kMoveRetry{20};
/// How often a rename tries to take the old name away before it is answered all the same, each pause four
/// times the one before (the first kMoveRetry): longer than a set is without a leader when one dies.
inline constexpr int kMoveEndTries = 5;
inline constexpr std::chrono::seconds kMoveWait{2};  ///< How long a publish waits for a move of another node.
inline constexpr std::size_t kMaxForwards = 256;     ///< Directories that had one name, each where it went.
inline constexpr std::chrono::hours kParkedFor{1};   ///< Before a mount takes parked data for forgotten.
inline constexpr std::chrono::seconds kChaseFor{30};  ///< A publish of what is renamed all the while.
inline constexpr std::chrono::milliseconds kMovePoll{5};
inline constexpr std::chrono::seconds kMoveAgain{2};  ///< When an end that failed is tried again.
inline constexpr int kChasesBeforeLock = 3;
inline constexpr std::size_t kMaxFollowed = 64;          ///< Names at which an open file is looked for.
inline constexpr std::chrono::seconds kFollowEvery{60};  ///< How often a node looks where its open files are.
inline constexpr std::string_view kParked =
    "the data lies elsewhere";  ///< Why it was not published: kConflict.
inline constexpr std::string_view kChanged =
    "published by another node meanwhile";                     ///< Why a publish was refused: kConflict.
inline constexpr std::string_view kRootConfig = "mount-root";  ///< Attributes of the root directory.
inline constexpr std::uint32_t kLongNamePage = 1000;           ///< Entries asked for at a time.
inline constexpr std::size_t kMaxKnownDirectories = 4096;
inline constexpr std::chrono::seconds kDirectoryKnown{1};  ///< Where other nodes change the bucket too.

}  // namespace flashstor::files
