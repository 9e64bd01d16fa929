#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/base/buffer.h"
#include "engine/base/error.h"
#include "engine/codec/geometry.h"

namespace flashstor::codec {

/// Bit i is set when shard i holds data.
using PresenceMask = std::uint32_t;

/// Reed-Solomon over GF(2^8) with a Cauchy matrix, for one geometry: any k of the k + m shards give the rest.
/// Holds the encoding tables and a bounded cache of decoding tables.
/// Threads: one; `erasure_coder` gives each thread its own.
/// Source:  docs/on-disk-format.md, Stripe; ISA-L ec_encode_data, gf_gen_cauchy1_matrix.
class ErasureCoder {
 public:
  explicit ErasureCoder(Geometry geometry);
  ErasureCoder(const ErasureCoder&) = delete;
  ErasureCoder& operator=(const ErasureCoder&) = delete;
  ~ErasureCoder();

  /// Computes the m parity blocks (shards k … k + m - 1) of one stripe from its k data blocks.
  /// Shapes: shards[k + m], each `block_bytes` long.  CPU: about k * m * block_bytes / 13 GB/s at m = 2.
  void encode(std::span<std::byte* const> shards, std::size_t block_bytes) const;
  /// Computes every block named in `wanted` from the first k of those in `present`.
  /// Shapes: shards[k + m], each `block_bytes` long; those in neither mask may be null.
  /// Errors: kReadQuorum when fewer than k are present.
  Result<void> rebuild(std::span<std::byte* const> shards, std::size_t block_bytes, PresenceMask present,
                       PresenceMask wanted);

 private:
  struct Tables;
  const Tables& tables_for(PresenceMask sources, PresenceMask wanted);

  Geometry geometry_;
  std::vector<std::uint8_t> matrix_;         // (k + m) x k
  std::vector<std::uint8_t> encode_tables_;  // 32 bytes an element of the parity rows
  std::vector<std::unique_ptr<Tables>> decode_tables_;
  std::size_t next_evicted_ = 0;
};

/// This thread's coder of `geometry`; lives as long as the thread.
[[nodiscard]] ErasureCoder& erasure_coder(Geometry geometry);

/// The k + m shard blocks of one stripe of object bytes (1 … kStripeBytes), data first, zero padded to
/// `alignment`. Blocks are slices of `stripe` itself where it lies so that no copy is needed.
[[nodiscard]] std::vector<Buffer> encode_stripe(Geometry geometry, const BufferChain& stripe,
                                                std::size_t alignment);

}  // namespace flashstor::codec
