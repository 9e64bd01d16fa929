#include "engine/storage/wire/frame.h"

#include <cstring>

#include "engine/base/codec.h"
#include "engine/codec/checksum.h"

namespace flashstor::storage::wire {
namespace {

constexpr std::uint32_t kMagic = 0x31705346;  // "FSp1"
constexpr std::size_t kChecked = kFrameHeaderBytes - 4;
constexpr std::size_t kMaxErrorWords = 1024;

}  // namespace

std::array<std::byte, kFrameHeaderBytes> encode_header(const FrameHeader& header) {
  ByteWriter out;
  out.u32(kMagic).u8(static_cast<std::uint8_t>(header.kind)).u8(0).u16(header.method).u64(header.call);
  out.u32(header.head_bytes).u32(header.body_bytes).u32(header.payload_checksum);
  out.u32(codec::crc32c(0, std::as_bytes(std::span(out.view()))));
  std::array<std::byte, kFrameHeaderBytes> bytes;
  std::memcpy(bytes.data(), out.view().data(), bytes.size());
  return bytes;
}

Result<FrameHeader> decode_header(std::span<const std::byte, kFrameHeaderBytes> bytes) {
  ByteReader in({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  FrameHeader header;
  const std::uint32_t magic = in.u32();
  const std::uint8_t kind = in.u8();
  const std::uint8_t zero = in.u8();
  header.method = in.u16();
  header.call = in.u64();
  header.head_bytes = in.u32();
  header.body_bytes = in.u32();
  header.payload_checksum = in.u32();
  const std::uint32_t checksum = in.u32();
  if (magic != kMagic || checksum != codec::crc32c(0, bytes.first(kChecked)))
    return fail(ErrorCode::kMalformed, "not a frame of this protocol");
  if (zero != 0 || kind < static_cast<std::uint8_t>(FrameKind::kCall) ||
      kind > static_cast<std::uint8_t>(FrameKind::kNotice) || header.head_bytes > kMaxFrameHeadBytes ||
      header.body_bytes > kMaxFrameBodyBytes)
    return fail(ErrorCode::kMalformed, "a frame of a kind or size that this version does not know");
  header.kind = static_cast<FrameKind>(kind);
  return header;
}

std::uint32_t checksum_of(const Payload& payload) {
  std::uint32_t crc = codec::crc32c(0, payload.head.span());
  for (const Buffer& slice : payload.body.slices()) crc = codec::crc32c(crc, slice.span());
  return crc;
}

std::string encode_error(const Error& error) {
  ByteWriter out;
  out.u16(static_cast<std::uint16_t>(error.code())).bytes(error.message().substr(0, kMaxErrorWords));
  return out.take();
}

Error decode_error(std::string_view bytes) {
  ByteReader in(bytes);
  const std::uint16_t code = in.u16();
  std::string words(in.bytes());
  if (!in.ok() || !in.at_end() || code > static_cast<std::uint16_t>(ErrorCode::kQuotaExceeded) ||
      words.size() > kMaxErrorWords)
    return Error(ErrorCode::kMalformed, "a peer's error does not parse");
  return Error(static_cast<ErrorCode>(code), std::move(words));
}

}  // namespace flashstor::storage::wire
