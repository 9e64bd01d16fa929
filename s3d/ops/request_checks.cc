#include <array>

#include "s3d/ops/s3_handler.h"

namespace flashstor::s3d {
namespace {

/// Headers that ask for what is not built. A trailing '*' stands for anything.
constexpr std::array<std::string_view, 9> kUnsupported = {
    "x-amz-server-side-encryption*",
    "x-amz-copy-source-server-side-encryption*",
    "x-amz-website-redirect-location",
    "x-amz-write-offset-bytes",
    "x-amz-rename-source*",
    "x-amz-mfa",
    "x-amz-bucket-namespace",
    "x-amz-object-if-match*",
    "x-amz-optional-object-attributes",
};

bool matches(std::string_view pattern, std::string_view name) {
  if (!pattern.ends_with('*')) return equal_ignoring_case(pattern, name);
  pattern.remove_suffix(1);
  return name.size() >= pattern.size() && equal_ignoring_case(name.substr(0, pattern.size()), pattern);
}

bool unsupported(std::string_view name) {
  if (name.size() < 9 || !equal_ignoring_case(name.substr(0, 6), "x-amz-")) return false;
  for (const std::string_view pattern : kUnsupported)
    if (matches(pattern, name)) return true;
  return false;
}

S3Error malformed_auth(const AuthError& error, const Request& request) {
  const bool in_query = request.find_query("X-Amz-Algorithm") != nullptr;
  return {
      .code = in_query ? S3Code::kAuthorizationQueryParametersError : S3Code::kAuthorizationHeaderMalformed,
      .message = std::string(error.error.message())};
}

}  // namespace

Result<void> refuse_unsupported_headers(Call& call) {
  for (const HeaderField& field : call.request().headers())
    if (unsupported(field.name))
      return call.refuse(S3Code::kNotImplemented,
                         "A header you provided implies functionality that is not implemented",
                         {{"Header", std::string(field.name)}});
  if (call.signature.presigned)
    for (const QueryParam& param : call.request().query())
      if (unsupported(param.name))
        return call.refuse(S3Code::kNotImplemented, {}, {{"Header", std::string(param.name)}});
  return {};
}

S3Error auth_s3_error(const AuthError& error, const Request& request) {
  const std::string words(error.error.message());
  switch (error.cause) {
    case AuthFailure::kBadSignature: {
      S3Error out{.code = S3Code::kSignatureDoesNotMatch};
      if (!error.string_to_sign.empty()) {
        out.fields.emplace_back("StringToSign", error.string_to_sign);
        out.fields.emplace_back("CanonicalRequest", error.canonical_request);
      }
      return out;
    }
    case AuthFailure::kBadChunkSignature:
      return {.code = S3Code::kSignatureDoesNotMatch};
    case AuthFailure::kPayloadHashMismatch:
      return {.code = S3Code::kXAmzContentSHA256Mismatch};
    case AuthFailure::kUnknownKey:
      return {.code = S3Code::kInvalidAccessKeyId};
    case AuthFailure::kBadToken:
      return {.code = S3Code::kInvalidToken};
    case AuthFailure::kExpired:
      // A credential's end, not a presigned URL's.
      if (!error.presigned) return {.code = S3Code::kExpiredToken};
      return {.code = S3Code::kAccessDenied, .message = "Request has expired"};
    case AuthFailure::kNotYetValid:
      return {.code = S3Code::kAccessDenied, .message = "Request is not valid yet"};
    case AuthFailure::kSkewed:
      return {.code = S3Code::kRequestTimeTooSkewed};
    case AuthFailure::kMissingDate:
      return {.code = S3Code::kAccessDenied,
              .message = "AWS authentication requires a valid Date or x-amz-date header"};
    case AuthFailure::kMalformed:
    case AuthFailure::kWrongScope:
      return malformed_auth(error, request);
    case AuthFailure::kUnsignedHeader:
      return {.code = S3Code::kAccessDenied,
              .message = "There were headers present in the request which were not signed"};
    case AuthFailure::kMissingPayloadHash:
      if (const auto given = request.header("x-amz-content-sha256"))
        return {.code = S3Code::kInvalidArgument,
                .message =
                    "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
                    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a "
                    "valid sha256 value.",
                .fields = {{"ArgumentName", "x-amz-content-sha256"}, {"ArgumentValue", std::string(*given)}}};
      return {.code = S3Code::kInvalidRequest,
              .message = "Missing required header for this request: x-amz-content-sha256"};
    case AuthFailure::kUnsupportedVersion:
      if (error.presigned) return {.code = S3Code::kAuthorizationQueryParametersError, .message = words};
      return {.code = S3Code::kInvalidRequest,
              .message =
                  "The authorization mechanism you have provided is not supported. Please use "
                  "AWS4-HMAC-SHA256."};
    case AuthFailure::kAmbiguous:
      return {.code = S3Code::kInvalidArgument,
              .message =
                  "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, "
                  "Signature query string parameter or the Authorization header should be specified"};
    case AuthFailure::kSourceFailed:
      return to_s3_error(error.error);
  }
  return to_s3_error(error.error);
}

}  // namespace flashstor::s3d
