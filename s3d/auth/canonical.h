#pragma once

#include <memory_resource>
#include <optional>
#include <string>
#include <string_view>

#include "engine/base/time.h"
#include "s3d/http/request.h"

namespace flashstor::s3d {

/// Appends `text` percent-encoded as Signature Version 4 wants it: unreserved characters stay, everything
/// else is %XX in upper case; '/' stays where `keep_slash`.
void append_uri_encoded(std::pmr::string& out, std::string_view text, bool keep_slash);

/// The canonical request of S3: the path encoded once and not normalised, the query sorted, headers trimmed.
/// `signed_headers` is the list as it was sent ("host;x-amz-date"); `presigned` leaves X-Amz-Signature out.
/// Source: AWS, "Signature calculations for the Authorization header: canonical request".
[[nodiscard]] std::pmr::string canonical_request(const Request& request, std::string_view signed_headers,
                                                 std::string_view payload_hash, bool presigned);

/// The first header that must be signed and is not: `host`, or an `x-amz-*` one of the request. Nothing when
/// all are.
[[nodiscard]] std::optional<std::string_view> unsigned_header(const Request& request,
                                                              std::string_view signed_headers,
                                                              bool presigned);

/// "20130524T000000Z". Nothing when it does not parse.
[[nodiscard]] std::optional<WallTime> parse_amz_date(std::string_view text);
/// "Fri, 24 May 2013 00:00:00 GMT", the HTTP date. Nothing when it does not parse.
[[nodiscard]] std::optional<WallTime> parse_http_date(std::string_view text);

}  // namespace flashstor::s3d
