#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

/// Every maximum of the product has its name here, so that a reader sees what bounds what.
namespace flashstor::limits {

inline constexpr std::size_t kKiB = 1024;
inline constexpr std::size_t kMiB = 1024 * kKiB;
inline constexpr std::uint64_t kGiB = 1024 * kMiB;
inline constexpr std::uint64_t kTiB = 1024 * kGiB;

// S3 (AWS: "Amazon S3 multipart upload limits", "Object key naming", "Working with object metadata").
inline constexpr std::size_t kMaxKeyBytes = 1024;
inline constexpr std::size_t kMaxUserMetadataBytes = 2048;
inline constexpr std::size_t kMaxTagsPerObject = 10;
inline constexpr std::size_t kMaxTagsPerBucket = 50;
inline constexpr std::size_t kMaxParts = 10'000;
inline constexpr std::uint64_t kMinPartBytes = 5 * kMiB;
inline constexpr std::uint64_t kMaxPartBytes = 5 * kGiB;
inline constexpr std::uint64_t kMaxPutBytes = 5 * kGiB;
inline constexpr std::uint64_t kMaxObjectBytes = 50 * kTiB;
inline constexpr std::size_t kMaxListKeys = 1000;
inline constexpr std::size_t kMaxDeleteObjects = 1000;
inline constexpr std::size_t kMaxPolicyBytes = 20 * kKiB;

// Requests.
inline constexpr std::size_t kMaxHeaderBytes = 64 * kKiB;
inline constexpr std::chrono::seconds kHeaderDeadline{10};
inline constexpr std::size_t kArenaBlockBytes = 64 * kKiB;
inline constexpr std::size_t kMaxXmlBytes = 4 * kMiB;

// Sets, entries and data.
inline constexpr std::size_t kMaxDrivesPerSet = 16;
inline constexpr std::size_t kMaxEntryBytes = 4 * kMiB;
inline constexpr std::size_t kMaxRecordBytes = 8 * kMiB;
inline constexpr std::size_t kStripeBytes = kMiB;           ///< Object bytes in one stripe.
inline constexpr std::size_t kSegmentBytes = 8 * kMiB;      ///< Object bytes in one segment of a POSIX file.
inline constexpr std::size_t kMaxInlineObjectBytes = kMiB;  ///< Up to here object bytes ride in the log.
inline constexpr std::size_t kLogSegmentBytes = 64 * kMiB;
inline constexpr std::size_t kMaxEntriesInMemory = 4096;
inline constexpr std::uint32_t kSlots = 16'384;
inline constexpr std::chrono::minutes kDataGrace{10};
inline constexpr std::chrono::minutes kResultKeep{15};
inline constexpr std::size_t kMaxSlices = 64;  ///< Slices of one segment before it is folded.

static_assert(kMaxInlineObjectBytes <= kMaxRecordBytes);
static_assert(kLogSegmentBytes % 4096 == 0 && kLogSegmentBytes > kMaxRecordBytes);

}  // namespace flashstor::limits
