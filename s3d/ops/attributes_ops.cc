#include "engine/base/hex.h"
#include "s3d/ops/checksum_headers.h"
#include "s3d/ops/handlers.h"
#include "s3d/ops/object_headers.h"
#include "s3d/ops/xml_writer.h"

namespace flashstor::s3d {
namespace {

struct Wanted {
  bool etag = false;
  bool checksum = false;
  bool parts = false;
  bool storage_class = false;
  bool size = false;
};

/// The words of x-amz-object-attributes, over all headers of that name.
Result<Wanted> wanted_attributes(Call& call) {
  Wanted wanted;
  bool any = false;
  const auto take = [&](std::string_view word) {
    while (word.starts_with(' ')) word.remove_prefix(1);
    while (word.ends_with(' ')) word.remove_suffix(1);
    any = true;
    if (word == "ETag") return wanted.etag = true;
    if (word == "Checksum") return wanted.checksum = true;
    if (word == "ObjectParts") return wanted.parts = true;
    if (word == "StorageClass") return wanted.storage_class = true;
    if (word == "ObjectSize") return wanted.size = true;
    return false;
  };
  for (const HeaderField& field : call.request().headers()) {
    if (!equal_ignoring_case(field.name, "x-amz-object-attributes")) continue;
    std::string_view list = field.value;
    while (true) {
      const auto comma = list.find(',');
      if (!take(list.substr(0, comma)))
        return call.refuse(S3Code::kInvalidArgument, "Invalid attribute name specified.",
                           {{"ArgumentName", "x-amz-object-attributes"}});
      if (comma == std::string_view::npos) break;
      list.remove_prefix(comma + 1);
    }
  }
  if (!any)
    return call.refuse(S3Code::kInvalidRequest,
                       "The x-amz-object-attributes header specifying the attributes to be retrieved is "
                       "either missing or empty");
  return wanted;
}

Result<std::uint32_t> number_header(Call& call, std::string_view name, std::uint32_t otherwise) {
  const auto header = call.header(name);
  if (!header || header->empty()) return otherwise;
  if (header->size() > 9 || header->find_first_not_of("0123456789") != std::string_view::npos)
    return call.refuse(S3Code::kInvalidArgument, {}, {{"ArgumentName", std::string(name)}});
  return static_cast<std::uint32_t>(std::stoul(std::string(*header)));
}

void write_checksum(XmlWriter& xml, const objects::ObjectInfo& info) {
  if (info.checksum.kind == objects::ChecksumKind::kNone || info.checksum.value.empty()) return;
  xml.open("Checksum");
  xml.element(checksum_element(info.checksum.kind), checksum_text(info.checksum, info.parts_count));
  xml.element("ChecksumType", checksum_type(info.checksum)).close("Checksum");
}

void write_parts(XmlWriter& xml, const objects::AttributesRequest& request,
                 const objects::AttributesResult& found) {
  if (found.info.parts_count == 0) return;
  xml.open("ObjectParts").element("PartsCount", std::uint64_t{found.info.parts_count});
  xml.element("PartNumberMarker", std::uint64_t{request.part_marker});
  xml.element("NextPartNumberMarker", std::uint64_t{found.next_part_marker});
  xml.element("MaxParts", std::uint64_t{request.max_parts}).element("IsTruncated", found.is_truncated);
  const objects::ChecksumKind kind = found.info.checksum.kind;
  for (const objects::PartInfo& part : found.parts) {
    xml.open("Part").element("PartNumber", std::uint64_t{part.number}).element("Size", part.size);
    // A part may have come with a checksum that the upload as a whole was not made for.
    if (kind != objects::ChecksumKind::kNone && part.checksum.size() == objects::checksum_bytes(kind))
      xml.element(checksum_element(kind), base::to_base64(part.checksum));
    xml.close("Part");
  }
  xml.close("ObjectParts");
}

}  // namespace

Task<Result<void>> get_object_attributes(Call& call) {
  const Wanted wanted = co_await or_return(wanted_attributes(call));
  const std::string version_id(call.query("versionId"));
  co_await or_return(call.authorise(version_id.empty() ? "s3:GetObject" : "s3:GetObjectVersion",
                                    call.target().key, version_id));
  objects::AttributesRequest request{
      .bucket = call.bucket_name(), .key = call.key(), .version_id = version_id, .with_parts = wanted.parts};
  request.part_marker = co_await or_return(number_header(call, "x-amz-part-number-marker", 0));
  request.max_parts = std::min<std::uint32_t>(
      co_await or_return(number_header(call, "x-amz-max-parts", limits::kMaxListKeys)), limits::kMaxListKeys);
  const auto found = co_await or_return(call.store().get_attributes(request));
  call.response().add_header("Last-Modified", http_time(found.info.last_modified));
  if (found.info.bucket_versioning != objects::Versioning::kUnversioned)
    add_version_header(call, found.info.version_id);
  XmlWriter xml;
  xml.open_root("GetObjectAttributesResponse");
  if (wanted.etag) xml.element("ETag", found.info.etag);
  if (wanted.checksum) write_checksum(xml, found.info);
  if (wanted.parts) write_parts(xml, request, found);
  if (wanted.storage_class)
    xml.element("StorageClass", storage_class_name(found.info.attributes.storage_class));
  if (wanted.size) xml.element("ObjectSize", found.info.size);
  xml.close("GetObjectAttributesResponse");
  co_return co_await call.send_xml(xml);
}

}  // namespace flashstor::s3d
