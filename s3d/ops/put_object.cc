#include "s3d/ops/checksum_headers.h"
#include "s3d/ops/handlers.h"
#include "s3d/ops/object_headers.h"
#include "s3d/ops/object_lock.h"
#include "s3d/ops/payload_source.h"

namespace flashstor::s3d {
namespace {

/// S3 wants the size beforehand, or at least a body that says where it ends.
Result<void> check_length(Call& call, const Payload& payload) {
  const auto length = payload.length();
  if (!call.request().content_length() && !call.request().chunked())
    return call.refuse(S3Code::kMissingContentLength);
  if (length && *length > limits::kMaxPutBytes)
    return call.refuse(S3Code::kEntityTooLarge, {},
                       {{"ProposedSize", std::to_string(*length)},
                        {"MaxSizeAllowed", std::to_string(limits::kMaxPutBytes)}});
  return {};
}

}  // namespace

Task<Result<void>> authorise_attributes(Call& call, const objects::ObjectAttributes& attributes) {
  if (!attributes.tags.empty())
    co_await or_return(call.authorise("s3:PutObjectTagging", call.target().key, {}));
  if (attributes.acl != static_cast<std::uint8_t>(iam::CannedAcl::kPrivate) &&
      (call.let_in_by != iam::Reason::kAcl || call.is_anonymous()))
    co_await or_return(call.authorise("s3:PutObjectAcl", call.target().key, {}));
  co_return Result<void>();
}

Task<Result<void>> put_object(Call& call) {
  objects::PutRequest request{.bucket = call.bucket_name(), .key = call.key()};
  request.attributes = co_await or_return(attributes_from_headers(call));
  request.conditions = co_await or_return(write_conditions(call));
  co_await or_return(authorise_attributes(call, request.attributes));
  co_await or_return(apply_object_lock(call, request.attributes));
  Payload* payload = co_await or_return(call.payload());
  co_await or_return(check_length(call, *payload));
  BodyChecks checks = co_await or_return(body_checks(call));
  request.expected_md5 = std::move(checks.md5);
  request.trailing_checksum = trailing_checksum(call, checks);
  request.checksum = std::move(checks.checksum);
  // What S3 does since 2024 for a client that names none.
  if (request.checksum.kind == objects::ChecksumKind::kNone)
    request.checksum.kind = objects::ChecksumKind::kCrc64Nvme;
  PayloadSource source(*payload);
  request.body = &source;
  const objects::PutResult made = co_await or_return(call.store().put_object(std::move(request)));
  call.response().add_header("ETag", quoted_etag(made.etag));
  add_new_version_header(call, made.version_id);
  add_checksum_headers(call.response(), made.checksum, 0);
  co_return co_await call.send_status(200);
}

Task<Result<void>> upload_part(Call& call) {
  objects::UploadPartRequest request{.bucket = call.bucket_name(),
                                     .key = call.key(),
                                     .upload_id = std::string(call.query("uploadId")),
                                     .part_number = co_await or_return(part_number(call))};
  Payload* payload = co_await or_return(call.payload());
  co_await or_return(check_length(call, *payload));
  BodyChecks checks = co_await or_return(body_checks(call));
  request.expected_md5 = std::move(checks.md5);
  request.trailing_checksum = trailing_checksum(call, checks);
  request.checksum = std::move(checks.checksum);
  PayloadSource source(*payload);
  request.body = &source;
  const objects::UploadPartResult made = co_await or_return(call.store().upload_part(std::move(request)));
  call.response().add_header("ETag", quoted_etag(made.etag));
  add_checksum_headers(call.response(), made.checksum, 0);
  co_return co_await call.send_status(200);
}

Result<std::uint32_t> part_number(Call& call) {
  const auto number = call.query_number("partNumber", 0);
  if (!number || *number < 1 || *number > limits::kMaxParts)
    return call.refuse(
        S3Code::kInvalidArgument, "Part number must be an integer between 1 and 10000, inclusive",
        {{"ArgumentName", "partNumber"}, {"ArgumentValue", std::string(call.query("partNumber"))}});
  return number;
}

}  // namespace flashstor::s3d
