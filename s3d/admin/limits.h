#pragma once

#include <chrono>
#include <cstddef>

#include "engine/base/limits.h"

/// What bounds the admin API.
namespace flashstor::s3d::admin_limits {

inline constexpr std::size_t kMaxUserBodyBytes = 16 * limits::kKiB;
/// How long a record may wait before a trace shows it, and how long a silent trace waits before it sends an
/// empty line, by which it learns that its reader has gone.
inline constexpr std::chrono::milliseconds kTraceInterval{100};
inline constexpr std::chrono::seconds kTraceSilence{5};
/// Buckets asked for at once when they are counted.
inline constexpr std::uint32_t kBucketPage = 1000;

}  // namespace flashstor::s3d::admin_limits
