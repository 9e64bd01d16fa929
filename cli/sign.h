#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/time.h"

namespace flashstor::cli {

struct Credentials {
  std::string access_key;
  std::string secret_key;
  std::string session_token;  ///< Empty without STS.
};

struct Header {
  std::string name;
  std::string value;
};
using Headers = std::vector<Header>;
/// Query parameters, not yet encoded, in any order.
using Query = std::vector<std::pair<std::string, std::string>>;

/// What is signed of a request. `path` is percent-encoded as it goes over the wire.
struct SigningInput {
  std::string method;
  std::string host;
  std::string path = "/";
  Query query;
  Headers headers;  ///< Those to be signed besides host and x-amz-*.
  std::string payload_hash;
};

struct SigningScope {
  std::string region = "us-east-1";
  std::string service = "s3";
  WallTime time;
};

inline constexpr std::string_view kUnsignedPayload = "UNSIGNED-PAYLOAD";

/// `name=value&…`, encoded and sorted as the canonical request has it; good as the URL's query too.
[[nodiscard]] std::string canonical_query(const Query& query);
/// `headers` with x-amz-date, x-amz-content-sha256, x-amz-security-token (with a session) and Authorization
/// added. Source: AWS, "Authenticating Requests: Using the Authorization Header".
[[nodiscard]] Headers sign_headers(const SigningInput& input, const Credentials& credentials,
                                   const SigningScope& scope);
/// The query of a URL that anybody may use until it expires, X-Amz-Signature last; the payload is not signed.
/// Source: AWS, "Authenticating Requests: Using Query Parameters".
[[nodiscard]] std::string presign_query(SigningInput input, const Credentials& credentials,
                                        const SigningScope& scope, std::chrono::seconds expires);

}  // namespace flashstor::cli
