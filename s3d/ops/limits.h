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
/// 10,000 parts of a Complete, five elements each, opened and closed; a document of nothing but tags would
/// take twenty times its bytes in memory.
inline constexpr std::size_t kMaxXmlTags = 128 * limits::kKiB;
inline constexpr std::size_t kMaxGrants = 100;      ///< Of one ACL, as on AWS.
inline constexpr std::size_t kMaxBuckets = 10'000;  ///< Buckets on one page of ListBuckets.
inline constexpr std::size_t kFirstBodyBytes =
    16 * limits::kKiB;  ///< An XML body's first block; they double.
inline constexpr std::size_t kMaxBodyBytesInMemory = 128 * limits::kMiB;  ///< Of one loop's XML and JSON.
inline constexpr std::size_t kPutBlockBytes = limits::kMiB;               ///< One read of a request body.
inline constexpr std::size_t kMinBlockBytes = 512;
inline constexpr std::size_t kMaxTraceQueue = 1024;  ///< Records that wait for one listener.
inline constexpr std::size_t kMaxTraceListeners = 64;
inline constexpr std::size_t kAccessRingRecords = 4096;  ///< Of one loop; a full ring drops and counts.
inline constexpr std::chrono::seconds kMaxPresignedLife{604'800};
inline constexpr std::size_t kMaxHeaderValueBytes = 8 * limits::kKiB;

}  // namespace flashstor::s3d::ops_limits
