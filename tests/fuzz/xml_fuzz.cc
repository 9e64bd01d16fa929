// Any bytes as XML: the server's reader of bodies and flashctl's readers of answers.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "cli/s3_xml.h"
#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "s3d/ops/xml_reader.h"

using namespace flashstor;

namespace {

std::size_t count_bytes(const s3d::XmlElement& element, int depth) {
  FLASHSTOR_CHECK(depth <= 32);
  std::size_t bytes = element.name().size() + element.trimmed().size();
  FLASHSTOR_CHECK(element.trimmed().size() <= element.text().size());
  for (const s3d::XmlElement& child : element.children()) {
    FLASHSTOR_CHECK(element.child(child.name()).present() && element.count(child.name()) > 0);
    bytes += count_bytes(child, depth + 1);
  }
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto document = s3d::XmlDocument::parse(text)) {
    // Nothing is expanded: a document never means more bytes than it has.
    FLASHSTOR_CHECK(count_bytes(document->root(), 0) <= size);
  }
  (void)cli::read_buckets(text);
  (void)cli::read_objects(text);
  (void)cli::read_versions(text);
  (void)cli::read_uploads(text);
  (void)cli::read_parts(text);
  (void)cli::read_upload_id(text);
  (void)cli::read_etag(text);
  (void)cli::read_delete_result(text);
  (void)cli::read_tags(text);
  (void)cli::read_versioning(text);
  (void)cli::read_fault(text);
  return 0;
}
