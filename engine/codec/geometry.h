#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/base/check.h"
#include "engine/base/limits.h"

namespace flashstor::codec {

/// How one slice is erasure coded: k data shards and m parity shards, one to each drive of the set (k + m =
/// its drives).
struct Geometry {
  std::uint8_t data_shards = 1;    ///< k, at least 1.
  std::uint8_t parity_shards = 0;  ///< m; 0 for a one-drive set.

  [[nodiscard]] std::size_t shards() const { return std::size_t{data_shards} + parity_shards; }
  bool operator==(const Geometry&) const = default;
};

/// Stripes cut a slice into pieces of kStripeBytes; each stripe becomes k + m shard blocks of equal size,
/// zero padded. Source: docs/on-disk-format.md, Stripe.
inline constexpr std::size_t kFileBlockAlignment = 4096;  ///< Shard blocks in shard files.
inline constexpr std::size_t kInlineBlockAlignment = 64;  ///< Shard blocks in data records.

/// Bytes of one shard block of a stripe that holds `stripe_bytes` object bytes (1 … kStripeBytes).
[[nodiscard]] constexpr std::size_t shard_block_bytes(const Geometry& geometry, std::size_t stripe_bytes,
                                                      std::size_t alignment) {
  const std::size_t share = (stripe_bytes + geometry.data_shards - 1) / geometry.data_shards;
  return (share + alignment - 1) / alignment * alignment;
}

/// Bytes of a whole shard of a slice of `slice_bytes`: every full stripe's block, then the last one's.
[[nodiscard]] constexpr std::uint64_t shard_bytes(const Geometry& geometry, std::uint64_t slice_bytes,
                                                  std::size_t alignment) {
  const std::uint64_t full = slice_bytes / limits::kStripeBytes;
  const std::size_t rest = slice_bytes % limits::kStripeBytes;
  return full * shard_block_bytes(geometry, limits::kStripeBytes, alignment) +
         (rest == 0 ? 0 : shard_block_bytes(geometry, rest, alignment));
}

}  // namespace flashstor::codec

namespace flashstor {
using codec::Geometry;
}
