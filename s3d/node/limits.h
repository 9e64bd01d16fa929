#pragma once

#include <chrono>
#include <cstddef>

/// What bounds a node.
namespace flashstor::s3d::node_limits {

inline constexpr std::size_t kMaxDefaultLoops = 8;
inline constexpr std::size_t kMaxLoops = 256;
inline constexpr std::size_t kMinPasswordBytes = 8;
inline constexpr std::size_t kMinUserBytes = 3;
inline constexpr std::size_t kMaxConfigBytes = 1024 * 1024;
inline constexpr std::size_t kAccessDrainRecords = 1024;  ///< Formatted at once.
inline constexpr std::chrono::milliseconds kAccessDrainInterval{100};
inline constexpr std::chrono::seconds kCertificateInterval{5};  ///< How often certificates are looked at.
inline constexpr std::chrono::seconds kStopGrace{10};           ///< For requests under way at a stop.

}  // namespace flashstor::s3d::node_limits
