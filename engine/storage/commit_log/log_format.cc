#include "engine/storage/commit_log/log_format.h"

#include <algorithm>
#include <cstring>

#include "engine/base/codec.h"
#include "engine/codec/geometry.h"

namespace flashstor::storage {
namespace {

constexpr std::string_view kSegmentMagic = "FLSHSEG1";
constexpr std::uint32_t kBatchMagic = 0x424c5346;  // "FSLB"
constexpr std::uint16_t kLogVersion = 1;
constexpr std::size_t kChecksumAt = 40;  // of a batch header
constexpr std::uint8_t kPositionVersion = 1;

std::string_view view_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Header up to its checksum seeds the body's hash, so that one number covers both.
codec::Hash128 batch_checksum(std::span<const std::byte> batch) {
  const codec::Hash128 head = codec::xxh3_128(batch.first(kChecksumAt));
  return codec::xxh3_128(batch.subspan(kBatchHeaderBytes), head.low ^ head.high);
}

}  // namespace

std::string encode_segment_header(const SegmentHeader& header) {
  ByteWriter out;
  out.append(kSegmentMagic).u16(kLogVersion).u32(header.number).u32(header.bytes).u64(header.salt);
  out.u64(header.first_sequence).u64(header.drive_id.high).u64(header.drive_id.low);
  const codec::Hash128 sum = codec::xxh3_128(std::as_bytes(std::span(out.view())));
  out.u64(sum.low).u64(sum.high);
  std::string block = out.take();
  block.resize(limits::kLogBlockBytes, '\0');
  return block;
}

Result<SegmentHeader> decode_segment_header(std::string_view block) {
  ByteReader in(block);
  SegmentHeader header;
  if (in.raw(kSegmentMagic.size()) != kSegmentMagic || in.u16() != kLogVersion)
    return fail(ErrorCode::kCorrupt, "not a log segment of this version");
  header.number = in.u32();
  header.bytes = in.u32();
  header.salt = in.u64();
  header.first_sequence = in.u64();
  header.drive_id.high = in.u64();
  header.drive_id.low = in.u64();
  if (!in.ok()) return fail(ErrorCode::kCorrupt, "log segment header is cut off");
  const std::size_t size = block.size() - in.rest().size();
  const codec::Hash128 sum = codec::xxh3_128(std::as_bytes(std::span(block.substr(0, size))));
  const std::uint64_t low = in.u64();
  const std::uint64_t high = in.u64();
  if (!in.ok() || sum != codec::Hash128{low, high})
    return fail(ErrorCode::kCorrupt, "log segment header does not match its checksum");
  if (header.bytes % limits::kLogBlockBytes != 0 || header.bytes < 2 * limits::kLogBlockBytes)
    return fail(ErrorCode::kCorrupt, "log segment header names a size that cannot be");
  return header;
}

void seal_batch(std::span<std::byte> batch, const BatchHeader& header) {
  ByteWriter out;
  out.u32(kBatchMagic).u16(kLogVersion).u16(0).u64(header.sequence).u64(header.salt);
  out.u32(header.body_bytes).u32(header.previous).u64(header.synced_through);
  std::memcpy(batch.data(), out.view().data(), kChecksumAt);
  const codec::Hash128 sum = batch_checksum(batch);
  std::memcpy(batch.data() + kChecksumAt, &sum.low, 8);
  std::memcpy(batch.data() + kChecksumAt + 8, &sum.high, 8);
  std::memset(batch.data() + kChecksumAt + 16, 0, kBatchHeaderBytes - kChecksumAt - 16);
}

std::optional<BatchHeader> peek_batch(std::span<const std::byte> bytes, std::uint64_t salt) {
  if (bytes.size() < kBatchHeaderBytes) return std::nullopt;
  ByteReader in(view_of(bytes));
  BatchHeader header;
  if (in.u32() != kBatchMagic || in.u16() != kLogVersion || in.u16() != 0) return std::nullopt;
  header.sequence = in.u64();
  header.salt = in.u64();
  header.body_bytes = in.u32();
  header.previous = in.u32();
  if (header.salt != salt) return std::nullopt;
  header.synced_through = in.u64();
  if (header.body_bytes == 0 || header.body_bytes > limits::kMaxBatchBytes) return std::nullopt;
  return header;
}

std::uint32_t batch_mark(std::span<const std::byte> batch) {
  std::uint32_t mark = 0;
  std::memcpy(&mark, batch.data() + kChecksumAt, sizeof(mark));
  return std::max(mark, 1U);
}

bool batch_is_whole(std::span<const std::byte> batch) {
  if (batch.size() < kBatchHeaderBytes) return false;
  codec::Hash128 stored;
  std::memcpy(&stored.low, batch.data() + kChecksumAt, 8);
  std::memcpy(&stored.high, batch.data() + kChecksumAt + 8, 8);
  return batch_checksum(batch) == stored;
}

std::size_t block_bytes_of(const DataRef& ref) {
  const std::size_t alignment =
      ref.place == DataPlace::kFile ? codec::kFileBlockAlignment : codec::kInlineBlockAlignment;
  const auto stripe =
      static_cast<std::size_t>(std::min<std::uint64_t>(ref.length, flashstor::limits::kStripeBytes));
  // A staged shard's length is known at its end only: its blocks are those of a full stripe then.
  return codec::shard_block_bytes(ref.geometry, stripe == 0 ? flashstor::limits::kStripeBytes : stripe,
                                  alignment);
}

std::uint64_t shard_bytes_of(const DataRef& ref) {
  return codec::shard_bytes(
      ref.geometry, ref.length,
      ref.place == DataPlace::kFile ? codec::kFileBlockAlignment : codec::kInlineBlockAlignment);
}

std::uint32_t block_count_of(const DataRef& ref) {
  return static_cast<std::uint32_t>((ref.length + flashstor::limits::kStripeBytes - 1) /
                                    flashstor::limits::kStripeBytes);
}

ByteRange blocks_of(const DataRef& ref, std::uint32_t first, std::uint32_t count) {
  const std::uint64_t block = block_bytes_of(ref);
  const std::uint64_t whole = shard_bytes_of(ref);
  return {std::min(whole, first * block), std::min(whole, (std::uint64_t{first} + count) * block)};
}

std::vector<codec::Hash128> block_checksums(const DataRef& ref, std::span<const std::byte> bytes) {
  const std::size_t block = block_bytes_of(ref);
  std::vector<codec::Hash128> sums;
  sums.reserve(block_count_of(ref));
  for (std::size_t at = 0; at < bytes.size(); at += block)
    sums.push_back(codec::xxh3_128(bytes.subspan(at, std::min(block, bytes.size() - at))));
  return sums;
}

std::string encode_data_position(const DataPosition& data) {
  ByteWriter out;
  out.u8(kPositionVersion).varint(data.at.segment).varint(data.at.offset).varint(data.at.length);
  out.u8(encode_shard(data)).varint(data.ref.set).u8(data.ref.geometry.data_shards);
  out.u8(data.ref.geometry.parity_shards).varint(data.ref.length).varint(data.checksums.size());
  for (const codec::Hash128& sum : data.checksums) out.u64(sum.low).u64(sum.high);
  out.u32(codec::crc32c(0, std::as_bytes(std::span(out.view()))));
  return out.take();
}

Result<DataPosition> decode_data_position(std::string_view value, const DataId& id) {
  const auto corrupt = [] { return fail(ErrorCode::kCorrupt, "row of an inline shard does not parse"); };
  if (value.size() < 5) return corrupt();
  const std::string_view body = value.substr(0, value.size() - 4);
  ByteReader tail(value.substr(value.size() - 4));
  if (tail.u32() != codec::crc32c(0, std::as_bytes(std::span(body)))) return corrupt();
  ByteReader in(body);
  if (in.u8() != kPositionVersion) return corrupt();
  DataPosition data;
  data.at.segment = static_cast<std::uint32_t>(in.varint());
  data.at.offset = static_cast<std::uint32_t>(in.varint());
  data.at.length = static_cast<std::uint32_t>(in.varint());
  decode_shard(in.u8(), data);
  data.ref.id = id;
  data.ref.place = DataPlace::kLog;
  data.ref.set = static_cast<std::uint32_t>(in.varint());
  data.ref.geometry.data_shards = in.u8();
  data.ref.geometry.parity_shards = in.u8();
  data.ref.length = in.varint();
  const std::uint64_t sums = in.varint();
  for (std::uint64_t i = 0; i < sums && in.ok(); ++i) {
    codec::Hash128 sum;
    sum.low = in.u64();
    sum.high = in.u64();
    data.checksums.push_back(sum);
  }
  if (!in.ok() || !in.at_end() || data.ref.geometry.data_shards == 0) return corrupt();
  return data;
}

}  // namespace flashstor::storage
