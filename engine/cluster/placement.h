#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/storage/entry.h"

/// Which drive of a set holds which shard, and how many must hold it.
namespace flashstor::cluster {

/// The first drive of a slice's rotation: spreads parity evenly over the set.
[[nodiscard]] inline std::uint32_t rotation_of(const DataId& id, std::uint32_t drives) {
  return static_cast<std::uint32_t>(((id.low ^ id.high) * 0x9e3779b97f4a7c15 >> 32) % drives);
}
[[nodiscard]] inline std::uint32_t slot_of_shard(const DataId& id, std::uint32_t shard,
                                                 std::uint32_t drives) {
  return (shard + rotation_of(id, drives)) % drives;
}
[[nodiscard]] inline std::uint32_t shard_of_slot(const DataId& id, std::uint32_t slot, std::uint32_t drives) {
  return (slot + drives - rotation_of(id, drives)) % drives;
}

/// W: drives that must hold a version durably before it has happened.  Source: protocol.md.
[[nodiscard]] inline std::uint32_t write_quorum(std::uint32_t drives, const Geometry& geometry) {
  const std::uint32_t k = geometry.data_shards;
  const std::uint32_t enough = k == geometry.parity_shards ? k + 1 : k;
  return std::max(drives / 2 + 1, enough);
}

/// m by default, as protocol and storage design give it.
[[nodiscard]] constexpr std::uint8_t default_parity(std::uint32_t drives) {
  if (drives <= 1) return 0;
  if (drives <= 3) return 1;
  if (drives <= 5) return 2;
  if (drives <= 7) return 3;
  return 4;
}

}  // namespace flashstor::cluster
