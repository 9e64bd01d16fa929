#include "s3d/auth/canonical.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <vector>

namespace flashstor::s3d {
namespace {

constexpr std::array<bool, 256> kUnreserved = [] {
  std::array<bool, 256> table{};
  for (int c = '0'; c <= '9'; ++c) table[static_cast<std::size_t>(c)] = true;
  for (int c = 'a'; c <= 'z'; ++c) table[static_cast<std::size_t>(c)] = true;
  for (int c = 'A'; c <= 'Z'; ++c) table[static_cast<std::size_t>(c)] = true;
  for (const char c : {'-', '.', '_', '~'}) table[static_cast<unsigned char>(c)] = true;
  return table;
}();

void append_query(std::pmr::string& out, const Request& request, bool presigned) {
  struct Pair {
    std::pmr::string name;
    std::pmr::string value;
  };
  std::pmr::vector<Pair> pairs(&request.arena());
  pairs.reserve(request.query().size());
  for (const QueryParam& param : request.query()) {
    if (presigned && param.name == "X-Amz-Signature") continue;
    Pair& pair = pairs.emplace_back(std::pmr::string(&request.arena()), std::pmr::string(&request.arena()));
    append_uri_encoded(pair.name, param.name, false);
    append_uri_encoded(pair.value, param.value, false);
  }
  std::ranges::sort(pairs, [](const Pair& a, const Pair& b) {
    return a.name != b.name ? a.name < b.name : a.value < b.value;
  });
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    if (i > 0) out.push_back('&');
    out.append(pairs[i].name).append("=").append(pairs[i].value);
  }
}

// Runs of white space inside become one space; the parser has trimmed the ends.
void append_trimmed(std::pmr::string& out, std::string_view value) {
  if (value.find("  ") == std::string_view::npos && value.find('\t') == std::string_view::npos) {
    out.append(value);
    return;
  }
  bool space = false;
  for (const char c : value) {
    const bool is_space = c == ' ' || c == '\t';
    if (!is_space) {
      if (space) out.push_back(' ');
      out.push_back(c);
    }
    space = is_space;
  }
}

void append_header(std::pmr::string& out, const Request& request, std::string_view name) {
  out.append(name).append(":");
  bool first = true;
  for (const HeaderField& field : request.headers()) {
    if (!equal_ignoring_case(field.name, name)) continue;
    if (!first) out.push_back(',');
    first = false;
    append_trimmed(out, field.value);
  }
  out.push_back('\n');
}

/// Calls `use` with each name of a list like "host;x-amz-date" until it gives false.
template <class Use>
void each_name(std::string_view list, Use use) {
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(';'), list.size());
    if (!use(list.substr(0, end))) return;
    list.remove_prefix(std::min(end + 1, list.size()));
  }
}

bool contains(std::string_view list, std::string_view name) {
  bool found = false;
  each_name(list, [&](std::string_view item) {
    found = equal_ignoring_case(item, name);
    return !found;
  });
  return found;
}

// `count` decimal digits at `at`, or -1.
int digits(std::string_view text, std::size_t at, std::size_t count) {
  if (at + count > text.size()) return -1;
  int value = 0;
  for (const char c : text.substr(at, count)) {
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  return value;
}

std::optional<WallTime> to_time(int year, unsigned month, int day, int hour, int minute, int second) {
  if (year < 0 || day < 0 || hour < 0 || minute < 0 || second < 0) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(month),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok() || year < 1970 || year > 2200 || hour > 23 || minute > 59 || second > 60)
    return std::nullopt;
  return WallTime(std::chrono::sys_days(date)) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         std::chrono::seconds(second);
}

}  // namespace

void append_uri_encoded(std::pmr::string& out, std::string_view text, bool keep_slash) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  const auto stays = [keep_slash](char c) {
    return kUnreserved[static_cast<unsigned char>(c)] || (c == '/' && keep_slash);
  };
  while (!text.empty()) {
    const auto end = std::ranges::find_if_not(text, stays);
    const auto plain = static_cast<std::size_t>(end - text.begin());
    out.append(text.substr(0, plain));
    if (plain == text.size()) return;
    const auto byte = static_cast<unsigned char>(*end);
    const char encoded[3] = {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    out.append(encoded, 3);
    text.remove_prefix(plain + 1);
  }
}

std::pmr::string canonical_request(const Request& request, std::string_view signed_headers,
                                   std::string_view payload_hash, bool presigned) {
  std::pmr::string out(&request.arena());
  out.reserve(1024);
  out.append(request.method()).append("\n");
  append_uri_encoded(out, request.path(), true);
  out.push_back('\n');
  append_query(out, request, presigned);
  out.push_back('\n');
  each_name(signed_headers, [&](std::string_view name) {
    append_header(out, request, name);
    return true;
  });
  out.append("\n").append(signed_headers).append("\n").append(payload_hash);
  return out;
}

std::optional<std::string_view> unsigned_header(const Request& request, std::string_view signed_headers,
                                                bool presigned) {
  if (!contains(signed_headers, "host")) return "host";
  for (const HeaderField& field : request.headers()) {
    if (field.name.size() < 6 || !equal_ignoring_case(field.name.substr(0, 6), "x-amz-")) continue;
    // A presigned URL covers the payload by its query; clients add this header on their own.
    if (presigned && equal_ignoring_case(field.name, "x-amz-content-sha256")) continue;
    if (!contains(signed_headers, field.name)) return field.name;
  }
  return std::nullopt;
}

std::optional<WallTime> parse_amz_date(std::string_view text) {
  if (text.size() != 16 || text[8] != 'T' || text[15] != 'Z') return std::nullopt;
  const int month = digits(text, 4, 2);
  if (month < 0) return std::nullopt;
  return to_time(digits(text, 0, 4), static_cast<unsigned>(month), digits(text, 6, 2), digits(text, 9, 2),
                 digits(text, 11, 2), digits(text, 13, 2));
}

std::optional<WallTime> parse_http_date(std::string_view text) {
  static constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  if (text.size() != 29 || !text.ends_with(" GMT") || text.substr(3, 2) != ", ") return std::nullopt;
  const std::size_t month = kMonths.find(text.substr(8, 3));
  if (month == std::string_view::npos || month % 3 != 0) return std::nullopt;
  return to_time(digits(text, 12, 4), static_cast<unsigned>(month / 3 + 1), digits(text, 5, 2),
                 digits(text, 17, 2), digits(text, 20, 2), digits(text, 23, 2));
}

}  // namespace flashstor::s3d
