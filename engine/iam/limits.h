#pragma once

#include <cstddef>

/// What bounds identities and policies.
namespace flashstor::limits {

inline constexpr std::size_t kMaxPolicyDepth = 16;         ///< Nesting of a policy's JSON.
inline constexpr std::size_t kMaxPolicyStatements = 1024;  ///< Statements of one policy.
inline constexpr std::size_t kMaxPolicyPatternBytes =
    2048;  ///< One action, resource, principal or condition value.
inline constexpr std::size_t kMaxPolicyNameBytes = 128;
inline constexpr std::size_t kMaxUserPolicies = 64;  ///< Policies attached to one user.
inline constexpr std::size_t kMinAccessKeyBytes = 3;
inline constexpr std::size_t kMaxAccessKeyBytes = 128;
inline constexpr std::size_t kMinSecretKeyBytes = 8;
inline constexpr std::size_t kMaxSecretKeyBytes = 128;
inline constexpr std::size_t kMaxUsers = 100'000;
inline constexpr std::size_t kMaxPolicies = 10'000;
inline constexpr std::size_t kMaxIdentityRecordBytes = 64 * 1024;  ///< One stored user or policy.
inline constexpr std::size_t kDecisionCacheSets = 512;  ///< Sets of a loop's decision cache; a power of two.
inline constexpr std::size_t kDecisionCacheWays = 2;    ///< Entries of one set.

static_assert((kDecisionCacheSets & (kDecisionCacheSets - 1)) == 0);

}  // namespace flashstor::limits
