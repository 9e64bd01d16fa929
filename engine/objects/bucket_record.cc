#include "engine/objects/bucket_record.h"

#include "engine/objects/row_codec.h"

namespace flashstor::objects {
namespace {

// Numbers of the fields. On disk: never reuse one.
enum Field : std::uint32_t {
  kName = 1,
  kId = 2,
  kOwner = 3,
  kRegion = 4,
  kCreated = 5,
  kEpoch = 6,
  kVersioning = 7,
  kAcl = 8,
  kObjectLock = 9,
  kDeleting = 10,
  kConfig = 11,  ///< One a document: kind, bytes.
  kGrants = 12,
};

}  // namespace

std::string bucket_path(std::string_view name) { return std::string("buckets/").append(name); }

std::string encode_bucket(const Bucket& bucket) {
  ByteWriter out;
  out.u8(1);
  FieldWriter fields(out);
  fields.field(kName, [&](ByteWriter& w) { w.append(bucket.name); });
  fields.field(kId, [&](ByteWriter& w) { write_uuid(w, bucket.id); });
  fields.field(kOwner, [&](ByteWriter& w) { w.append(bucket.owner); });
  fields.field(kRegion, [&](ByteWriter& w) { w.append(bucket.region); });
  fields.field(kCreated, [&](ByteWriter& w) { w.svarint(base::to_nanoseconds(bucket.created)); });
  fields.field(kEpoch, [&](ByteWriter& w) { w.varint(bucket.epoch); });
  fields.field(kVersioning, [&](ByteWriter& w) { w.u8(static_cast<std::uint8_t>(bucket.versioning)); });
  fields.field(kAcl, [&](ByteWriter& w) { w.u8(bucket.acl); });
  if (!bucket.grants.empty()) fields.field(kGrants, [&](ByteWriter& w) { w.append(bucket.grants); });
  fields.field(kObjectLock, [&](ByteWriter& w) { w.boolean(bucket.object_lock); });
  if (!bucket.deleting.is_nil())
    fields.field(kDeleting, [&](ByteWriter& w) { write_uuid(w, bucket.deleting); });
  for (const auto& [kind, bytes] : bucket.configs)
    fields.field(kConfig, [&](ByteWriter& w) { w.bytes(kind).bytes(bytes); });
  return out.take();
}

Result<Bucket> decode_bucket(std::string_view bytes) {
  ByteReader in(bytes);
  Bucket bucket;
  if (in.u8() != 1) in.mark_bad();
  while (in.ok() && !in.at_end()) {
    const std::uint64_t number = in.varint();
    ByteReader value(in.bytes());
    switch (number) {
      case kName:
        bucket.name = value.rest();
        break;
      case kId:
        bucket.id = read_uuid(value);
        break;
      case kOwner:
        bucket.owner = value.rest();
        break;
      case kRegion:
        bucket.region = value.rest();
        break;
      case kCreated:
        bucket.created = base::from_nanoseconds(value.svarint());
        break;
      case kEpoch:
        bucket.epoch = value.varint();
        break;
      case kVersioning:
        bucket.versioning = static_cast<Versioning>(value.u8());
        break;
      case kAcl:
        bucket.acl = value.u8();
        break;
      case kGrants:
        bucket.grants = value.rest();
        break;
      case kObjectLock:
        bucket.object_lock = value.boolean();
        break;
      case kDeleting:
        bucket.deleting = read_uuid(value);
        break;
      case kConfig: {
        std::string kind(value.bytes());
        bucket.configs[std::move(kind)] = value.bytes();
        break;
      }
      default:
        break;
    }
    if (!value.ok()) in.mark_bad();
  }
  if (!in.ok() || bucket.id.is_nil() || bucket.versioning > Versioning::kSuspended)
    return fail(ErrorCode::kMalformed, "a bucket's record that this version cannot read");
  return bucket;
}

}  // namespace flashstor::objects
