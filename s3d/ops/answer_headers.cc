#include <algorithm>
#include <memory_resource>
#include <string>

#include "s3d/ops/object_headers.h"
#include "s3d/ops/xml_writer.h"

namespace flashstor::s3d {
namespace {

void add_metadata_header(ResponseWriter& out, std::pmr::string& text, std::string_view name,
                         std::string_view value) {
  text.assign("x-amz-meta-").append(name);
  if (std::ranges::all_of(value, [](char byte) { return byte >= 0x20 && byte < 0x7f; })) {
    out.add_header(text, value);
  } else {
    out.add_header(text, encode_mime_words(value));
  }
}

}  // namespace

void add_object_headers(Call& call, const objects::ObjectInfo& info) {
  ResponseWriter& out = call.response();
  std::pmr::string text(&call.request().arena());  // nothing here takes memory of the heap
  out.add_header("ETag", text.append("\"").append(info.etag).append("\""));
  out.add_header("Last-Modified", http_time_text(info.last_modified).view());
  out.add_header("Accept-Ranges", "bytes");
  // A header that was set, unless a signed request asks for another.
  const auto add = [&](std::string_view name, std::string_view override_name, std::string_view stored) {
    const QueryParam* asked = call.request().find_query(override_name);
    const std::string_view value = asked != nullptr ? asked->value : stored;
    if (!value.empty()) out.add_header(name, value);
  };
  const objects::ContentHeaders& headers = info.attributes.headers;
  add("Content-Type", "response-content-type",
      headers.type.empty() ? std::string_view("binary/octet-stream") : std::string_view(headers.type));
  add("Content-Encoding", "response-content-encoding", headers.encoding);
  add("Content-Disposition", "response-content-disposition", headers.disposition);
  add("Content-Language", "response-content-language", headers.language);
  add("Cache-Control", "response-cache-control", headers.cache_control);
  add("Expires", "response-expires", headers.expires);
  for (const auto& [name, value] : info.attributes.user_metadata) add_metadata_header(out, text, name, value);
  if (info.bucket_versioning != objects::Versioning::kUnversioned)
    out.add_header("x-amz-version-id", info.version_id);
  if (info.attributes.storage_class != objects::StorageClass::kStandard)
    out.add_header("x-amz-storage-class", storage_class_name(info.attributes.storage_class));
  if (!info.attributes.tags.empty())
    out.add_header("x-amz-tagging-count", std::to_string(info.attributes.tags.size()));
  if (!info.attributes.website_redirect.empty())
    out.add_header("x-amz-website-redirect-location", info.attributes.website_redirect);
}

}  // namespace flashstor::s3d
