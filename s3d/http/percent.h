#pragma once

#include <optional>
#include <string_view>

#include "engine/base/arena.h"

namespace flashstor::s3d {

/// The value of a hexadecimal digit in either case, or -1.
[[nodiscard]] inline int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// Percent-decodes into `arena` (no copy when there is nothing to decode). Nothing when a '%' is not followed
/// by two hex digits.
[[nodiscard]] std::optional<std::string_view> percent_decode(std::string_view text, bool plus_is_space,
                                                             Arena& arena);

}  // namespace flashstor::s3d
