#include "engine/iam/condition_value.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstring>
#include <string>

#include "engine/iam/wildcard.h"

namespace flashstor::iam {
namespace {

constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr std::size_t kMaxAddressText = 45;  // INET6_ADDRSTRLEN without its NUL.

/// Reads decimal digits off the front of a text.
class Digits {
 public:
  explicit Digits(std::string_view text) : rest_(text) {}
  /// Exactly `count` digits.
  int take(std::size_t count) {
    int value = 0;
    if (rest_.size() < count) return bad();
    for (std::size_t i = 0; i < count; ++i) {
      if (rest_[i] < '0' || rest_[i] > '9') return bad();
      value = value * 10 + (rest_[i] - '0');
    }
    rest_.remove_prefix(count);
    return value;
  }
  bool take_char(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void need(char c) {
    if (!take_char(c)) ok_ = false;
  }
  /// The digits behind a '.', in milliseconds; later ones are dropped.
  int take_fraction_ms() {
    int value = 0;
    int weight = 100;
    std::size_t count = 0;
    while (!rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9') {
      value += (rest_.front() - '0') * weight;
      weight /= 10;
      ++count;
      rest_.remove_prefix(1);
    }
    if (count == 0) ok_ = false;
    return value;
  }
  int bad() {
    ok_ = false;
    return 0;
  }
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool at_end() const { return rest_.empty(); }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

/// Minutes east of UTC; "Z", "+hh:mm" or "-hhmm".
int take_zone_minutes(Digits& in) {
  if (in.take_char('Z') || in.take_char('z')) return 0;
  int sign = 1;
  if (in.take_char('-')) {
    sign = -1;
  } else if (!in.take_char('+')) {
    return in.bad();
  }
  const int hours = in.take(2);
  in.take_char(':');
  const int minutes = in.take(2);
  return hours > 14 || minutes > 59 ? in.bad() : sign * (hours * 60 + minutes);
}

std::optional<std::int64_t> parse_iso_ms(std::string_view text) {
  namespace chrono = std::chrono;
  Digits in(text);
  const int year = in.take(4);
  int month = 1;
  int day = 1;
  std::int64_t time_ms = 0;
  if (in.ok() && in.take_char('-')) {
    month = in.take(2);
    if (in.ok() && in.take_char('-')) {
      day = in.take(2);
      if (in.ok() && (in.take_char('T') || in.take_char('t'))) {
        const int hours = in.take(2);
        in.need(':');
        const int minutes = in.take(2);
        const int seconds = in.take_char(':') ? in.take(2) : 0;
        const int fraction_ms = in.take_char('.') ? in.take_fraction_ms() : 0;
        if (hours > 23 || minutes > 59 || seconds > 60) return std::nullopt;
        time_ms = ((hours * 60LL + minutes - take_zone_minutes(in)) * 60 + seconds) * 1000 + fraction_ms;
      }
    }
  }
  const chrono::year_month_day date(chrono::year(year), chrono::month(static_cast<unsigned>(month)),
                                    chrono::day(static_cast<unsigned>(day)));
  if (!in.ok() || !in.at_end() || !date.ok() || year < 1) return std::nullopt;
  return chrono::sys_days(date).time_since_epoch().count() * 86'400'000LL + time_ms;
}

}  // namespace

bool AddressBlock::contains(const AddressBlock& other) const {
  if (other.bits < bits) return false;
  const unsigned whole = bits / 8;
  if (std::memcmp(address.data(), other.address.data(), whole) != 0) return false;
  if (bits % 8 == 0) return true;
  const auto mask = static_cast<std::uint8_t>(0xff00 >> (bits % 8));
  return (address[whole] & mask) == (other.address[whole] & mask);
}

std::optional<AddressBlock> parse_address(std::string_view text) {
  const std::size_t slash = text.find('/');
  const std::string_view address = text.substr(0, slash);
  if (address.empty() || address.size() > kMaxAddressText) return std::nullopt;
  char terminated[kMaxAddressText + 1] = {};
  address.copy(terminated, address.size());
  AddressBlock block;
  bool written_as_v4 = false;
  if (::inet_pton(AF_INET, terminated, block.address.data() + kMapped.size()) == 1) {
    std::ranges::copy(kMapped, block.address.begin());
    block.is_v4 = written_as_v4 = true;
  } else if (::inet_pton(AF_INET6, terminated, block.address.data()) == 1) {
    block.is_v4 = std::equal(kMapped.begin(), kMapped.end(), block.address.begin());
  } else {
    return std::nullopt;
  }
  if (slash == std::string_view::npos) return block;
  const std::string_view length = text.substr(slash + 1);
  unsigned bits = 0;
  const auto [end, error] = std::from_chars(length.data(), length.data() + length.size(), bits);
  const unsigned most = written_as_v4 ? 32 : 128;
  if (error != std::errc() || end != length.data() + length.size() || bits > most) return std::nullopt;
  block.bits = written_as_v4 ? 96 + bits : bits;
  if (block.bits < 96) block.is_v4 = false;
  return block;
}

std::optional<double> parse_number(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  if (text.empty() || text.find_first_not_of("0123456789+-.eE") != std::string_view::npos)
    return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::optional<std::int64_t> parse_date_ms(std::string_view text) {
  if (const auto date = parse_iso_ms(text)) return date;
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  constexpr std::int64_t kMostSeconds = 1'000'000'000'000;  // The year 33658.
  if (error != std::errc() || end != text.data() + text.size() || std::abs(seconds) > kMostSeconds)
    return std::nullopt;
  return seconds * 1000;
}

std::optional<bool> parse_bool(std::string_view text) {
  if (wildcard_match_folded("true", text)) return true;
  if (wildcard_match_folded("false", text)) return false;
  return std::nullopt;
}

}  // namespace flashstor::iam
