#pragma once

#include <chrono>
#include <cstddef>
#include <string_view>

#include "engine/base/limits.h"

/// What bounds S3 operations.
namespace flashstor::s3d::ops_limits {

/// Not a bucket: what the server answers itself lies under it (/flashstor/health/live).
inline constexpr std::string_view kInternalBucketName = "flashstor";
inline constexpr int kMaxXmlDepth = 16;
inline constexpr std::size_t kMaxBuckets = 10'000;           ///< Buckets on one page of ListBuckets.
inline constexpr std::size_t kPutBlockBytes = limits::kMiB;  ///< One read of a request body.
inline constexpr std::size_t kMinBlockBytes = 512;
inline constexpr std::size_t kMaxTraceQueue = 1024;  ///< Records that wait for one listener.
inline constexpr std::size_t kMaxTraceListeners = 64;
inline constexpr std::size_t kAccessRingRecords = 4096;  ///< Of one loop; a full ring drops and counts.
inline constexpr std::chrono::seconds kMaxPresignedLife{604'800};
inline constexpr std::size_t kMaxHeaderValueBytes = 8 * limits::kKiB;

}  // namespace flashstor::s3d::ops_limits
