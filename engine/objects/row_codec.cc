#include "engine/objects/row_codec.h"

#include <span>

#include "engine/codec/checksum.h"

namespace flashstor::objects {
namespace {

constexpr std::size_t kSealBytes = 4;

std::uint32_t checksum_of(std::string_view bytes) {
  return static_cast<std::uint32_t>(codec::xxh3_128(std::as_bytes(std::span(bytes))).low);
}

void write_time(ByteWriter& out, const std::optional<WallTime>& time) {
  out.boolean(time.has_value());
  if (time) out.svarint(base::to_nanoseconds(*time));
}

std::optional<WallTime> read_time(ByteReader& in) {
  if (!in.boolean()) return std::nullopt;
  return base::from_nanoseconds(in.svarint());
}

void write_texts(ByteWriter& out, const std::vector<std::string>& texts) {
  out.varint(texts.size());
  for (const auto& text : texts) out.bytes(text);
}

std::vector<std::string> read_texts(ByteReader& in) {
  std::vector<std::string> texts;
  const std::uint64_t count = in.varint();
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) texts.emplace_back(in.bytes());
  return texts;
}

}  // namespace

std::string seal(ByteWriter out) {
  out.u32(checksum_of(out.view()));
  return out.take();
}

std::optional<std::string_view> unseal(std::string_view bytes) {
  if (bytes.size() < kSealBytes) return std::nullopt;
  const std::string_view body = bytes.substr(0, bytes.size() - kSealBytes);
  if (ByteReader(bytes.substr(body.size())).u32() != checksum_of(body)) return std::nullopt;
  return body;
}

void write_id(ByteWriter& out, const VersionId& id) {
  out.u64(static_cast<std::uint64_t>(id.time_ns)).u64(id.random);
}
VersionId read_id(ByteReader& in) {
  VersionId id;
  id.time_ns = static_cast<std::int64_t>(in.u64());
  id.random = in.u64();
  return id;
}

void write_uuid(ByteWriter& out, const Uuid& id) { out.u64(id.high).u64(id.low); }
Uuid read_uuid(ByteReader& in) {
  Uuid id;
  id.high = in.u64();
  id.low = in.u64();
  return id;
}

void write_pairs(ByteWriter& out, const Pairs& pairs) {
  out.varint(pairs.size());
  for (const auto& [name, value] : pairs) out.bytes(name).bytes(value);
}
Pairs read_pairs(ByteReader& in) {
  Pairs pairs;
  const std::uint64_t count = in.varint();
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    std::string name(in.bytes());
    pairs.emplace_back(std::move(name), in.bytes());
  }
  return pairs;
}

void write_headers(ByteWriter& out, const ContentHeaders& headers) {
  out.bytes(headers.type).bytes(headers.encoding).bytes(headers.disposition);
  out.bytes(headers.language).bytes(headers.cache_control).bytes(headers.expires);
}
ContentHeaders read_headers(ByteReader& in) {
  ContentHeaders headers;
  headers.type = in.bytes();
  headers.encoding = in.bytes();
  headers.disposition = in.bytes();
  headers.language = in.bytes();
  headers.cache_control = in.bytes();
  headers.expires = in.bytes();
  return headers;
}

void write_posix(ByteWriter& out, const PosixAttributes& posix) {
  write_uuid(out, posix.inode);
  out.u8(static_cast<std::uint8_t>(posix.kind)).varint(posix.mode).varint(posix.uid).varint(posix.gid);
  out.varint(posix.rdev).svarint(posix.mtime_ns).svarint(posix.ctime_ns).svarint(posix.atime_ns);
  out.varint(posix.nlink).boolean(posix.is_link).bytes(posix.symlink_target);
  write_pairs(out, posix.xattrs);
}
PosixAttributes read_posix(ByteReader& in) {
  PosixAttributes posix;
  posix.inode = read_uuid(in);
  posix.kind = static_cast<FileKind>(in.u8());
  posix.mode = static_cast<std::uint32_t>(in.varint());
  posix.uid = static_cast<std::uint32_t>(in.varint());
  posix.gid = static_cast<std::uint32_t>(in.varint());
  posix.rdev = in.varint();
  posix.mtime_ns = in.svarint();
  posix.ctime_ns = in.svarint();
  posix.atime_ns = in.svarint();
  posix.nlink = static_cast<std::uint32_t>(in.varint());
  posix.is_link = in.boolean();
  posix.symlink_target = in.bytes();
  posix.xattrs = read_pairs(in);
  if (posix.kind > FileKind::kCharDevice) in.mark_bad();
  return posix;
}

void write_slice(ByteWriter& out, const Slice& slice) {
  const DataRef& data = slice.data;
  write_uuid(out, data.id);
  out.varint(data.set).u8(data.geometry.data_shards).u8(data.geometry.parity_shards);
  out.u8(static_cast<std::uint8_t>(data.place)).varint(data.length);
  out.varint(slice.offset).varint(slice.length).boolean(!slice.referrer.is_nil());
  if (!slice.referrer.is_nil()) write_uuid(out, slice.referrer);
}
Slice read_slice(ByteReader& in) {
  Slice slice;
  slice.data.id = read_uuid(in);
  slice.data.set = static_cast<std::uint32_t>(in.varint());
  slice.data.geometry.data_shards = in.u8();
  slice.data.geometry.parity_shards = in.u8();
  slice.data.place = static_cast<DataPlace>(in.u8());
  slice.data.length = in.varint();
  slice.offset = in.varint();
  slice.length = in.varint();
  if (in.boolean()) slice.referrer = read_uuid(in);
  const bool is_hole = slice.data.place == DataPlace::kNone;
  const std::uint64_t end = slice.offset + slice.length;
  if (slice.data.place > DataPlace::kFile || end < slice.offset || (!is_hole && end > slice.data.length) ||
      slice.data.geometry.data_shards == 0)
    in.mark_bad();
  return slice;
}

void write_slices(ByteWriter& out, const std::vector<Slice>& slices) {
  out.varint(slices.size());
  for (const Slice& slice : slices) write_slice(out, slice);
}
std::vector<Slice> read_slices(ByteReader& in) {
  std::vector<Slice> slices;
  const std::uint64_t count = in.varint();
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) slices.push_back(read_slice(in));
  return slices;
}

void write_parts(ByteWriter& out, const std::vector<PartInfo>& parts) {
  out.varint(parts.size());
  for (const PartInfo& part : parts)
    out.varint(part.number).varint(part.size).bytes(part.etag).bytes(part.checksum);
}
std::vector<PartInfo> read_parts(ByteReader& in) {
  std::vector<PartInfo> parts;
  const std::uint64_t count = in.varint();
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    PartInfo part;
    part.number = static_cast<std::uint32_t>(in.varint());
    part.size = in.varint();
    part.etag = in.bytes();
    part.checksum = in.bytes();
    parts.push_back(std::move(part));
  }
  return parts;
}

void write_conditions(ByteWriter& out, const Conditions& conditions) {
  out.boolean(!conditions.empty());
  if (conditions.empty()) return;
  write_texts(out, conditions.if_match);
  write_texts(out, conditions.if_none_match);
  write_time(out, conditions.if_modified_since);
  write_time(out, conditions.if_unmodified_since);
  out.boolean(conditions.if_match_size.has_value()).varint(conditions.if_match_size.value_or(0));
  write_time(out, conditions.if_match_modified);
}
Conditions read_conditions(ByteReader& in) {
  Conditions conditions;
  if (!in.boolean()) return conditions;
  conditions.if_match = read_texts(in);
  conditions.if_none_match = read_texts(in);
  conditions.if_modified_since = read_time(in);
  conditions.if_unmodified_since = read_time(in);
  const bool has_size = in.boolean();
  const std::uint64_t size = in.varint();
  if (has_size) conditions.if_match_size = size;
  conditions.if_match_modified = read_time(in);
  return conditions;
}

}  // namespace flashstor::objects
