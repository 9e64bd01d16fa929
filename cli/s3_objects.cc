#include <cstdlib>

#include "cli/backoff.h"
#include "cli/clock.h"
#include "cli/digest.h"
#include "cli/limits.h"
#include "cli/s3_client.h"
#include "cli/s3_error.h"
#include "engine/base/hex.h"

namespace flashstor::cli {
namespace {

std::string unquoted(std::string text) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') return text.substr(1, text.size() - 2);
  return text;
}

Headers headers_of(const PutOptions& options) {
  Headers headers;
  if (!options.content_type.empty()) headers.push_back({"Content-Type", options.content_type});
  if (!options.storage_class.empty()) headers.push_back({"x-amz-storage-class", options.storage_class});
  if (!options.tagging.empty()) headers.push_back({"x-amz-tagging", options.tagging});
  for (const auto& [name, value] : options.metadata) headers.push_back({"x-amz-meta-" + name, value});
  for (const auto& [name, value] : options.system) headers.push_back({name, value});
  return headers;
}

ObjectInfo object_of(const std::string& key, const HttpResponse& response) {
  static constexpr std::string_view kMeta = "x-amz-meta-";
  static constexpr const char* kSystem[] = {"cache-control", "content-disposition", "content-encoding",
                                            "content-language", "expires"};
  ObjectInfo object;
  object.key = key;
  object.size = std::strtoull(response.header("content-length").c_str(), nullptr, 10);
  object.modified = parse_http_date(response.header("last-modified")).value_or(WallTime());
  object.etag = unquoted(response.header("etag"));
  object.storage_class = response.header("x-amz-storage-class");
  object.version_id = response.header("x-amz-version-id");
  object.content_type = response.header("content-type");
  for (const Header& header : response.headers)
    if (header.name.starts_with(kMeta)) object.metadata[header.name.substr(kMeta.size())] = header.value;
  for (const char* name : kSystem)
    if (const std::string value = response.header(name); !value.empty()) object.system[name] = value;
  return object;
}

/// Complete and copy may answer 200 and say in the body that they failed.
Result<std::string> etag_or_fault(const Result<HttpResponse>& response) {
  if (!response) return std::unexpected(response.error());
  auto etag = read_etag(response->body);
  if (etag) return etag;
  const S3Fault fault = read_fault(response->body);
  if (fault.code.empty()) return etag;
  return fail(fault.code == "InternalError" ? ErrorCode::kIo : ErrorCode::kConflict,
              fault.message + " (" + fault.code + ")");
}

}  // namespace

Result<ObjectInfo> S3Client::head_object(const std::string& bucket, const std::string& key,
                                         const std::string& version_id) {
  S3Call request{.method = "HEAD", .bucket = bucket, .key = key};
  if (!version_id.empty()) request.query.emplace_back("versionId", version_id);
  const auto response = call(request);
  if (!response && response.error().code() == ErrorCode::kNotFound)
    return fail(ErrorCode::kNoSuchKey, "no such object");
  if (!response) return std::unexpected(response.error());
  return object_of(key, *response);
}

Result<void> S3Client::get_object(const std::string& bucket, const std::string& key,
                                  const GetOptions& options, const BodySink& sink) {
  Backoff backoff;
  std::uint64_t done = 0;
  for (int failures = 0;;) {
    const std::uint64_t done_before = done;
    S3Call request{.bucket = bucket, .key = key};
    if (!options.version_id.empty()) request.query.emplace_back("versionId", options.version_id);
    const std::uint64_t first = options.offset + done;
    if (first > 0 || options.bytes > 0) {
      const std::string last =
          options.bytes > 0 ? std::to_string(options.offset + options.bytes - 1) : std::string();
      request.headers.push_back({"Range", "bytes=" + std::to_string(first) + "-" + last});
    }
    if (!options.if_match.empty()) request.headers.push_back({"If-Match", "\"" + options.if_match + "\""});
    std::optional<Error> refused;
    request.sink = [&](std::string_view bytes) -> Result<void> {
      auto taken = sink(bytes);
      if (!taken) refused = taken.error();
      if (taken) done += bytes.size();
      return taken;
    };
    const auto response = call(request);
    if (response) return {};
    if (options.bytes > 0 && done == options.bytes) return {};
    // Only bytes of the very same object may follow; and when none came, `call` has tried often enough.
    const bool may_resume =
        !refused && is_passing(response.error()) && done > done_before && !options.if_match.empty();
    if (!may_resume || ++failures >= limits::kAttempts || !backoff.wait())
      return std::unexpected(response.error());
  }
}

Result<std::string> S3Client::put_object(const std::string& bucket, const std::string& key,
                                         const PutOptions& options, BodyReader reader, std::uint64_t bytes,
                                         std::function<void(std::uint64_t)> on_sent) {
  const auto response = call({.method = "PUT",
                              .bucket = bucket,
                              .key = key,
                              .headers = headers_of(options),
                              .reader = std::move(reader),
                              .body_bytes = bytes,
                              .on_sent = std::move(on_sent)});
  if (!response) return std::unexpected(response.error());
  return unquoted(response->header("etag"));
}

Result<void> S3Client::delete_object(const std::string& bucket, const std::string& key,
                                     const std::string& version_id) {
  S3Call request{.method = "DELETE", .bucket = bucket, .key = key};
  if (!version_id.empty()) request.query.emplace_back("versionId", version_id);
  const auto response = call(request);
  if (!response) return std::unexpected(response.error());
  return {};
}

Result<std::vector<DeleteFailure>> S3Client::delete_objects(const std::string& bucket,
                                                            const std::vector<DeleteTarget>& targets) {
  S3Call request{.method = "POST", .bucket = bucket, .query = {{"delete", ""}}};
  request.body = write_delete(targets);
  request.headers = {{"Content-MD5", base::to_base64(md5(request.body))},
                     {"Content-Type", "application/xml"}};
  const auto response = call(request);
  if (!response) return std::unexpected(response.error());
  return read_delete_result(response->body);
}

Result<void> S3Client::copy_object(const std::string& source_bucket, const std::string& source_key,
                                   const std::string& source_version, const std::string& bucket,
                                   const std::string& key, const PutOptions& options, bool replace) {
  S3Call request{.method = "PUT", .bucket = bucket, .key = key};
  if (replace) request.headers = headers_of(options);
  request.headers.push_back({"x-amz-copy-source", copy_source(source_bucket, source_key, source_version)});
  if (replace) request.headers.push_back({"x-amz-metadata-directive", "REPLACE"});
  const auto etag = etag_or_fault(call(request));
  if (!etag) return std::unexpected(etag.error());
  return {};
}

Result<std::string> S3Client::create_upload(const std::string& bucket, const std::string& key,
                                            const PutOptions& options) {
  const auto response = call({.method = "POST",
                              .bucket = bucket,
                              .key = key,
                              .query = {{"uploads", ""}},
                              .headers = headers_of(options)});
  if (!response) return std::unexpected(response.error());
  return read_upload_id(response->body);
}

Result<std::string> S3Client::upload_part(const std::string& bucket, const std::string& key,
                                          const std::string& upload_id, int number, BodyReader reader,
                                          std::uint64_t bytes, std::function<void(std::uint64_t)> on_sent) {
  const auto response = call({.method = "PUT",
                              .bucket = bucket,
                              .key = key,
                              .query = {{"partNumber", std::to_string(number)}, {"uploadId", upload_id}},
                              .reader = std::move(reader),
                              .body_bytes = bytes,
                              .on_sent = std::move(on_sent)});
  if (!response) return std::unexpected(response.error());
  return unquoted(response->header("etag"));
}

Result<std::string> S3Client::copy_part(const std::string& source, const std::string& range,
                                        const std::string& if_match, const std::string& bucket,
                                        const std::string& key, const std::string& upload_id, int number) {
  return etag_or_fault(call({.method = "PUT",
                             .bucket = bucket,
                             .key = key,
                             .query = {{"partNumber", std::to_string(number)}, {"uploadId", upload_id}},
                             .headers = {{"x-amz-copy-source", source},
                                         {"x-amz-copy-source-range", range},
                                         {"x-amz-copy-source-if-match", "\"" + if_match + "\""}}}));
}

Result<std::vector<PartInfo>> S3Client::list_parts(const std::string& bucket, const std::string& key,
                                                   const std::string& upload_id) {
  std::vector<PartInfo> all;
  std::string marker;
  for (;;) {
    S3Call request{.bucket = bucket, .key = key, .query = {{"uploadId", upload_id}}};
    if (!marker.empty()) request.query.emplace_back("part-number-marker", marker);
    const auto response = call(request);
    if (!response) return std::unexpected(response.error());
    const auto page = read_parts(response->body);
    if (!page) return std::unexpected(page.error());
    all.insert(all.end(), page->parts.begin(), page->parts.end());
    if (!page->truncated || page->parts.empty()) return all;
    marker = page->next_part.empty() ? std::to_string(page->parts.back().number) : page->next_part;
  }
}

Result<std::string> S3Client::complete_upload(const std::string& bucket, const std::string& key,
                                              const std::string& upload_id,
                                              const std::vector<PartInfo>& parts) {
  return etag_or_fault(call({.method = "POST",
                             .bucket = bucket,
                             .key = key,
                             .query = {{"uploadId", upload_id}},
                             .headers = {{"Content-Type", "application/xml"}},
                             .body = write_complete(parts)}));
}

Result<void> S3Client::abort_upload(const std::string& bucket, const std::string& key,
                                    const std::string& upload_id) {
  const auto response =
      call({.method = "DELETE", .bucket = bucket, .key = key, .query = {{"uploadId", upload_id}}});
  if (!response) return std::unexpected(response.error());
  return {};
}

}  // namespace flashstor::cli
