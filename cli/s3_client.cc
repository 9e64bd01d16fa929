#include "cli/s3_client.h"

#include <algorithm>
#include <vector>

#include "cli/backoff.h"
#include "cli/clock.h"
#include "cli/digest.h"
#include "cli/limits.h"
#include "cli/s3_error.h"
#include "cli/text.h"
#include "engine/base/hex.h"

namespace flashstor::cli {
namespace {

/// AWS serves a bucket by its own host name; a name with dots would not match the certificate.
bool wants_host_style(const Alias& alias, const std::string& bucket) {
  return alias.url.host.ends_with(".amazonaws.com") && !bucket.empty() &&
         bucket.find('.') == std::string::npos;
}

Result<std::string> hash_of(const S3Call& call) {
  if (!call.reader) return base::to_hex(sha256(call.body));
  Digest digest(Digest::Kind::kSha256);
  std::vector<char> block(limits::kMiB);
  for (std::uint64_t offset = 0; offset < call.body_bytes;) {
    const auto wanted = std::min<std::uint64_t>(block.size(), call.body_bytes - offset);
    const auto got = call.reader(offset, {block.data(), static_cast<std::size_t>(wanted)});
    if (!got) return std::unexpected(got.error());
    if (*got == 0) return fail(ErrorCode::kIncompleteBody, "the source became shorter");
    digest.add({block.data(), *got});
    offset += *got;
  }
  return base::to_hex(digest.finish());
}

}  // namespace

std::string copy_source(const std::string& bucket, const std::string& key, const std::string& version_id) {
  std::string source = "/" + bucket + "/" + percent_encode(key, true);
  if (!version_id.empty()) source += "?versionId=" + percent_encode(version_id);
  return source;
}

S3Client::S3Client(Alias alias, HttpClient& http) : alias_(std::move(alias)), http_(http) {}

S3Client::Place S3Client::place_of(const S3Call& call) const {
  const std::string key = percent_encode(call.key, true);
  if (!call.path.empty()) return {alias_.url.authority(), call.path};
  if (wants_host_style(alias_, call.bucket)) return {call.bucket + "." + alias_.url.authority(), "/" + key};
  if (call.bucket.empty()) return {alias_.url.authority(), "/"};
  return {alias_.url.authority(), "/" + percent_encode(call.bucket) + (key.empty() ? "" : "/" + key)};
}

std::string S3Client::region_of(const std::string& bucket) {
  const std::lock_guard lock(mutex_);
  const auto found = regions_.find(bucket);
  return found == regions_.end() ? alias_.region : found->second;
}

bool S3Client::learn_region(const std::string& bucket, const HttpResponse& response) {
  std::string region = response.header("x-amz-bucket-region");
  if (region.empty()) region = read_fault(response.body).region;
  if (region.empty() || region == region_of(bucket)) return false;
  const std::lock_guard lock(mutex_);
  regions_[bucket] = region;
  return true;
}

Result<HttpRequest> S3Client::signed_request(const S3Call& call) {
  const Place place = place_of(call);
  const bool has_body = call.reader ? call.body_bytes > 0 : !call.body.empty();
  std::string hash(kUnsignedPayload);
  if (!has_body || !alias_.url.secure) {
    auto known = hash_of(call);
    if (!known) return std::unexpected(known.error());
    hash = std::move(*known);
  }
  HttpRequest request;
  request.method = call.method;
  request.url = (alias_.url.secure ? "https://" : "http://") + place.host + place.path;
  if (!call.query.empty()) request.url += "?" + canonical_query(call.query);
  request.headers = call.headers;
  if (!alias_.credentials.access_key.empty()) {
    request.headers = sign_headers({call.method, place.host, place.path, call.query, call.headers, hash},
                                   alias_.credentials, {region_of(call.bucket), "s3", wall_now()});
  }
  request.body = call.body;
  request.reader = call.reader;
  request.body_bytes = call.body_bytes;
  request.sink = call.sink;
  request.on_sent = call.on_sent;
  request.endless = call.endless;
  return request;
}

Result<HttpResponse> S3Client::call(const S3Call& call) {
  Backoff backoff;
  for (int attempt = 1;; ++attempt) {
    const auto request = signed_request(call);
    if (!request) return std::unexpected(request.error());
    bool started = false;
    auto response = http_.perform(*request, &started);
    const bool last = call.once || started || attempt >= limits::kAttempts;
    if (!response) {
      if (last || !is_passing(response.error()) || !backoff.wait()) return response;
      continue;
    }
    if (response->status / 100 == 2) return response;
    const bool elsewhere = response->status == 301 || response->status == 307 || response->status == 400;
    if (!last && elsewhere && !call.bucket.empty() && learn_region(call.bucket, *response)) continue;
    if (last || !is_passing(*response) || !backoff.wait()) return std::unexpected(error_of(*response));
  }
}

std::string S3Client::presign(const std::string& method, const std::string& bucket, const std::string& key,
                              const Query& query, std::chrono::seconds expires) {
  S3Call call;
  call.bucket = bucket;
  call.key = key;
  const Place place = place_of(call);
  const std::string signed_query =
      presign_query({method, place.host, place.path, query, {}, {}}, alias_.credentials,
                    {region_of(bucket), "s3", wall_now()}, expires);
  return (alias_.url.secure ? "https://" : "http://") + place.host + place.path + "?" + signed_query;
}

}  // namespace flashstor::cli
