#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace flashstor::iam {

/// An address block: IPv6 of 128 bits, IPv4 mapped into it (::ffff:a.b.c.d).
struct AddressBlock {
  std::array<std::uint8_t, 16> address{};
  unsigned bits = 128;  ///< Of the 128; IPv4's /n is 96 + n.
  bool is_v4 = false;
  [[nodiscard]] bool contains(const AddressBlock& other) const;
};

/// "10.0.0.0/8", "2001:db8::/32" or a single address. An IPv4 address written as IPv6 (::ffff:10.0.0.1) is
/// IPv4.
[[nodiscard]] std::optional<AddressBlock> parse_address(std::string_view text);

/// A decimal number: digits with an optional sign, fraction and exponent.
[[nodiscard]] std::optional<double> parse_number(std::string_view text);

/// Milliseconds since 1970 of a W3C ISO 8601 date (2026, 2026-11, 2026-11-23, 2026-11-23T08:00Z, …:00Z,
/// …:00.5+02:00) or of seconds since 1970. A time of day needs a zone. Years 1 to 9999.
[[nodiscard]] std::optional<std::int64_t> parse_date_ms(std::string_view text);

/// "true" or "false" in any case.
[[nodiscard]] std::optional<bool> parse_bool(std::string_view text);

}  // namespace flashstor::iam
