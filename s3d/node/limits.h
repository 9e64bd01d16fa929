#pragma once

#include <chrono>
#include <cstddef>

/// What bounds a node.
namespace flashstor::s3d::node_limits {

/// Gateways whose marks of changes are read beside those of the nodes with drives.
inline constexpr std::size_t kMaxGateways = 256;

inline constexpr std::size_t kMaxDefaultLoops = 8;
inline constexpr std::size_t kMaxLoops = 256;
inline constexpr std::size_t kMinMemoryMib = 16;
inline constexpr std::size_t kMaxMemoryMib = std::size_t{1} << 20;
inline constexpr std::size_t kMinPasswordBytes = 8;
inline constexpr std::size_t kMinUserBytes = 3;
inline constexpr std::size_t kMinClusterSecretBytes = 16;
inline constexpr std::size_t kMaxConfigBytes = 1024 * 1024;
inline constexpr std::size_t kAccessDrainRecords = 1024;  ///< Formatted at once.
inline constexpr std::chrono::milliseconds kAccessDrainInterval{100};
inline constexpr std::chrono::minutes kReferenceSweep{10};      ///< How often left references are looked for.
inline constexpr std::chrono::seconds kCertificateInterval{5};  ///< How often certificates are looked at.
/// How often a node of several looks for changes of others, and how long it trusts what it saw.
inline constexpr std::chrono::milliseconds kChangePeriod{250};
inline constexpr std::chrono::milliseconds kChangesFreshFor{1000};
inline constexpr std::chrono::seconds kFirstLook{60};  ///< How long a start tries to.
inline constexpr std::chrono::seconds kStopGrace{10};  ///< For requests under way at a stop.

}  // namespace flashstor::s3d::node_limits
