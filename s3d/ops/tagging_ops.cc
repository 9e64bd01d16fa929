#include "engine/objects/bucket_types.h"
#include "s3d/ops/handlers.h"
#include "s3d/ops/object_headers.h"
#include "s3d/ops/tagging_xml.h"
#include "s3d/ops/xml_reader.h"

namespace flashstor::s3d {
namespace {

/// A change of tags rests on a version; what the engine says of a delete marker is a method not allowed.
Task<Result<void>> set_tags(Call& call, objects::Tags tags, int status) {
  const std::string version_id = co_await or_return(call.store().set_tags(
      call.bucket_name(), call.key(), std::string(call.query("versionId")), std::move(tags)));
  if (call.bucket->versioning != objects::Versioning::kUnversioned) add_version_header(call, version_id);
  co_return co_await call.send_status(status);
}

}  // namespace

void write_tagging(XmlWriter& xml, const objects::Tags& tags) {
  xml.open_root("Tagging").open("TagSet");
  for (const auto& [name, value] : tags)
    xml.open("Tag").element("Key", name).element("Value", value).close("Tag");
  xml.close("TagSet").close("Tagging");
}

Result<objects::Tags> parse_tagging(Call& call, std::string_view text) {
  const auto document = XmlDocument::parse(text);
  if (!document || document->root().name() != "Tagging" || !document->root().child("TagSet").present())
    return call.refuse(S3Code::kMalformedXML);
  objects::Tags tags;
  for (const XmlElement& tag : document->root().child("TagSet").children()) {
    if (tag.name() != "Tag" || tag.count("Key") != 1 || tag.count("Value") > 1)
      return call.refuse(S3Code::kMalformedXML);
    tags.emplace_back(tag.child("Key").text(), tag.child("Value").text());
  }
  return tags;
}

Task<Result<void>> get_object_tagging(Call& call) {
  const auto found = co_await or_return(call.store().head_object(
      {.bucket = call.bucket_name(), .key = call.key(), .version_id = std::string(call.query("versionId"))}));
  if (found.info->bucket_versioning != objects::Versioning::kUnversioned)
    add_version_header(call, found.info->version_id);
  XmlWriter xml;
  write_tagging(xml, found.info->attributes.tags);
  co_return co_await call.send_xml(xml);
}

Task<Result<void>> put_object_tagging(Call& call) {
  const Buffer body = co_await or_return(call.small_body(limits::kMaxXmlBytes));
  objects::Tags tags = co_await or_return(parse_tagging(call, body.view()));
  for (const auto& [name, value] : tags) {
    call.body_conditions.emplace_back("s3:requestobjecttagkeys", name);
    call.body_conditions.emplace_back("s3:requestobjecttag/" + name, value);
  }
  const std::string_view version_id = call.query("versionId");
  co_await or_return(call.authorise(version_id.empty() ? "s3:PutObjectTagging" : "s3:PutObjectVersionTagging",
                                    call.target().key, version_id));
  co_return co_await set_tags(call, std::move(tags), 200);
}

Task<Result<void>> delete_object_tagging(Call& call) { co_return co_await set_tags(call, {}, 204); }

}  // namespace flashstor::s3d
