#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "s3d/ops/checksum_headers.h"
#include "s3d/ops/handlers.h"
#include "s3d/ops/object_headers.h"
#include "s3d/ops/object_lock.h"
#include "s3d/ops/xml_writer.h"

namespace flashstor::s3d {
namespace {

constexpr std::string_view kOverrides = "response-";

/// response-* parameters are for those who signed: nobody else may make this server say what they like.
Result<void> check_overrides(Call& call) {
  if (!call.is_anonymous()) return {};
  for (const QueryParam& param : call.request().query())
    if (param.name.starts_with(kOverrides))
      return call.refuse(S3Code::kInvalidRequest,
                         "Request specific response headers cannot be used for anonymous GET requests.");
  return {};
}

Task<Result<objects::GetRequest>> read_request(Call& call) {
  co_await or_return(check_overrides(call));
  objects::GetRequest request{.bucket = call.target().bucket,
                              .key = call.target().key,
                              .version_id = call.query("versionId"),
                              .conditions = read_conditions(call)};
  if (const auto range = call.header("range")) request.range = parse_range(*range);
  if (call.has_query("partNumber")) {
    request.part_number = co_await or_return(part_number(call));
    if (request.range)
      co_return call.refuse(S3Code::kInvalidRequest,
                            "Cannot specify both Range header and partNumber query parameter");
  }
  co_return request;
}

/// A missing key is told only to those who may list; a 304 carries the validators; a range that does not fit
/// is told with the size.
Task<Result<void>> explain(Call& call, const objects::GetRequest& request, const Error& error) {
  const bool missing = error.code() == ErrorCode::kNoSuchKey ||
                       (error.code() == ErrorCode::kIsDeleteMarker && request.version_id.empty());
  if (missing && !co_await call.authorise("s3:ListBucket", {}, {})) co_return fail(ErrorCode::kAccessDenied);
  if (error.code() != ErrorCode::kNotModified && error.code() != ErrorCode::kInvalidRange)
    co_return std::unexpected(error);
  const auto found = co_await call.store().head_object(
      {.bucket = request.bucket, .key = request.key, .version_id = request.version_id});
  if (!found) co_return std::unexpected(error);
  if (error.code() == ErrorCode::kNotModified) {
    call.response().add_header("ETag", quoted_etag(found->info->etag));
    call.response().add_header("Last-Modified", http_time(found->info->last_modified));
    if (found->info->bucket_versioning != objects::Versioning::kUnversioned)
      add_version_header(call, found->info->version_id);
    co_return std::unexpected(error);
  }
  const std::string size = std::to_string(found->info->size);
  call.response().add_header("Content-Range", "bytes */" + size);
  co_return call.refuse(
      S3Code::kInvalidRange, {},
      {{"RangeRequested", std::string(call.header("range").value_or(""))}, {"ActualObjectSize", size}});
}

void add_read_headers(Call& call, const objects::GetRequest& request, const objects::GetResult& found) {
  ResponseWriter& response = call.response();
  response.set_status(found.is_partial ? 206 : 200);
  add_object_headers(call, *found.info);
  if (found.is_partial) {
    std::array<char, 80> text;  // three numbers of at most 20 digits
    const std::uint64_t last = found.offset + std::max<std::uint64_t>(found.length, 1) - 1;
    const auto end =
        fmt::format_to_n(text.data(), text.size(), "bytes {}-{}/{}", found.offset, last, found.info->size);
    response.add_header("Content-Range", {text.data(), end.size});
  }
  if (request.part_number && found.info->parts_count > 0)
    response.add_header("x-amz-mp-parts-count", std::to_string(found.info->parts_count));
}

/// x-amz-checksum-*, where asked for: of the whole object, or of the part that the answer is. A range has
/// none.
Task<Result<void>> add_read_checksum(Call& call, const objects::GetRequest& request,
                                     const objects::GetResult& found) {
  const auto mode = call.header("x-amz-checksum-mode");
  const objects::Checksum& whole = found.info->checksum;
  if (!mode || !equal_ignoring_case(*mode, "ENABLED") || whole.kind == objects::ChecksumKind::kNone)
    co_return Result<void>();
  if (request.part_number && found.info->parts_count > 0) {
    const auto parts =
        co_await or_return(call.store().get_attributes({.bucket = call.bucket_name(),
                                                        .key = call.key(),
                                                        .version_id = found.info->version_id,
                                                        .part_marker = *request.part_number - 1,
                                                        .max_parts = 1,
                                                        .with_parts = true}));
    if (parts.parts.size() != 1 || parts.parts[0].checksum.size() != objects::checksum_bytes(whole.kind))
      co_return Result<void>();
    objects::Checksum of_part = whole;
    of_part.value = parts.parts[0].checksum;
    add_checksum_headers(call.response(), of_part, 0);
  } else if (!found.is_partial || found.length == found.info->size) {
    add_checksum_headers(call.response(), whole, found.info->parts_count);
  }
  co_return Result<void>();
}

}  // namespace

Task<Result<void>> get_object(Call& call) {
  const objects::GetRequest request = co_await or_return(read_request(call));
  auto found = co_await call.store().get_object(request);
  if (!found) co_return co_await explain(call, request, found.error());
  // The first bytes are read before anything is said, so that an error is still an answer of its own.
  BufferChain bytes;
  if (found->length > 0) bytes = co_await or_return(found->reader->next());
  add_read_headers(call, request, *found);
  co_await or_return(add_read_checksum(call, request, *found));
  co_await add_object_lock_headers(call, *found->info);
  ResponseWriter& response = call.response();
  if (bytes.size() == found->length) co_return co_await response.send(bytes);
  response.start(found->length);
  std::uint64_t left = found->length;
  while (true) {
    // From here on an error breaks the connection: the client sees fewer bytes than announced.
    if (bytes.empty() || bytes.size() > left) co_return fail(ErrorCode::kCorrupt, "object ended early");
    left -= bytes.size();
    co_await or_return(response.write(bytes));
    if (left == 0) break;
    bytes = co_await or_return(found->reader->next());
  }
  co_return co_await response.finish();
}

Task<Result<void>> head_object(Call& call) {
  const objects::GetRequest request = co_await or_return(read_request(call));
  const auto found = co_await call.store().head_object(request);
  if (!found) co_return co_await explain(call, request, found.error());
  add_read_headers(call, request, *found);
  co_await or_return(add_read_checksum(call, request, *found));
  co_await add_object_lock_headers(call, *found->info);
  co_return co_await call.response().send_head(found->length);
}

}  // namespace flashstor::s3d
