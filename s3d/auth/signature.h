#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "engine/base/time.h"
#include "s3d/auth/credential.h"
#include "s3d/auth/sha256.h"
#include "s3d/http/request.h"

namespace flashstor::s3d {

/// Why a request is not who it says it is; each is a counter of its own.
enum class AuthFailure : std::uint8_t {
  kBadSignature,         ///< The request's signature does not match.
  kBadChunkSignature,    ///< A chunk's or the trailer's does not match.
  kPayloadHashMismatch,  ///< The body is not the one whose SHA-256 was signed.
  kUnknownKey,
  kBadToken,     ///< A session token that is missing, wrong or not expected.
  kExpired,      ///< A presigned URL after its time, or an expired credential.
  kNotYetValid,  ///< A presigned URL before its time.
  kSkewed,       ///< More than 15 minutes from our clock.
  kMissingDate,
  kMalformed,           ///< Authorization, credential scope, date or query parameters that do not parse.
  kUnsignedHeader,      ///< `host` or an `x-amz-*` header is not among the signed ones.
  kMissingPayloadHash,  ///< No x-amz-content-sha256.
  kWrongScope,          ///< Region, service or date of the credential scope.
  kUnsupportedVersion,  ///< Signature version 2, version 4A, or unknown.
  kAmbiguous,           ///< More than one way of signing in one request.
  kSourceFailed,        ///< The credential store could not answer.
};
inline constexpr std::size_t kAuthFailures = 16;
[[nodiscard]] std::string_view name_of(AuthFailure failure);

struct AuthError {
  AuthFailure cause;
  bool presigned = false;  ///< The signature is in the query.
  Error error;
  // For the answer to kBadSignature, as S3 gives them; empty otherwise.
  std::string canonical_request = {};
  std::string string_to_sign = {};
};

/// What S3 answers for a failure: its error code and HTTP status.
struct S3AuthAnswer {
  std::string_view code;
  int status;
};
[[nodiscard]] S3AuthAnswer s3_answer_of(AuthFailure failure, bool presigned);

/// How x-amz-content-sha256 says that the body is covered.
enum class PayloadKind : std::uint8_t {
  kUnsigned,                  ///< UNSIGNED-PAYLOAD, presigned, or anonymous.
  kHash,                      ///< The SHA-256 of the whole body.
  kStreaming,                 ///< STREAMING-AWS4-HMAC-SHA256-PAYLOAD.
  kStreamingTrailer,          ///< STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER.
  kStreamingUnsignedTrailer,  ///< STREAMING-UNSIGNED-PAYLOAD-TRAILER.
};

/// A signing key: HMAC-SHA256 over `key` with the states after the inner and the outer pad kept.
struct SigningKey;
class SigningKeyCache;

/// Who signed a request and what its body must match. Views are into the request.
struct Identity {
  bool anonymous = true;
  bool presigned = false;
  const Credential* credential = nullptr;  ///< Null when anonymous.
  std::string_view access_key;
  std::string_view region;
  std::string_view service;  ///< "s3" or "sts".
  PayloadKind payload = PayloadKind::kUnsigned;
  Sha256Digest payload_hash{};  ///< For kHash.
  // For the signatures of chunks.
  std::shared_ptr<const SigningKey> signing_key;
  std::string_view amz_date;   ///< 20130524T000000Z
  WallTime signed_at{};        ///< The same as a time.
  std::string_view scope;      ///< 20130524/us-east-1/s3/aws4_request
  std::string_view signature;  ///< Of the request: the seed of the first chunk's.
};

struct SignatureOptions {
  /// Requests must be signed for it; empty takes any.
  std::string region;
  Milliseconds max_skew = std::chrono::minutes(15);
  std::size_t max_cached_keys = 4096;
};

/// Checks AWS Signature Version 4: in the Authorization header, presigned in the query, and the seed of
/// streamed bodies. Signing keys are cached per credential and day. Costs 1 to 3 microseconds for a key in
/// the cache. Threads: one per loop. Source: AWS, "Authenticating Requests (AWS Signature Version 4)".
class SignatureVerifier {
 public:
  SignatureVerifier(CredentialSource& source, SignatureOptions options);
  SignatureVerifier(const SignatureVerifier&) = delete;
  SignatureVerifier& operator=(const SignatureVerifier&) = delete;
  ~SignatureVerifier();

  /// Who sent `request`; anonymous when it carries no signature at all. `now` is the wall time of the
  /// runtime. The Identity is good as long as the request. ErrorCode of each cause: kSignatureMismatch,
  /// kBadDigest, kInvalidAccessKey, kInvalidToken, kExpiredToken, kAccessDenied (expired URL, unsigned
  /// header), kRequestTimeSkewed, kMalformed, kInvalidArgument (version 2, missing hash).
  Task<std::expected<Identity, AuthError>> verify(const Request& request, WallTime now);

 private:
  CredentialSource& source_;
  SignatureOptions options_;
  std::unique_ptr<SigningKeyCache> keys_;
};

}  // namespace flashstor::s3d
