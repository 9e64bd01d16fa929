#pragma once

#include <string>
#include <string_view>

#include "engine/base/error.h"
#include "engine/base/time.h"

namespace flashstor::cli {

/// flashctl's only look at the wall clock, at the steady one, and its only sleep (it has no event loop).
[[nodiscard]] WallTime wall_now();
[[nodiscard]] MonotonicTime steady_now();
void pause_for(Milliseconds duration);

/// "20130524T000000Z", as SigV4 and the mount socket want it.
[[nodiscard]] std::string iso_basic(WallTime time);
/// "2013-05-24T00:00:00.000Z".
[[nodiscard]] std::string iso_extended(WallTime time);
/// "2013-05-24 00:00:00 UTC", for people.
[[nodiscard]] std::string display_time(WallTime time);
/// ISO 8601 as S3 writes it in XML ("2013-05-24T00:00:00.000Z"). Errors: kMalformed.
[[nodiscard]] Result<WallTime> parse_iso(std::string_view text);
/// RFC 9110's "Fri, 24 May 2013 00:00:00 GMT". Errors: kMalformed.
[[nodiscard]] Result<WallTime> parse_http_date(std::string_view text);

}  // namespace flashstor::cli
