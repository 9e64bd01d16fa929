#include "cli/clock.h"

#include <fmt/format.h>

#include <cstdio>
#include <ctime>
#include <thread>

namespace flashstor::cli {
namespace {

std::tm to_tm(WallTime time) {
  const std::time_t seconds =
      std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  return parts;
}

std::string formatted(WallTime time, const char* format) {
  const std::tm parts = to_tm(time);
  char text[64];
  return {text, std::strftime(text, sizeof text, format, &parts)};
}

Result<WallTime> from_tm(std::tm parts, long nanoseconds, std::string_view text) {
  const bool sane = parts.tm_mon >= 0 && parts.tm_mon < 12 && parts.tm_mday >= 1 && parts.tm_mday <= 31 &&
                    parts.tm_year >= -200 && parts.tm_year <= 300 &&  // what nanoseconds since 1970 hold
                    parts.tm_hour < 24 && parts.tm_min < 60 && parts.tm_sec <= 60;
  if (!sane) return fail(ErrorCode::kMalformed, fmt::format("`{}` is no time", text));
  return WallTime(std::chrono::seconds(timegm(&parts)) + Nanoseconds(nanoseconds));
}

}  // namespace

WallTime wall_now() { return std::chrono::time_point_cast<Nanoseconds>(std::chrono::system_clock::now()); }
MonotonicTime steady_now() { return std::chrono::steady_clock::now(); }
void pause_for(Milliseconds duration) { std::this_thread::sleep_for(duration); }

std::string iso_basic(WallTime time) { return formatted(time, "%Y%m%dT%H%M%SZ"); }
std::string iso_extended(WallTime time) {
  const auto part = std::chrono::duration_cast<Milliseconds>(time.time_since_epoch()).count() % 1000;
  return formatted(time, "%Y-%m-%dT%H:%M:%S") + fmt::format(".{:03}Z", part < 0 ? part + 1000 : part);
}
std::string display_time(WallTime time) { return formatted(time, "%Y-%m-%d %H:%M:%S UTC"); }

Result<WallTime> parse_iso(std::string_view text) {
  std::tm parts{};
  int length = 0;
  const std::string copy(text);
  if (std::sscanf(copy.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d%n", &parts.tm_year, &parts.tm_mon, &parts.tm_mday,
                  &parts.tm_hour, &parts.tm_min, &parts.tm_sec, &length) != 6)
    return fail(ErrorCode::kMalformed, fmt::format("`{}` is no time", text));
  parts.tm_year -= 1900;
  parts.tm_mon -= 1;
  long nanoseconds = 0;
  const char* rest = copy.c_str() + length;
  if (*rest == '.') {
    ++rest;
    for (long unit = 100'000'000; *rest >= '0' && *rest <= '9'; ++rest, unit /= 10)
      nanoseconds += (*rest - '0') * unit;
  }
  return from_tm(parts, nanoseconds, text);
}

Result<WallTime> parse_http_date(std::string_view text) {
  static constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  std::tm parts{};
  char month[4] = {};
  const std::string copy(text);
  if (std::sscanf(copy.c_str(), "%*3s, %2d %3s %4d %2d:%2d:%2d", &parts.tm_mday, month, &parts.tm_year,
                  &parts.tm_hour, &parts.tm_min, &parts.tm_sec) != 6)
    return fail(ErrorCode::kMalformed, fmt::format("`{}` is no date", text));
  const auto at = kMonths.find(month);
  if (at == std::string_view::npos || at % 3 != 0)
    return fail(ErrorCode::kMalformed, fmt::format("`{}` is no date", text));
  parts.tm_mon = static_cast<int>(at / 3);
  parts.tm_year -= 1900;
  return from_tm(parts, 0, text);
}

}  // namespace flashstor::cli
