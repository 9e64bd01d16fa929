#pragma once

#include <chrono>
#include <cstddef>

#include "engine/base/limits.h"

/// What bounds mounts and the socket over which they are handed over.
namespace flashstor::s3d::mount_limits {

inline constexpr std::size_t kMaxMounts = 256;                      ///< Of one node.
inline constexpr std::size_t kMaxMessageBytes = 64 * limits::kKiB;  ///< One handover, without its length.
inline constexpr std::size_t kMaxHandovers = 16;                    ///< Connections at a time.
inline constexpr int kBacklog = 16;
inline constexpr std::chrono::seconds kHandoverDeadline{10};  ///< For the whole message.
inline constexpr std::chrono::minutes kMaxSkew{15};           ///< Between the caller's clock and ours.
/// How soon a changed bucket policy, or a removed bucket, is noticed by its mounts.
inline constexpr std::chrono::seconds kBucketLook{1};

}  // namespace flashstor::s3d::mount_limits
