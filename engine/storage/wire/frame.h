#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "engine/base/buffer.h"
#include "engine/base/error.h"

/// What nodes say to each other: checksummed binary frames on a connection that was upgraded from HTTP.
namespace flashstor::storage::wire {

/// Raised when frames or their payloads change in a way that older nodes do not read.
inline constexpr std::uint32_t kProtocolVersion = 8;

enum class FrameKind : std::uint8_t {
  kCall = 1,     ///< Wants an answer with the same call number.
  kAnswer = 2,   ///< The answer.
  kFailure = 3,  ///< The answer is an error: head is encode_error.
  kNotice = 4,   ///< Wants none.
};

/// The fixed front of a frame. `head` holds the encoded fields, `body` bulk bytes (shards, rows).
struct FrameHeader {
  FrameKind kind = FrameKind::kCall;
  std::uint16_t method = 0;
  std::uint64_t call = 0;
  std::uint32_t head_bytes = 0;
  std::uint32_t body_bytes = 0;
  std::uint32_t payload_checksum = 0;  ///< CRC32C of head, then body.
  bool operator==(const FrameHeader&) const = default;
};
inline constexpr std::size_t kFrameHeaderBytes = 32;
inline constexpr std::size_t kMaxFrameHeadBytes = 12 * 1024 * 1024;
inline constexpr std::size_t kMaxFrameBodyBytes = 16 * 1024 * 1024;

/// Layout, little-endian: magic "FSp1", kind u8, zero u8, method u16, call u64, head u32, body u32, payload
/// CRC32C, CRC32C of the 28 bytes before.
[[nodiscard]] std::array<std::byte, kFrameHeaderBytes> encode_header(const FrameHeader& header);
/// Errors: kMalformed for anything that `encode_header` does not write.
[[nodiscard]] Result<FrameHeader> decode_header(std::span<const std::byte, kFrameHeaderBytes> bytes);

/// Payload of a frame in memory. What was received lies in two blocks, one for each.
struct Payload {
  Buffer head;
  BufferChain body;
};
[[nodiscard]] inline Payload payload_of(const std::string& head, BufferChain body = {}) {
  return {.head = Buffer::copy_of(head), .body = std::move(body)};
}
[[nodiscard]] std::uint32_t checksum_of(const Payload& payload);

/// An error as it travels: code and words, without causes.
[[nodiscard]] std::string encode_error(const Error& error);
/// Errors that do not parse become kMalformed.
[[nodiscard]] Error decode_error(std::string_view bytes);

}  // namespace flashstor::storage::wire
