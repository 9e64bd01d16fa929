#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "engine/base/limits.h"

/// What bounds one HTTP connection and one loop's worth of them; each is the default of a ServerOptions
/// field.
namespace flashstor::s3d::http_limits {

using limits::kKiB;
using limits::kMiB;

inline constexpr std::size_t kFirstHeaderBytes =
    8 * kKiB;  ///< Receive area of a request; grows to kMaxHeaderBytes.
inline constexpr std::size_t kChunkWindowBytes = 16 * kKiB;  ///< Chunked framing and payload, as received.
inline constexpr std::size_t kMaxHeaderFields = 256;
inline constexpr std::size_t kMaxQueryParams = 1024;
inline constexpr std::size_t kMaxTargetBytes =
    16 * kKiB;  ///< A 1,024-byte key, three bytes for each, and a query.
inline constexpr std::size_t kMaxConnections = 16'384;  ///< On one loop.
inline constexpr std::size_t kMaxArenaBlocks = 4'096;   ///< Lent at once on one loop: 256 MiB.
inline constexpr std::size_t kKeptArenaBlocks = 256;    ///< Kept for reuse on one loop: 16 MiB.
inline constexpr std::size_t kDrainBytes =
    256 * kKiB;  ///< An unread body up to here is read away, else closed.
inline constexpr std::uint64_t kMinBodyBytesPerSecond = 1024;  ///< Slower senders and receivers are cut off …
inline constexpr std::chrono::seconds kBodyGrace{30};          ///< … after this grace.
inline constexpr std::chrono::seconds kIdleDeadline{120};      ///< Keep-alive without a request.
inline constexpr std::chrono::milliseconds kSweepInterval{500};  ///< How coarse every deadline here is.
inline constexpr std::size_t kMaxChunkLineBytes =
    4 * kKiB;                                        ///< One line of chunked framing, and its trailer block.
inline constexpr std::size_t kMaxWriteSlices = 256;  ///< Slices of one writev by ResponseWriter.

static_assert(kFirstHeaderBytes < limits::kMaxHeaderBytes && kChunkWindowBytes > kMaxChunkLineBytes);

}  // namespace flashstor::s3d::http_limits
