#include "s3d/auth/parse_auth.h"

#include <fmt/format.h>

#include <charconv>

#include "s3d/auth/auth_error.h"
#include "s3d/auth/canonical.h"
#include "s3d/http/percent.h"

namespace flashstor::s3d {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr std::int64_t kMaxExpiresSeconds = 604'800;
using Found = std::expected<std::optional<SignatureFields>, AuthError>;

std::unexpected<AuthError> malformed(bool presigned, std::string words) {
  return auth_fail(AuthFailure::kMalformed, std::move(words), presigned);
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// key/date/region/service/aws4_request; the access key itself may hold slashes.
bool split_credential(std::string_view credential, SignatureFields& fields) {
  std::size_t slashes[4];
  std::size_t end = credential.size();
  for (int i = 3; i >= 0; --i) {
    const std::size_t slash = end == 0 ? std::string_view::npos : credential.rfind('/', end - 1);
    if (slash == std::string_view::npos) return false;
    slashes[i] = end = slash;
  }
  fields.access_key = credential.substr(0, slashes[0]);
  fields.scope = credential.substr(slashes[0] + 1);
  fields.date = credential.substr(slashes[0] + 1, slashes[1] - slashes[0] - 1);
  fields.region = credential.substr(slashes[1] + 1, slashes[2] - slashes[1] - 1);
  fields.service = credential.substr(slashes[2] + 1, slashes[3] - slashes[2] - 1);
  return !fields.access_key.empty() && fields.date.size() == 8 && !fields.service.empty() &&
         credential.substr(slashes[3] + 1) == "aws4_request";
}

// The instant of signing: x-amz-date, else Date, which AWS takes too. Some clients put the ISO form into
// Date, some an HTTP date into x-amz-date.
std::expected<void, AuthError> read_date(const Request& request, SignatureFields& fields) {
  auto date = request.header("x-amz-date");
  if (!date) date = request.header("date");
  if (date) {
    fields.amz_date = *date;
    if (const auto when = parse_http_date(*date)) {
      const auto text = fmt::format("{}T{}{}{}Z", fields.date, date->substr(17, 2), date->substr(20, 2),
                                    date->substr(23, 2));
      auto* kept = static_cast<char*>(request.arena().keep(text.size()));
      text.copy(kept, text.size());
      fields.amz_date = {kept, text.size()};
      fields.signed_at = *when;
      return {};
    }
  }
  const auto when = parse_amz_date(fields.amz_date);
  if (!when)
    return auth_fail(AuthFailure::kMissingDate,
                     "AWS authentication requires a valid Date or x-amz-date header", fields.presigned);
  fields.signed_at = *when;
  return {};
}

Found from_header(const Request& request, std::string_view authorization) {
  SignatureFields fields;
  std::string_view rest = authorization.substr(kAlgorithm.size());
  std::string_view credential;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(','), rest.size());
    const std::string_view item = trim(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const std::size_t equals = item.find('=');
    if (equals == std::string_view::npos) return malformed(false, "the Authorization header is malformed");
    const std::string_view name = item.substr(0, equals);
    const std::string_view value = item.substr(equals + 1);
    if (name == "Credential") credential = value;
    if (name == "SignedHeaders") fields.signed_headers = value;
    if (name == "Signature") fields.signature = value;
  }
  if (fields.signed_headers.empty() || fields.signature.size() != 64)
    return malformed(false, "the Authorization header lacks SignedHeaders or Signature");
  if (!split_credential(credential, fields))
    return malformed(
        false, "the Credential of the Authorization header is not KEY/YYYYMMDD/REGION/SERVICE/aws4_request");
  if (auto dated = read_date(request, fields); !dated) return std::unexpected(std::move(dated).error());
  fields.token = request.header("x-amz-security-token").value_or("");
  const auto hash = request.header("x-amz-content-sha256");
  if (!hash)
    return auth_fail(AuthFailure::kMissingPayloadHash,
                     "Missing required header for this request: x-amz-content-sha256");
  fields.payload_hash = *hash;
  return fields;
}

std::string_view query_value(const Request& request, std::string_view name) {
  const QueryParam* param = request.find_query(name);
  return param == nullptr ? std::string_view() : param->value;
}

Found from_query(const Request& request) {
  SignatureFields fields;
  fields.presigned = true;
  if (query_value(request, "X-Amz-Algorithm") != kAlgorithm)
    return auth_fail(AuthFailure::kUnsupportedVersion, "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"",
                     true);
  fields.signed_headers = query_value(request, "X-Amz-SignedHeaders");
  fields.signature = query_value(request, "X-Amz-Signature");
  fields.amz_date = query_value(request, "X-Amz-Date");
  fields.token = query_value(request, "X-Amz-Security-Token");
  if (fields.signed_headers.empty() || fields.signature.size() != 64 || fields.amz_date.empty())
    return malformed(true,
                     "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, "
                     "X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.");
  if (!split_credential(query_value(request, "X-Amz-Credential"), fields))
    return malformed(true, "X-Amz-Credential is not KEY/YYYYMMDD/REGION/SERVICE/aws4_request");
  const std::string_view expires = query_value(request, "X-Amz-Expires");
  const auto parsed =
      std::from_chars(expires.data(), expires.data() + expires.size(), fields.expires_seconds);
  if (parsed.ec != std::errc() || parsed.ptr != expires.data() + expires.size() ||
      fields.expires_seconds < 1 || fields.expires_seconds > kMaxExpiresSeconds)
    return malformed(true, "X-Amz-Expires must be a number of seconds from 1 to 604800");
  const auto when = parse_amz_date(fields.amz_date);
  if (!when) return malformed(true, "X-Amz-Date must be in the ISO8601 format \"yyyyMMdd'T'HHmmss'Z'\"");
  fields.signed_at = *when;
  const std::string_view hash = query_value(request, "X-Amz-Content-Sha256");
  fields.payload_hash = hash.empty() ? "UNSIGNED-PAYLOAD" : hash;
  return fields;
}

}  // namespace

Found find_signature(const Request& request) {
  const std::string_view authorization = trim(request.header("authorization").value_or(""));
  const bool in_query = request.find_query("X-Amz-Algorithm") != nullptr ||
                        request.find_query("X-Amz-Credential") != nullptr ||
                        request.find_query("X-Amz-Signature") != nullptr;
  const bool old_query =
      request.find_query("AWSAccessKeyId") != nullptr && request.find_query("Signature") != nullptr;
  if (!authorization.empty() && (in_query || old_query))
    return auth_fail(
        AuthFailure::kAmbiguous,
        "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string "
        "parameter or the Authorization header should be specified");
  if (request.count("authorization") > 1)
    return auth_fail(AuthFailure::kAmbiguous, "Only one Authorization header is allowed");
  if (in_query) return from_query(request);
  if (authorization.empty() && !old_query) return std::nullopt;
  if (authorization.starts_with(kAlgorithm) &&
      (authorization.size() == kAlgorithm.size() || authorization[kAlgorithm.size()] == ' '))
    return from_header(request, authorization);
  return auth_fail(
      AuthFailure::kUnsupportedVersion,
      "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.");
}

std::optional<PayloadCover> parse_payload_hash(std::string_view text) {
  if (text == "UNSIGNED-PAYLOAD") return PayloadCover{PayloadKind::kUnsigned, {}};
  if (text == "STREAMING-AWS4-HMAC-SHA256-PAYLOAD") return PayloadCover{PayloadKind::kStreaming, {}};
  if (text == "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER")
    return PayloadCover{PayloadKind::kStreamingTrailer, {}};
  if (text == "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
    return PayloadCover{PayloadKind::kStreamingUnsignedTrailer, {}};
  if (text.size() != 64) return std::nullopt;
  PayloadCover cover{PayloadKind::kHash, {}};
  for (std::size_t i = 0; i < cover.hash.size(); ++i) {
    const int high = hex_digit(text[2 * i]);
    const int low = hex_digit(text[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    cover.hash[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return cover;
}

}  // namespace flashstor::s3d
