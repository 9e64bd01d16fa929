#include "cli/s3_client.h"
#include "cli/s3_error.h"
#include "cli/s3_xml.h"

namespace flashstor::cli {
namespace {

Result<void> nothing(const Result<HttpResponse>& response) {
  if (!response) return std::unexpected(response.error());
  return {};
}

}  // namespace

Result<std::vector<BucketInfo>> S3Client::list_buckets() {
  const auto response = call({});
  if (!response) return std::unexpected(response.error());
  return read_buckets(response->body);
}

Result<void> S3Client::make_bucket(const std::string& bucket, const std::string& region, bool object_lock) {
  S3Call request;
  request.method = "PUT";
  request.bucket = bucket;
  if (!region.empty() && region != "us-east-1") request.body = write_location(region);
  if (object_lock) request.headers.push_back({"x-amz-bucket-object-lock-enabled", "true"});
  return nothing(call(request));
}

Result<void> S3Client::remove_bucket(const std::string& bucket) {
  return nothing(call({.method = "DELETE", .bucket = bucket}));
}

Result<void> S3Client::head_bucket(const std::string& bucket) {
  const auto response = call({.method = "HEAD", .bucket = bucket});
  if (!response && response.error().code() == ErrorCode::kNotFound)
    return fail(ErrorCode::kNoSuchBucket, "there is no bucket `" + bucket + "`");
  return nothing(response);
}

Result<std::string> S3Client::versioning(const std::string& bucket) {
  const auto response = call({.bucket = bucket, .query = {{"versioning", ""}}});
  if (!response) return std::unexpected(response.error());
  return read_versioning(response->body);
}

Result<void> S3Client::set_versioning(const std::string& bucket, bool enabled) {
  return nothing(call(
      {.method = "PUT", .bucket = bucket, .query = {{"versioning", ""}}, .body = write_versioning(enabled)}));
}

Result<void> S3Client::list_objects(const ListQuery& query, const PageFunction& each) {
  std::string token;
  for (;;) {
    S3Call request{.bucket = query.bucket};
    request.query = {{"list-type", "2"}, {"encoding-type", "url"}, {"prefix", query.prefix}};
    if (!query.delimiter.empty()) request.query.emplace_back("delimiter", query.delimiter);
    if (!token.empty()) request.query.emplace_back("continuation-token", token);
    if (token.empty() && !query.start_after.empty())
      request.query.emplace_back("start-after", query.start_after);
    const auto response = call(request);
    if (!response) return std::unexpected(response.error());
    const auto page = read_objects(response->body);
    if (!page) return std::unexpected(page.error());
    const auto more = each(*page);
    if (!more) return std::unexpected(more.error());
    if (!*more || !page->truncated || page->next_token.empty()) return {};
    token = page->next_token;
  }
}

Result<void> S3Client::list_versions(const ListQuery& query, const PageFunction& each) {
  std::string key_marker;
  std::string version_marker;
  for (;;) {
    S3Call request{.bucket = query.bucket};
    request.query = {{"versions", ""}, {"encoding-type", "url"}, {"prefix", query.prefix}};
    if (!query.delimiter.empty()) request.query.emplace_back("delimiter", query.delimiter);
    if (!key_marker.empty()) request.query.emplace_back("key-marker", key_marker);
    if (!version_marker.empty()) request.query.emplace_back("version-id-marker", version_marker);
    const auto response = call(request);
    if (!response) return std::unexpected(response.error());
    const auto page = read_versions(response->body);
    if (!page) return std::unexpected(page.error());
    const auto more = each(*page);
    if (!more) return std::unexpected(more.error());
    if (!*more || !page->truncated || page->next_token.empty()) return {};
    key_marker = page->next_token;
    version_marker = page->next_version_id;
  }
}

Result<std::vector<UploadInfo>> S3Client::list_uploads(const std::string& bucket, const std::string& prefix) {
  std::vector<UploadInfo> all;
  Query markers;
  for (;;) {
    S3Call request{.bucket = bucket};
    request.query = {{"uploads", ""}, {"encoding-type", "url"}, {"prefix", prefix}};
    request.query.insert(request.query.end(), markers.begin(), markers.end());
    const auto response = call(request);
    if (!response) return std::unexpected(response.error());
    auto page = read_uploads(response->body);
    if (!page) return std::unexpected(page.error());
    all.insert(all.end(), page->uploads.begin(), page->uploads.end());
    if (!page->truncated || page->next_key.empty()) return all;
    markers = {{"key-marker", page->next_key}, {"upload-id-marker", page->next_upload_id}};
  }
}

Result<Tags> S3Client::tags(const std::string& bucket, const std::string& key,
                            const std::string& version_id) {
  S3Call request{.bucket = bucket, .key = key, .query = {{"tagging", ""}}};
  if (!version_id.empty()) request.query.emplace_back("versionId", version_id);
  const auto response = call(request);
  if (!response && response.error().code() == ErrorCode::kNoSuchConfiguration) return Tags{};
  if (!response) return std::unexpected(response.error());
  return read_tags(response->body);
}

Result<void> S3Client::set_tags(const std::string& bucket, const std::string& key,
                                const std::string& version_id, const Tags& tags) {
  S3Call request{.method = tags.empty() ? "DELETE" : "PUT", .bucket = bucket, .key = key};
  request.query = {{"tagging", ""}};
  if (!version_id.empty()) request.query.emplace_back("versionId", version_id);
  if (!tags.empty()) request.body = write_tags(tags);
  return nothing(call(request));
}

}  // namespace flashstor::cli
