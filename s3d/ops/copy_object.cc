#include "s3d/ops/checksum_headers.h"
#include "s3d/ops/conditions.h"
#include "s3d/ops/copy_source.h"
#include "s3d/ops/handlers.h"
#include "s3d/ops/object_headers.h"
#include "s3d/ops/object_lock.h"
#include "s3d/ops/xml_writer.h"

namespace flashstor::s3d {
namespace {

Result<objects::Directive> directive(Call& call, std::string_view header) {
  const auto value = call.header(header);
  if (!value || value->empty() || *value == "COPY") return objects::Directive::kCopy;
  if (*value == "REPLACE") return objects::Directive::kReplace;
  return call.refuse(S3Code::kInvalidArgument, "Unknown metadata directive.",
                     {{"ArgumentName", std::string(header)}, {"ArgumentValue", std::string(*value)}});
}

void write_checksum(XmlWriter& xml, const objects::Checksum& checksum) {
  if (checksum.kind == objects::ChecksumKind::kNone || checksum.value.empty()) return;
  xml.element(checksum_element(checksum.kind), checksum_text(checksum, 0));
  xml.element("ChecksumType", checksum_type(checksum));
}

}  // namespace

Result<CopySource> parse_copy_source(Call& call) {
  std::string_view text = call.header("x-amz-copy-source").value_or("");
  CopySource source;
  if (const auto query = text.rfind("?versionId="); query != std::string_view::npos) {
    source.version_id = url_decode(text.substr(query + 11), false);
    text = text.substr(0, query);
  }
  std::string path = url_decode(text, false);
  if (path.starts_with('/')) path.erase(0, 1);
  const auto slash = path.find('/');
  if (slash == std::string::npos || slash == 0 || slash + 1 == path.size())
    return call.refuse(S3Code::kInvalidArgument,
                       "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
                       {{"ArgumentName", "x-amz-copy-source"}, {"ArgumentValue", std::string(text)}});
  source.bucket = path.substr(0, slash);
  source.key = path.substr(slash + 1);
  return source;
}

Task<Result<objects::BucketRef>> authorise_copy_source(Call& call, const CopySource& source) {
  objects::BucketRef bucket = co_await or_return(call.store().head_bucket(source.bucket));
  co_await or_return(call.authorise_in(bucket,
                                       source.version_id.empty() ? "s3:GetObject" : "s3:GetObjectVersion",
                                       source.key, source.version_id));
  co_return bucket;
}

namespace {

/// Tags that come along with a copy are read there and written here, which needs the permission for both.
Task<Result<void>> authorise_copied_tags(Call& call, objects::BucketRef bucket, const CopySource& source) {
  const auto found = co_await call.store().head_object(
      {.bucket = source.bucket, .key = source.key, .version_id = source.version_id});
  if (!found || found->info->attributes.tags.empty()) co_return Result<void>();
  co_await or_return(call.authorise_in(
      std::move(bucket), source.version_id.empty() ? "s3:GetObjectTagging" : "s3:GetObjectVersionTagging",
      source.key, source.version_id));
  co_return co_await call.authorise("s3:PutObjectTagging", call.target().key, {});
}

}  // namespace

Task<Result<void>> copy_object(Call& call) {
  const CopySource source = co_await or_return(parse_copy_source(call));
  objects::CopyRequest request{.source_bucket = source.bucket,
                               .source_key = source.key,
                               .source_version_id = source.version_id,
                               .source_conditions = copy_conditions(call),
                               .bucket = call.bucket_name(),
                               .key = call.key()};
  request.metadata = co_await or_return(directive(call, "x-amz-metadata-directive"));
  request.tagging = co_await or_return(directive(call, "x-amz-tagging-directive"));
  request.attributes = co_await or_return(attributes_from_headers(call));
  request.conditions = co_await or_return(write_conditions(call));
  if (const auto algorithm = call.header("x-amz-checksum-algorithm"); algorithm && !algorithm->empty()) {
    const auto kind = parse_checksum_name(*algorithm);
    if (!kind)
      co_return call.refuse(S3Code::kInvalidRequest,
                            "Checksum algorithm provided is unsupported. Please try again with any of the "
                            "valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]");
    request.checksum_kind = *kind;
  }
  objects::BucketRef source_bucket = co_await or_return(authorise_copy_source(call, source));
  if (request.tagging == objects::Directive::kCopy)
    co_await or_return(authorise_copied_tags(call, std::move(source_bucket), source));
  co_await or_return(authorise_attributes(call, request.attributes));
  co_await or_return(apply_object_lock(call, request.attributes));
  auto copied = co_await call.store().copy_object(std::move(request));
  // A copy onto itself that changes nothing; whatever else makes no sense is S3's InvalidRequest here too.
  if (!copied && copied.error().code() == ErrorCode::kInvalidArgument)
    co_return call.refuse(S3Code::kInvalidRequest, std::string(copied.error().message()));
  const objects::CopyResult made = co_await or_return(std::move(copied));
  add_version_header(call, made.version_id);
  if (!made.source_version_id.empty())
    call.response().add_header("x-amz-copy-source-version-id", made.source_version_id);
  XmlWriter xml;
  xml.open_root("CopyObjectResult").element("LastModified", made.last_modified);
  xml.element("ETag", quoted_etag(made.etag));
  write_checksum(xml, made.checksum);
  xml.close("CopyObjectResult");
  co_return co_await call.send_xml(xml);
}

Task<Result<void>> upload_part_copy(Call& call) {
  const CopySource source = co_await or_return(parse_copy_source(call));
  objects::UploadPartCopyRequest request{.bucket = call.bucket_name(),
                                         .key = call.key(),
                                         .upload_id = std::string(call.query("uploadId")),
                                         .part_number = co_await or_return(part_number(call)),
                                         .source_bucket = source.bucket,
                                         .source_key = source.key,
                                         .source_version_id = source.version_id,
                                         .source_conditions = copy_conditions(call)};
  if (const auto range = call.header("x-amz-copy-source-range"); range && !range->empty()) {
    request.range = parse_range(*range);
    if (!request.range || !request.range->first || !request.range->last)
      co_return call.refuse(
          S3Code::kInvalidArgument,
          "The x-amz-copy-source-range value must be of the form bytes=first-last where first "
          "and last are the zero-based offsets of the first and last bytes to copy",
          {{"ArgumentName", "x-amz-copy-source-range"}, {"ArgumentValue", std::string(*range)}});
  }
  (void)co_await or_return(authorise_copy_source(call, source));
  const auto made = co_await call.store().upload_part_copy(std::move(request));
  if (!made && made.error().code() == ErrorCode::kInvalidRange)
    co_return call.refuse(S3Code::kInvalidRange, "Range specified is not valid for source object");
  if (!made) co_return std::unexpected(made.error());
  if (!made->source_version_id.empty())
    call.response().add_header("x-amz-copy-source-version-id", made->source_version_id);
  XmlWriter xml;
  xml.open_root("CopyPartResult").element("LastModified", made->last_modified);
  xml.element("ETag", quoted_etag(made->etag));
  if (made->checksum.kind != objects::ChecksumKind::kNone && !made->checksum.value.empty())
    xml.element(checksum_element(made->checksum.kind), checksum_text(made->checksum, 0));
  xml.close("CopyPartResult");
  co_return co_await call.send_xml(xml);
}

}  // namespace flashstor::s3d
