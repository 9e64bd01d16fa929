#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "engine/base/limits.h"

/// Maxima of the objects layer.
namespace flashstor::objects::limits {

using namespace flashstor::limits;

inline constexpr std::size_t kMaxVersionRowBytes = 2 * kMiB;
/// Above this the list of slices and parts leaves the version row for a row of its own, so that a listing
/// does not read it.
inline constexpr std::size_t kMaxSlicesInRowBytes = 8 * kKiB;
inline constexpr std::size_t kMaxDocumentBytes = kMiB;
inline constexpr std::size_t kMaxBucketConfigBytes = 128 * kKiB;
inline constexpr std::size_t kMaxBucketNameBytes = 63;
inline constexpr std::size_t kMinBucketNameBytes = 3;
inline constexpr std::size_t kMaxListBuckets = 10'000;
inline constexpr std::size_t kMaxTagKeyChars = 128;
inline constexpr std::size_t kMaxTagValueChars = 256;
inline constexpr std::size_t kReadWindowBytes = 1 * kMiB;  ///< What one step of a GET asks a set for.
// Windows that the readers of one loop hold: whole ones with one read ahead up to the first, none ahead above
// it, small ones above half of the last, where new readers are sent away.
inline constexpr std::size_t kRoomyReadBytes = 64 * kMiB;
inline constexpr std::size_t kMaxHeldReadBytes = 256 * kMiB;
inline constexpr std::size_t kTightWindowBytes = 256 * kKiB;
inline constexpr std::size_t kHashAsideBytes =
    128 * kKiB;                                         ///< Larger pieces of a body are hashed off the loop.
inline constexpr std::size_t kWriteWindowBytes = kMiB;  ///< What one step of a large PUT hands to `stage`.
inline constexpr std::size_t kMaxCachedBuckets = 4096;  ///< Per loop.
inline constexpr std::size_t kMaxStaleRetries = 4;      ///< Retries after kStale (bucket epoch moved).
inline constexpr std::chrono::hours kCompletedUploadKeep{24};
inline constexpr std::chrono::seconds kBucketFreeze{10};  ///< A deletion not finished by then may be undone.
inline constexpr std::size_t kMaxPartsASweep = 500;       ///< Rows of parts that one command removes.
/// A row that uses shared data is written so soon after its references were taken, or never; then, when a
/// leader's clock is past it by the margin too, references of which no row came are dropped.
inline constexpr std::chrono::minutes kReferenceKeep{15};
inline constexpr std::chrono::minutes kReferenceMargin{1};
/// What became of a referrer is forgotten so long after that.
inline constexpr std::chrono::hours kReferrerKeep{24};
inline constexpr std::size_t kMaxForeignVersionIdBytes = 64;

}  // namespace flashstor::objects::limits
