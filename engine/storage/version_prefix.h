#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace flashstor::storage {

/// The part of a row key of Family::kVersions that all versions of one object key share, and its id mappings
/// another: bucket id, escaped key, 00 and the mark behind it. An index that knows it answers whether there
/// is any version of a key from filters. Source: docs/on-disk-format.md, Keys.
struct VersionPrefix {
  static constexpr std::size_t kBucketIdBytes = 16;

  /// Its bytes at the front of `row_key`; nothing where the object key does not end.
  [[nodiscard]] static std::optional<std::string_view> of(std::string_view row_key) {
    std::size_t at = kBucketIdBytes;
    while (at < row_key.size()) {
      at = row_key.find('\0', at);
      if (at == std::string_view::npos || at + 1 == row_key.size()) return std::nullopt;
      if (row_key[at + 1] != '\xff') return row_key.substr(0, at + 2);
      at += 2;  // a NUL of the object key
    }
    return std::nullopt;
  }

  /// Whether all rows with lower <= key < upper begin with the prefix of `lower`.
  [[nodiscard]] static bool is_range_of_one(std::string_view lower, std::string_view upper) {
    const auto prefix = of(lower);
    return prefix && upper.size() == prefix->size() &&
           prefix->substr(0, prefix->size() - 1) == upper.substr(0, upper.size() - 1) &&
           static_cast<unsigned char>(prefix->back()) + 1 == static_cast<unsigned char>(upper.back());
  }
};

}  // namespace flashstor::storage
