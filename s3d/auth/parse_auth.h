#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string_view>

#include "s3d/auth/signature.h"

namespace flashstor::s3d {

/// A Signature Version 4 as a request carries it, in header or query; views into the request.
struct SignatureFields {
  bool presigned = false;
  std::string_view access_key;
  std::string_view scope;  ///< date/region/service/aws4_request
  std::string_view date;   ///< 20130524
  std::string_view region;
  std::string_view service;
  std::string_view signed_headers;
  std::string_view signature;
  std::string_view amz_date;
  std::string_view token;
  std::string_view payload_hash;
  WallTime signed_at{};
  std::int64_t expires_seconds = 0;  ///< Of a presigned one.
};

/// Finds the signature of `request`; nothing when it carries none. Errors: kMalformed, kMissingDate,
/// kMissingPayloadHash, kUnsupportedVersion, kAmbiguous.
std::expected<std::optional<SignatureFields>, AuthError> find_signature(const Request& request);

/// How an x-amz-content-sha256 value covers the body; nothing when it is none of the known words and no hash.
struct PayloadCover {
  PayloadKind kind = PayloadKind::kUnsigned;
  Sha256Digest hash{};
};
std::optional<PayloadCover> parse_payload_hash(std::string_view text);

}  // namespace flashstor::s3d
