#include "s3d/auth/signature.h"

#include <fmt/format.h>

#include "s3d/auth/auth_error.h"
#include "s3d/auth/canonical.h"
#include "s3d/auth/parse_auth.h"
#include "s3d/auth/signing_key.h"

namespace flashstor::s3d {
namespace {

using Verdict = std::expected<Identity, AuthError>;

// Dates, scope and signed headers: all that can be judged without the secret.
std::expected<void, AuthError> check_fields(const Request& request, const SignatureFields& fields,
                                            const SignatureOptions& options, WallTime now) {
  const bool presigned = fields.presigned;
  if (fields.amz_date.substr(0, 8) != fields.date)
    return auth_fail(AuthFailure::kWrongScope, "the date of the credential scope is not that of the request",
                     presigned);
  if (fields.service != "s3" && fields.service != "sts")
    return auth_fail(AuthFailure::kWrongScope,
                     fmt::format("the service of the credential scope is \"{}\", not \"s3\"", fields.service),
                     presigned);
  if (!options.region.empty() && fields.region != options.region)
    return auth_fail(AuthFailure::kWrongScope,
                     fmt::format("the region '{}' is wrong; expecting '{}'", fields.region, options.region),
                     presigned);
  if (presigned) {
    if (fields.signed_at > now + options.max_skew)
      return auth_fail(AuthFailure::kNotYetValid, "Request is not valid yet", true);
    if (now > fields.signed_at + std::chrono::seconds(fields.expires_seconds))
      return auth_fail(AuthFailure::kExpired, "Request has expired", true);
  } else if (fields.signed_at > now + options.max_skew || fields.signed_at < now - options.max_skew) {
    return auth_fail(AuthFailure::kSkewed,
                     "The difference between the request time and the server's time is too large.");
  }
  if (const auto name = unsigned_header(request, fields.signed_headers, presigned))
    return auth_fail(
        AuthFailure::kUnsignedHeader,
        fmt::format("There were headers present in the request which were not signed: {}", *name), presigned);
  return {};
}

std::expected<void, AuthError> check_token(const Credential& credential, const SignatureFields& fields) {
  if (equal_in_constant_time(credential.session_token, fields.token)) return {};
  return auth_fail(AuthFailure::kBadToken, "The provided token is malformed or otherwise invalid.",
                   fields.presigned);
}

std::unexpected<AuthError> source_failure(const Error& error, bool presigned) {
  const AuthFailure cause = error.code() == ErrorCode::kInvalidAccessKey ? AuthFailure::kUnknownKey
                            : error.code() == ErrorCode::kExpiredToken   ? AuthFailure::kExpired
                            : error.code() == ErrorCode::kInvalidToken   ? AuthFailure::kBadToken
                                                                         : AuthFailure::kSourceFailed;
  return std::unexpected(
      AuthError{.cause = cause, .presigned = presigned && cause != AuthFailure::kExpired, .error = error});
}

// Signature of a request: the key over algorithm, date, scope and the hash of the canonical request.
Sha256Digest sign(const SigningKey& key, const SignatureFields& fields, std::string_view canonical_hash) {
  Sha256 mac = key.hmac.begin();
  mac.update("AWS4-HMAC-SHA256\n").update(fields.amz_date).update("\n").update(fields.scope).update("\n");
  mac.update(canonical_hash);
  return key.hmac.end(mac);
}

}  // namespace

SignatureVerifier::SignatureVerifier(CredentialSource& source, SignatureOptions options)
    : source_(source),
      options_(std::move(options)),
      keys_(std::make_unique<SigningKeyCache>(options_.max_cached_keys)) {}
SignatureVerifier::~SignatureVerifier() = default;

Task<Verdict> SignatureVerifier::verify(const Request& request, WallTime now) {
  auto found = find_signature(request);
  if (!found) co_return std::unexpected(std::move(found).error());
  Identity identity;
  if (!*found) {
    // Nobody signed it, but the body may be framed or hashed as if: those checks need no key.
    const auto cover =
        parse_payload_hash(request.header("x-amz-content-sha256").value_or("UNSIGNED-PAYLOAD"));
    if (!cover || cover->kind == PayloadKind::kStreaming || cover->kind == PayloadKind::kStreamingTrailer)
      co_return auth_fail(AuthFailure::kMalformed, "x-amz-content-sha256 does not fit an anonymous request");
    identity.payload = cover->kind;
    identity.payload_hash = cover->hash;
    co_return identity;
  }
  const SignatureFields& fields = **found;
  if (auto checked = check_fields(request, fields, options_, now); !checked)
    co_return std::unexpected(std::move(checked).error());
  const auto cover = parse_payload_hash(fields.payload_hash);
  if (!cover) {
    AuthError error =
        auth_fail(AuthFailure::kMissingPayloadHash,
                  "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, a STREAMING-… word, or a SHA-256",
                  fields.presigned)
            .error();
    co_return std::unexpected(std::move(error));
  }
  auto credential = co_await source_.find(fields.access_key);
  if (!credential) co_return source_failure(credential.error(), fields.presigned);
  if (auto checked = check_token(**credential, fields); !checked)
    co_return std::unexpected(std::move(checked).error());
  identity.signing_key = keys_->get(**credential, fields.scope, fields.date, fields.region, fields.service);
  const std::pmr::string canonical =
      canonical_request(request, fields.signed_headers, fields.payload_hash, fields.presigned);
  const auto canonical_hash = hex_of(Sha256().update(std::string_view(canonical)).finish());
  const auto expected = hex_of(sign(*identity.signing_key, fields, view_of(canonical_hash)));
  if (!equal_in_constant_time(view_of(expected), fields.signature)) {
    AuthError error =
        auth_fail(
            AuthFailure::kBadSignature,
            "The request signature we calculated does not match the signature you provided. Check your key "
            "and signing method.",
            fields.presigned)
            .error();
    error.canonical_request = canonical;
    error.string_to_sign =
        fmt::format("AWS4-HMAC-SHA256\n{}\n{}\n{}", fields.amz_date, fields.scope, view_of(canonical_hash));
    co_return std::unexpected(std::move(error));
  }
  identity.anonymous = false;
  identity.presigned = fields.presigned;
  identity.credential = *credential;
  identity.access_key = fields.access_key;
  identity.region = fields.region;
  identity.service = fields.service;
  identity.payload = cover->kind;
  identity.payload_hash = cover->hash;
  identity.amz_date = fields.amz_date;
  identity.signed_at = fields.signed_at;
  identity.scope = fields.scope;
  identity.signature = fields.signature;
  co_return identity;
}

}  // namespace flashstor::s3d
