#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "engine/base/limits.h"

/// Every maximum of flashctl.
namespace flashstor::cli::limits {

using namespace flashstor::limits;

inline constexpr std::uint64_t kMultipartBytes = 64 * kMiB;  ///< Larger files go in parts.
inline constexpr std::uint64_t kPartBytes = 16 * kMiB;  ///< Grows when a file would need more than kMaxParts.
inline constexpr std::uint64_t kRangeBytes = 16 * kMiB;  ///< One request of a parallel download.
inline constexpr std::size_t kDefaultTransfers = 8;
inline constexpr std::size_t kMaxTransfers = 256;
inline constexpr std::size_t kQueuedTransfers = 4 * kMaxTransfers;
inline constexpr int kAttempts = 5;  ///< Of one request, the first included.
inline constexpr std::chrono::milliseconds kFirstBackoff{100};
inline constexpr std::chrono::seconds kConnectTimeout{10};
inline constexpr std::chrono::seconds kStallTimeout{120};  ///< Without one byte either way.
inline constexpr std::size_t kMaxAnswerBytes = 64 * kMiB;  ///< Of an answer that is held in memory.
inline constexpr std::size_t kMaxConfigBytes = kMiB;
inline constexpr std::chrono::hours kMaxShareExpiry{7 * 24};  ///< AWS: presigned URLs live at most 7 days.
inline constexpr std::uint64_t kMaxCopyBytes = 5 * kGiB;      ///< Larger server-side copies go in parts.
inline constexpr std::uint64_t kCopyPartBytes = 512 * kMiB;
inline constexpr std::size_t kMaxMountMessageBytes = 64 * kKiB;

}  // namespace flashstor::cli::limits
