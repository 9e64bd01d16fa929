#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace flashstor::codec {

/// The digests that clients send and the store keeps.
enum class ChecksumKind : std::uint8_t { kMd5, kSha1, kSha256, kCrc32, kCrc32c, kCrc64Nvme, kXxh3 };

/// Bytes of a digest.
[[nodiscard]] std::size_t digest_bytes(ChecksumKind kind);

/// A digest over bytes that come piece by piece. Threads: one at a time.
class Hasher {
 public:
  virtual ~Hasher() = default;
  virtual void update(std::span<const std::byte> bytes) = 0;
  void update(std::string_view bytes) { update(std::as_bytes(std::span(bytes))); }
  /// The digest's bytes (numbers big-endian, as S3 encodes them). Once, after the last update.
  [[nodiscard]] virtual std::string finish() = 0;
};
[[nodiscard]] std::unique_ptr<Hasher> make_hasher(ChecksumKind kind);

/// The digest of bytes that are all there.
[[nodiscard]] std::string digest_of(ChecksumKind kind, std::span<const std::byte> bytes);
[[nodiscard]] inline std::string digest_of(ChecksumKind kind, std::string_view bytes) {
  return digest_of(kind, std::as_bytes(std::span(bytes)));
}

// Checksums as numbers, to be carried on: `crc` is 0 at the start and what the call before gave later.
[[nodiscard]] std::uint32_t crc32(std::uint32_t crc, std::span<const std::byte> bytes);   ///< IEEE, as zlib.
[[nodiscard]] std::uint32_t crc32c(std::uint32_t crc, std::span<const std::byte> bytes);  ///< Castagnoli.
/// CRC-64/NVME: polynomial 0xad93d23594c93659, reflected, initial and final value all ones.
[[nodiscard]] std::uint64_t crc64nvme(std::uint64_t crc, std::span<const std::byte> bytes);

// The checksum of A followed by B, from those of A and B and B's length. CPU: under 1 us.
[[nodiscard]] std::uint32_t combine_crc32(std::uint32_t first, std::uint32_t second,
                                          std::uint64_t second_bytes);
[[nodiscard]] std::uint32_t combine_crc32c(std::uint32_t first, std::uint32_t second,
                                           std::uint64_t second_bytes);
[[nodiscard]] std::uint64_t combine_crc64nvme(std::uint64_t first, std::uint64_t second,
                                              std::uint64_t second_bytes);

struct Hash128 {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  bool operator==(const Hash128&) const = default;
};
/// XXH3-128: not for secrets; the store's own checksum of blocks and rows.
[[nodiscard]] Hash128 xxh3_128(std::span<const std::byte> bytes, std::uint64_t seed = 0);

}  // namespace flashstor::codec
