#include <charconv>

#include "engine/base/hex.h"
#include "s3d/ops/checksum_headers.h"
#include "s3d/ops/handlers.h"
#include "s3d/ops/listing.h"
#include "s3d/ops/object_headers.h"
#include "s3d/ops/object_lock.h"
#include "s3d/ops/xml_reader.h"

namespace flashstor::s3d {
namespace {

/// Algorithm and type of CreateMultipartUpload. Errors: InvalidRequest for a pair that S3 does not have.
Result<void> checksum_of_upload(Call& call, objects::CreateUploadRequest& request) {
  using objects::ChecksumKind;
  const auto algorithm = call.header("x-amz-checksum-algorithm");
  const auto type = call.header("x-amz-checksum-type");
  if (algorithm && !algorithm->empty()) {
    const auto kind = parse_checksum_name(*algorithm);
    if (!kind)
      return call.refuse(S3Code::kInvalidRequest,
                         "Checksum algorithm provided is unsupported. Please try again with any of the valid "
                         "types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]");
    request.checksum_kind = *kind;
  }
  if (request.checksum_kind == ChecksumKind::kNone) {
    if (type && !type->empty())
      return call.refuse(
          S3Code::kInvalidRequest,
          "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.");
    return {};
  }
  const bool is_sha =
      request.checksum_kind == ChecksumKind::kSha1 || request.checksum_kind == ChecksumKind::kSha256;
  const bool only_full = request.checksum_kind == ChecksumKind::kCrc64Nvme;
  request.checksum_composite = !only_full;
  if (!type || type->empty()) return {};
  const bool full = equal_ignoring_case(*type, "FULL_OBJECT");
  if (!full && !equal_ignoring_case(*type, "COMPOSITE"))
    return call.refuse(S3Code::kInvalidRequest, "Value for x-amz-checksum-type header is invalid.");
  if ((full && is_sha) || (!full && only_full))
    return call.refuse(S3Code::kInvalidRequest,
                       "The " + std::string(*type) + " checksum type cannot be used with the " +
                           std::string(checksum_name(request.checksum_kind)) + " checksum algorithm.");
  request.checksum_composite = !full;
  return {};
}

/// A base64 checksum, its `-N` taken off. Empty for none.
std::string raw_checksum(std::string_view text) {
  auto raw = base::from_base64(text.substr(0, text.rfind('-')));
  return raw ? std::move(*raw) : std::string("?");
}

Result<objects::CompletedPart> parse_part(Call& call, const XmlElement& element) {
  objects::CompletedPart part;
  const std::string_view number = element.child("PartNumber").trimmed();
  const auto [at, problem] = std::from_chars(number.data(), number.data() + number.size(), part.number);
  if (problem != std::errc() || at != number.data() + number.size() || !element.child("ETag").present())
    return call.refuse(S3Code::kMalformedXML);
  if (part.number < 1 || part.number > limits::kMaxParts)
    return call.refuse(S3Code::kInvalidArgument, "PartNumber must be >= 1 and <= 10000");
  part.etag = bare_etag(element.child("ETag").trimmed());
  for (const XmlElement& child : element.children())
    if (child.name().starts_with("Checksum") && child.name() != "ChecksumType")
      part.checksum = raw_checksum(child.trimmed());
  return part;
}

Result<std::vector<objects::CompletedPart>> parse_parts(Call& call, std::string_view text) {
  const auto document = XmlDocument::parse(text);
  if (!document || document->root().name() != "CompleteMultipartUpload")
    return call.refuse(S3Code::kMalformedXML);
  std::vector<objects::CompletedPart> parts;
  for (const XmlElement& element : document->root().children()) {
    if (element.name() != "Part") return call.refuse(S3Code::kMalformedXML);
    auto part = parse_part(call, element);
    if (!part) return std::unexpected(part.error());
    if (!parts.empty() && part->number <= parts.back().number) return call.refuse(S3Code::kInvalidPartOrder);
    parts.push_back(std::move(*part));
  }
  if (parts.empty() || parts.size() > limits::kMaxParts) return call.refuse(S3Code::kMalformedXML);
  return parts;
}

/// Here x-amz-checksum-* is of the whole object, not of this request's body.
Result<objects::Checksum> checksum_of_object(Call& call) {
  objects::Checksum checksum;
  for (const auto kind :
       {objects::ChecksumKind::kCrc32, objects::ChecksumKind::kCrc32c, objects::ChecksumKind::kCrc64Nvme,
        objects::ChecksumKind::kSha1, objects::ChecksumKind::kSha256}) {
    const auto header = call.header(checksum_header(kind));
    if (!header) continue;
    if (checksum.kind != objects::ChecksumKind::kNone)
      return call.refuse(
          S3Code::kInvalidRequest,
          "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.");
    checksum.kind = kind;
    checksum.value = raw_checksum(*header);
    checksum.composite = header->contains('-');
    if (checksum.value.size() != objects::checksum_bytes(kind))
      return call.refuse(S3Code::kInvalidRequest,
                         "Value for " + std::string(checksum_header(kind)) + " header is invalid.");
  }
  return checksum;
}

}  // namespace

Task<Result<void>> create_multipart_upload(Call& call) {
  objects::CreateUploadRequest request{.bucket = call.bucket_name(), .key = call.key()};
  request.attributes = co_await or_return(attributes_from_headers(call));
  co_await or_return(checksum_of_upload(call, request));
  co_await or_return(authorise_attributes(call, request.attributes));
  co_await or_return(apply_object_lock(call, request.attributes));
  const auto upload = co_await or_return(call.store().create_upload(std::move(request)));
  if (upload.checksum_kind != objects::ChecksumKind::kNone) {
    call.response().add_header("x-amz-checksum-algorithm", checksum_name(upload.checksum_kind));
    call.response().add_header("x-amz-checksum-type",
                               upload.checksum_composite ? "COMPOSITE" : "FULL_OBJECT");
  }
  XmlWriter xml;
  xml.open_root("InitiateMultipartUploadResult").element("Bucket", call.target().bucket);
  xml.element("Key", call.target().key).element("UploadId", upload.upload_id);
  xml.close("InitiateMultipartUploadResult");
  co_return co_await call.send_xml(xml);
}

Task<Result<void>> complete_multipart_upload(Call& call) {
  objects::CompleteUploadRequest request{
      .bucket = call.bucket_name(), .key = call.key(), .upload_id = std::string(call.query("uploadId"))};
  request.conditions = co_await or_return(write_conditions(call));
  request.checksum = co_await or_return(checksum_of_object(call));
  if (const auto size = call.header("x-amz-mp-object-size")) {
    std::uint64_t value = 0;
    const auto [at, problem] = std::from_chars(size->data(), size->data() + size->size(), value);
    if (problem != std::errc() || at != size->data() + size->size())
      co_return call.refuse(S3Code::kInvalidRequest, "Value for x-amz-mp-object-size header is invalid.");
    request.expected_size = value;
  }
  const Buffer body = co_await or_return(call.whole_body(limits::kMaxXmlBytes));
  request.parts = co_await or_return(parse_parts(call, body.view()));
  const auto parts = static_cast<std::uint32_t>(request.parts.size());
  const bool by_default = co_await has_default_retention(call);
  const objects::PutResult made = co_await or_return(call.store().complete_upload(std::move(request)));
  if (by_default) co_await extend_default_retention(call, made.version_id);
  add_new_version_header(call, made.version_id);
  XmlWriter xml;
  xml.open_root("CompleteMultipartUploadResult");
  xml.element("Location", std::string(call.request().tls() ? "https://" : "http://") +
                              std::string(call.request().host()) + std::string(call.request().raw_path()));
  xml.element("Bucket", call.target().bucket).element("Key", call.target().key);
  xml.element("ETag", quoted_etag(made.etag));
  if (made.checksum.kind != objects::ChecksumKind::kNone && !made.checksum.value.empty()) {
    xml.element(checksum_element(made.checksum.kind), checksum_text(made.checksum, parts));
    xml.element("ChecksumType", checksum_type(made.checksum));
  }
  xml.close("CompleteMultipartUploadResult");
  co_return co_await call.send_xml(xml);
}

Task<Result<void>> abort_multipart_upload(Call& call) {
  co_await or_return(call.store().abort_upload(
      {.bucket = call.bucket_name(), .key = call.key(), .upload_id = std::string(call.query("uploadId"))}));
  co_return co_await call.send_status(204);
}

Task<Result<void>> list_parts(Call& call) {
  const Listing listing = co_await or_return(Listing::from(call, "max-parts"));
  const std::uint32_t marker = co_await or_return(call.query_number("part-number-marker", 0));
  const auto page =
      co_await or_return(call.store().list_parts({.bucket = call.bucket_name(),
                                                  .key = call.key(),
                                                  .upload_id = std::string(call.query("uploadId")),
                                                  .part_marker = marker,
                                                  .max_parts = listing.max}));
  XmlWriter xml;
  xml.open_root("ListPartsResult").element("Bucket", call.target().bucket);
  listing.name(xml, "Key", call.target().key);
  xml.element("UploadId", page.upload.upload_id);
  listing.person(xml, "Initiator", page.upload.attributes.owner);
  listing.person(xml, "Owner", page.upload.attributes.owner);
  xml.element("StorageClass", storage_class_name(page.upload.attributes.storage_class));
  xml.element("PartNumberMarker", std::uint64_t{marker});
  if (page.is_truncated) xml.element("NextPartNumberMarker", std::uint64_t{page.next_part_marker});
  xml.element("MaxParts", std::uint64_t{listing.max}).element("IsTruncated", page.is_truncated);
  write_upload_checksum(xml, page.upload);
  for (const objects::ListedPart& part : page.parts) {
    xml.open("Part").element("PartNumber", std::uint64_t{part.number});
    xml.element("LastModified", part.last_modified).element("ETag", quoted_etag(part.etag));
    xml.element("Size", part.size);
    if (!part.checksum.empty() && page.upload.checksum_kind != objects::ChecksumKind::kNone)
      xml.element(checksum_element(page.upload.checksum_kind), base::to_base64(part.checksum));
    xml.close("Part");
  }
  xml.close("ListPartsResult");
  co_return co_await call.send_xml(xml);
}

void write_upload_checksum(XmlWriter& xml, const objects::UploadInfo& upload) {
  if (upload.checksum_kind == objects::ChecksumKind::kNone) return;
  xml.element("ChecksumAlgorithm", checksum_name(upload.checksum_kind));
  xml.element("ChecksumType", upload.checksum_composite ? "COMPOSITE" : "FULL_OBJECT");
}

}  // namespace flashstor::s3d
