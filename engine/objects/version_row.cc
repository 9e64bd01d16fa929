#include "engine/objects/version_row.h"

#include <algorithm>

#include "engine/base/codec.h"
#include "engine/codec/checksum.h"
#include "engine/objects/row_codec.h"

namespace flashstor::objects {
namespace {

constexpr std::uint8_t kFormat = 1;
constexpr std::uint8_t kNullFlag = 1;
constexpr std::uint8_t kForeignFlag = 2;
constexpr std::uint8_t kCompositeFlag = 4;

// Numbers of the fields behind the header. On disk: never reuse one.
enum Field : std::uint32_t {
  kForeignId = 1,
  kHeaders = 2,
  kUserMetadata = 3,
  kTags = 4,
  kAcl = 5,
  kWebsite = 6,
  kRetention = 7,
  kLegalHold = 8,
  kPosix = 9,
  kChecksum = 10,
  kParts = 11,
  kSlices = 12,
  kExtentRoot = 13,
  kSegmentBytes = 14,
  kPublishRevision = 15,
  kEmbedded = 16,
  kUploadId = 17,
  kPartsCount = 18,
  kHides = 19,
  kGrants = 20,
};

void encode_header(ByteWriter& out, const VersionRow& row) {
  const VersionHeader& header = row.header;
  std::uint8_t flags = 0;
  if (header.is_null) flags |= kNullFlag;
  if (!row.foreign_id.empty()) flags |= kForeignFlag;
  if (row.checksum.composite) flags |= kCompositeFlag;
  out.u8(kFormat).u8(static_cast<std::uint8_t>(header.kind)).u8(flags);
  out.u8(static_cast<std::uint8_t>(row.attributes.storage_class));
  out.u8(static_cast<std::uint8_t>(row.checksum.kind)).u8(static_cast<std::uint8_t>(header.layout));
  out.u64(header.size).u64(static_cast<std::uint64_t>(header.created_ns));
  out.bytes(header.etag).bytes(row.attributes.owner);
}

VersionHeader read_header(ByteReader& in) {
  VersionHeader header;
  if (in.u8() != kFormat) in.mark_bad();
  header.kind = static_cast<RowKind>(in.u8());
  const std::uint8_t flags = in.u8();
  header.is_null = (flags & kNullFlag) != 0;
  header.has_foreign_id = (flags & kForeignFlag) != 0;
  header.checksum_composite = (flags & kCompositeFlag) != 0;
  header.storage_class = static_cast<StorageClass>(in.u8());
  header.checksum_kind = static_cast<ChecksumKind>(in.u8());
  header.layout = static_cast<Layout>(in.u8());
  header.size = in.u64();
  header.created_ns = static_cast<std::int64_t>(in.u64());
  header.etag = in.bytes();
  header.owner = in.bytes();
  if (header.kind > RowKind::kDocument || header.layout > Layout::kEmbedded) in.mark_bad();
  return header;
}

void encode_attribute_fields(FieldWriter& out, const ObjectAttributes& attributes) {
  if (!(attributes.headers == ContentHeaders{}))
    out.field(kHeaders, [&](ByteWriter& w) { write_headers(w, attributes.headers); });
  if (!attributes.user_metadata.empty())
    out.field(kUserMetadata, [&](ByteWriter& w) { write_pairs(w, attributes.user_metadata); });
  if (!attributes.tags.empty()) out.field(kTags, [&](ByteWriter& w) { write_pairs(w, attributes.tags); });
  if (attributes.acl != 0) out.field(kAcl, [&](ByteWriter& w) { w.u8(attributes.acl); });
  if (!attributes.grants.empty()) out.field(kGrants, [&](ByteWriter& w) { w.append(attributes.grants); });
  if (!attributes.website_redirect.empty())
    out.field(kWebsite, [&](ByteWriter& w) { w.append(attributes.website_redirect); });
  if (attributes.retention.mode != RetentionMode::kNone)
    out.field(kRetention, [&](ByteWriter& w) {
      w.u8(static_cast<std::uint8_t>(attributes.retention.mode)).svarint(attributes.retention.until_ns);
    });
  if (attributes.legal_hold) out.field(kLegalHold, [](ByteWriter& w) { w.boolean(true); });
  if (attributes.posix) out.field(kPosix, [&](ByteWriter& w) { write_posix(w, *attributes.posix); });
}

void encode_data_fields(FieldWriter& out, const VersionRow& row) {
  if (!row.parts.empty()) out.field(kParts, [&](ByteWriter& w) { write_parts(w, row.parts); });
  if (!row.slices.empty()) out.field(kSlices, [&](ByteWriter& w) { write_slices(w, row.slices); });
  if (!row.extent_root.is_nil())
    out.field(kExtentRoot, [&](ByteWriter& w) { w.append(row.extent_root.to_bytes()); });
  if (row.segment_bytes != 0) out.field(kSegmentBytes, [&](ByteWriter& w) { w.varint(row.segment_bytes); });
  if (row.publish_revision != 0)
    out.field(kPublishRevision, [&](ByteWriter& w) { w.varint(row.publish_revision); });
  if (!row.embedded.empty()) out.field(kEmbedded, [&](ByteWriter& w) { w.append(row.embedded); });
  if (!row.upload_id.is_nil())
    out.field(kUploadId, [&](ByteWriter& w) { w.append(row.upload_id.to_bytes()); });
  if (row.parts_count != 0) out.field(kPartsCount, [&](ByteWriter& w) { w.varint(row.parts_count); });
}

bool read_attribute_field(std::uint32_t number, ByteReader& in, ObjectAttributes& attributes) {
  switch (number) {
    case kHeaders:
      attributes.headers = read_headers(in);
      return true;
    case kUserMetadata:
      attributes.user_metadata = read_pairs(in);
      return true;
    case kTags:
      attributes.tags = read_pairs(in);
      return true;
    case kAcl:
      attributes.acl = in.u8();
      return true;
    case kGrants:
      attributes.grants = in.rest();
      return true;
    case kWebsite:
      attributes.website_redirect = in.rest();
      return true;
    case kRetention:
      attributes.retention.mode = static_cast<RetentionMode>(in.u8());
      attributes.retention.until_ns = in.svarint();
      return true;
    case kLegalHold:
      attributes.legal_hold = in.boolean();
      return true;
    case kPosix:
      attributes.posix = read_posix(in);
      return true;
    default:
      return false;
  }
}

bool read_data_field(std::uint32_t number, ByteReader& in, VersionRow& row) {
  switch (number) {
    case kForeignId:
      row.foreign_id = in.rest();
      return true;
    case kChecksum:
      row.checksum.value = in.rest();
      return true;
    case kParts:
      row.parts = read_parts(in);
      return true;
    case kSlices:
      row.slices = read_slices(in);
      return true;
    case kExtentRoot:
      row.extent_root = Uuid::from_bytes(in.rest());
      return true;
    case kSegmentBytes:
      row.segment_bytes = static_cast<std::uint32_t>(in.varint());
      return true;
    case kPublishRevision:
      row.publish_revision = in.varint();
      return true;
    case kEmbedded:
      row.embedded = in.rest();
      return true;
    case kUploadId:
      row.upload_id = Uuid::from_bytes(in.rest());
      return true;
    case kPartsCount:
      row.parts_count = static_cast<std::uint32_t>(in.varint());
      return true;
    case kHides:
      row.hides = read_id(in);
      return true;
    default:
      return false;
  }
}

}  // namespace

std::string VersionRow::shown_id() const {
  if (header.is_null) return std::string(kNullVersionId);
  return foreign_id.empty() ? id.to_text() : foreign_id;
}

std::string encode_version(const VersionRow& row) {
  ByteWriter out;
  encode_header(out, row);
  write_id(out, row.id);
  FieldWriter fields(out);
  if (!row.foreign_id.empty()) fields.field(kForeignId, [&](ByteWriter& w) { w.append(row.foreign_id); });
  encode_attribute_fields(fields, row.attributes);
  if (!row.checksum.value.empty())
    fields.field(kChecksum, [&](ByteWriter& w) { w.append(row.checksum.value); });
  encode_data_fields(fields, row);
  if (row.hides.is_set()) fields.field(kHides, [&](ByteWriter& w) { write_id(w, row.hides); });
  for (const auto& [number, bytes] : row.unknown)
    fields.field(number, [&](ByteWriter& w) { w.append(bytes); });
  return seal(std::move(out));
}

Result<VersionRow> decode_version(std::string_view bytes) {
  const auto body = unseal(bytes);
  if (!body) return fail(ErrorCode::kCorrupt, "a version row's checksum does not match");
  ByteReader in(*body);
  VersionRow row;
  row.header = read_header(in);
  row.id = read_id(in);
  row.attributes.owner = row.header.owner;
  row.attributes.storage_class = row.header.storage_class;
  row.checksum.kind = row.header.checksum_kind;
  row.checksum.composite = row.header.checksum_composite;
  while (in.ok() && !in.at_end()) {
    const auto number = static_cast<std::uint32_t>(in.varint());
    const std::string_view value = in.bytes();
    ByteReader field(value);
    if (!read_attribute_field(number, field, row.attributes) && !read_data_field(number, field, row))
      row.unknown.emplace_back(number, value);
    if (!field.ok()) in.mark_bad();
  }
  if (!in.ok()) return fail(ErrorCode::kMalformed, "a version row that this version cannot read");
  return row;
}

Result<VersionHeader> decode_version_header(std::string_view bytes) {
  ByteReader in(bytes);
  VersionHeader header = read_header(in);
  if (!in.ok()) return fail(ErrorCode::kMalformed, "a version row that this version cannot read");
  return header;
}

std::string encode_slices(const SlicesRow& row) {
  ByteWriter out;
  out.u8(kFormat);
  write_parts(out, row.parts);
  write_slices(out, row.slices);
  return seal(std::move(out));
}

Result<SlicesRow> decode_slices(std::string_view bytes) {
  const auto body = unseal(bytes);
  if (!body) return fail(ErrorCode::kCorrupt, "a slices row's checksum does not match");
  ByteReader in(*body);
  SlicesRow row;
  if (in.u8() != kFormat) in.mark_bad();
  row.parts = read_parts(in);
  row.slices = read_slices(in);
  if (!in.ok() || !in.at_end()) return fail(ErrorCode::kMalformed, "a slices row that does not parse");
  return row;
}

std::string encode_segment(const std::vector<SegmentSlice>& slices) {
  ByteWriter out;
  out.u8(kFormat).varint(slices.size());
  for (const SegmentSlice& each : slices) {
    write_slice(out, each.slice);
    out.varint(each.at).varint(each.revision);
  }
  return seal(std::move(out));
}

Result<std::vector<SegmentSlice>> decode_segment(std::string_view bytes) {
  const auto body = unseal(bytes);
  if (!body) return fail(ErrorCode::kCorrupt, "a segment row's checksum does not match");
  ByteReader in(*body);
  if (in.u8() != kFormat) in.mark_bad();
  std::vector<SegmentSlice> slices;
  const std::uint64_t count = in.varint();
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    SegmentSlice each;
    each.slice = read_slice(in);
    each.at = static_cast<std::uint32_t>(in.varint());
    each.revision = in.varint();
    slices.push_back(std::move(each));
  }
  if (!in.ok() || !in.at_end()) return fail(ErrorCode::kMalformed, "a segment row that does not parse");
  return slices;
}

}  // namespace flashstor::objects
