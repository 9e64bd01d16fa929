#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "s3d/ops/call.h"

namespace flashstor::s3d {

/// One rule of a CORSConfiguration.
struct CorsRule {
  std::string id;
  std::vector<std::string> origins;  ///< Each with at most one '*', as are the headers.
  std::vector<std::string> methods;
  std::vector<std::string> headers;
  std::vector<std::string> exposed;
  std::optional<std::uint32_t> max_age_s;
};

inline constexpr std::string_view kCors = "cors";  ///< Kind of bucket config.
inline constexpr std::size_t kMaxCorsRules = 100;

/// A CORSConfiguration. Errors: kMalformed (MalformedXML), kInvalidArgument (InvalidRequest, in S3's words).
[[nodiscard]] Result<std::vector<CorsRule>> parse_cors(std::string_view document);

/// What a cross-origin request asks.
struct CorsRequest {
  std::string_view origin;
  std::string_view method;
  std::vector<std::string_view> headers;  ///< Access-Control-Request-Headers, of a preflight.
};
/// The first rule that allows it, as AWS has it, and the origin to answer with ("*" when the rule says so).
struct CorsMatch {
  const CorsRule* rule;
  std::string allow_origin;
};
[[nodiscard]] std::optional<CorsMatch> match_cors(std::span<const CorsRule> rules, const CorsRequest& asked);

/// The Access-Control-* headers of the answer to a request with an Origin, when the bucket allows it.
void add_cors_headers(Call& call);

}  // namespace flashstor::s3d
