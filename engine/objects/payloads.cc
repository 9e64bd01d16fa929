#include "engine/objects/payloads.h"

#include "engine/objects/row_codec.h"

namespace flashstor::objects {
namespace {

void write_target(ByteWriter& out, const Target& target) {
  write_uuid(out, target.bucket);
  out.varint(target.epoch).u8(static_cast<std::uint8_t>(target.versioning)).bytes(target.key);
}
Target read_target(ByteReader& in) {
  Target target;
  target.bucket = read_uuid(in);
  target.epoch = in.varint();
  target.versioning = static_cast<Versioning>(in.u8());
  target.key = in.bytes();
  if (target.versioning > Versioning::kSuspended) in.mark_bad();
  return target;
}

void write_row(ByteWriter& out, const VersionRow& row) { out.bytes(encode_version(row)); }
VersionRow read_row(ByteReader& in) {
  auto row = decode_version(in.bytes());
  if (row) return std::move(*row);
  in.mark_bad();
  return {};
}

void write_checksum(ByteWriter& out, const Checksum& checksum) {
  out.u8(static_cast<std::uint8_t>(checksum.kind)).boolean(checksum.composite).bytes(checksum.value);
}
Checksum read_checksum(ByteReader& in) {
  Checksum checksum;
  checksum.kind = static_cast<ChecksumKind>(in.u8());
  checksum.composite = in.boolean();
  checksum.value = in.bytes();
  return checksum;
}

template <class Payload>
Result<Payload> checked(const ByteReader& in, Payload payload) {
  if (!in.ok()) return fail(ErrorCode::kMalformed, "a command that does not parse");
  return payload;
}

}  // namespace

std::string encode(const PutVersionPayload& payload) {
  ByteWriter out;
  write_target(out, payload.target);
  write_conditions(out, payload.conditions);
  write_row(out, payload.row);
  out.boolean(payload.has_data).bytes(payload.slices_row);
  return out.take();
}
template <>
Result<PutVersionPayload> decode(std::string_view bytes) {
  ByteReader in(bytes);
  PutVersionPayload payload;
  payload.target = read_target(in);
  payload.conditions = read_conditions(in);
  payload.row = read_row(in);
  payload.has_data = in.boolean();
  payload.slices_row = in.bytes();
  return checked(in, std::move(payload));
}

std::string encode(const DeleteVersionPayload& payload) {
  ByteWriter out;
  write_target(out, payload.target);
  out.bytes(payload.version_id);
  write_conditions(out, payload.conditions);
  out.boolean(payload.bypass_governance).bytes(payload.owner);
  return out.take();
}
template <>
Result<DeleteVersionPayload> decode(std::string_view bytes) {
  ByteReader in(bytes);
  DeleteVersionPayload payload;
  payload.target = read_target(in);
  payload.version_id = in.bytes();
  payload.conditions = read_conditions(in);
  payload.bypass_governance = in.boolean();
  payload.owner = in.bytes();
  return checked(in, std::move(payload));
}

std::string encode(const ChangeAttributesPayload& payload) {
  ByteWriter out;
  write_target(out, payload.target);
  out.bytes(payload.version_id).u8(static_cast<std::uint8_t>(payload.what));
  out.boolean(payload.bypass_governance);
  VersionRow row;
  row.attributes = payload.attributes;
  write_row(out, row);
  return out.take();
}
template <>
Result<ChangeAttributesPayload> decode(std::string_view bytes) {
  ByteReader in(bytes);
  ChangeAttributesPayload payload;
  payload.target = read_target(in);
  payload.version_id = in.bytes();
  payload.what = static_cast<ChangeAttributesPayload::What>(in.u8());
  payload.bypass_governance = in.boolean();
  payload.attributes = read_row(in).attributes;
  return checked(in, std::move(payload));
}

std::string encode(const DocumentPayload& payload) {
  ByteWriter out;
  out.bytes(payload.path).boolean(payload.conditional).bytes(payload.revision);
  out.boolean(payload.bytes.has_value()).bytes(payload.bytes.value_or(std::string()));
  return out.take();
}
template <>
Result<DocumentPayload> decode(std::string_view bytes) {
  ByteReader in(bytes);
  DocumentPayload payload;
  payload.path = in.bytes();
  payload.conditional = in.boolean();
  payload.revision = in.bytes();
  const bool has_bytes = in.boolean();
  std::string document(in.bytes());
  if (has_bytes) payload.bytes = std::move(document);
  return checked(in, std::move(payload));
}

std::string encode(const GatePayload& payload) {
  ByteWriter out;
  write_uuid(out, payload.bucket);
  out.u8(static_cast<std::uint8_t>(payload.action)).varint(payload.epoch);
  write_uuid(out, payload.token);
  return out.take();
}
template <>
Result<GatePayload> decode(std::string_view bytes) {
  ByteReader in(bytes);
  GatePayload payload;
  payload.bucket = read_uuid(in);
  payload.action = static_cast<GatePayload::Action>(in.u8());
  payload.epoch = in.varint();
  payload.token = read_uuid(in);
  return checked(in, payload);
}

std::string encode(const ReferencesPayload& payload) {
  ByteWriter out;
  write_uuid(out, payload.bucket);
  out.bytes(payload.key);
  write_id(out, payload.version);
  write_uuid(out, payload.new_referrer);
  out.varint(payload.uses.size());
  for (const DroppedReference& use : payload.uses)
    write_slice(out, {.data = use.data, .offset = 0, .length = 0, .referrer = use.referrer});
  out.boolean(payload.intents_only).varint(payload.home).boolean(payload.forget);
  return out.take();
}
template <>
Result<ReferencesPayload> decode(std::string_view bytes) {
  ByteReader in(bytes);
  ReferencesPayload payload;
  payload.bucket = read_uuid(in);
  payload.key = in.bytes();
  payload.version = read_id(in);
  payload.new_referrer = read_uuid(in);
  const std::uint64_t count = in.varint();
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    const Slice slice = read_slice(in);
    payload.uses.push_back({slice.data, slice.referrer});
  }
  payload.intents_only = in.boolean();
  payload.home = static_cast<std::uint32_t>(in.varint());
  payload.forget = in.boolean();
  return checked(in, std::move(payload));
}

std::string encode(const CreateUploadPayload& payload) {
  ByteWriter out;
  write_target(out, payload.target);
  write_row(out, payload.row);
  return out.take();
}
template <>
Result<CreateUploadPayload> decode(std::string_view bytes) {
  ByteReader in(bytes);
  CreateUploadPayload payload;
  payload.target = read_target(in);
  payload.row = read_row(in);
  return checked(in, std::move(payload));
}

std::string encode(const PutPartPayload& payload) {
  ByteWriter out;
  write_target(out, payload.target);
  write_uuid(out, payload.upload);
  write_parts(out, {payload.part});
  write_slices(out, payload.slices);
  out.boolean(payload.has_data);
  return out.take();
}
template <>
Result<PutPartPayload> decode(std::string_view bytes) {
  ByteReader in(bytes);
  PutPartPayload payload;
  payload.target = read_target(in);
  payload.upload = read_uuid(in);
  auto parts = read_parts(in);
  if (parts.size() == 1)
    payload.part = std::move(parts.front());
  else
    in.mark_bad();
  payload.slices = read_slices(in);
  payload.has_data = in.boolean();
  return checked(in, std::move(payload));
}

std::string encode(const CompleteUploadPayload& payload) {
  ByteWriter out;
  write_target(out, payload.target);
  write_uuid(out, payload.upload);
  out.varint(payload.parts.size());
  for (const CompletedPart& part : payload.parts)
    out.varint(part.number).bytes(part.etag).bytes(part.checksum);
  write_conditions(out, payload.conditions);
  write_checksum(out, payload.checksum);
  out.boolean(payload.expected_size.has_value()).varint(payload.expected_size.value_or(0));
  out.varint(payload.min_part_bytes);
  return out.take();
}
template <>
Result<CompleteUploadPayload> decode(std::string_view bytes) {
  ByteReader in(bytes);
  CompleteUploadPayload payload;
  payload.target = read_target(in);
  payload.upload = read_uuid(in);
  const std::uint64_t count = in.varint();
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    CompletedPart part;
    part.number = static_cast<std::uint32_t>(in.varint());
    part.etag = in.bytes();
    part.checksum = in.bytes();
    payload.parts.push_back(std::move(part));
  }
  payload.conditions = read_conditions(in);
  payload.checksum = read_checksum(in);
  const bool has_size = in.boolean();
  const std::uint64_t size = in.varint();
  if (has_size) payload.expected_size = size;
  payload.min_part_bytes = in.varint();
  return checked(in, std::move(payload));
}

std::string encode(const AbortUploadPayload& payload) {
  ByteWriter out;
  write_target(out, payload.target);
  write_uuid(out, payload.upload);
  out.u8(static_cast<std::uint8_t>(payload.mode));
  return out.take();
}
template <>
Result<AbortUploadPayload> decode(std::string_view bytes) {
  ByteReader in(bytes);
  AbortUploadPayload payload;
  payload.target = read_target(in);
  payload.upload = read_uuid(in);
  payload.mode = static_cast<AbortUploadPayload::Mode>(in.u8());
  return checked(in, std::move(payload));
}

std::string encode(const GetVersionPayload& payload) {
  ByteWriter out;
  write_uuid(out, payload.bucket);
  out.bytes(payload.key).bytes(payload.version_id);
  return out.take();
}
template <>
Result<GetVersionPayload> decode(std::string_view bytes) {
  ByteReader in(bytes);
  GetVersionPayload payload;
  payload.bucket = read_uuid(in);
  payload.key = in.bytes();
  payload.version_id = in.bytes();
  return checked(in, std::move(payload));
}

}  // namespace flashstor::objects
