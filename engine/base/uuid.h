#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "engine/base/error.h"
#include "engine/base/random.h"

namespace flashstor::base {

/// 128 bits that name one thing for ever: deployments, drives, buckets, data ids, request ids, inodes.
struct Uuid {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  static Uuid make(Random& random) { return {random.next(), random.next() | 1}; }
  [[nodiscard]] bool is_nil() const { return high == 0 && low == 0; }
  auto operator<=>(const Uuid&) const = default;
  /// 16 bytes, big-endian: sorts as the numbers do.
  [[nodiscard]] std::string to_bytes() const;
  /// `bytes` must be 16 long; anything else gives nil.
  [[nodiscard]] static Uuid from_bytes(std::string_view bytes);
  /// 32 hexadecimal digits.
  [[nodiscard]] std::string to_text() const;
  [[nodiscard]] static Result<Uuid> from_text(std::string_view text);
};

}  // namespace flashstor::base

template <>
struct std::hash<flashstor::base::Uuid> {
  std::size_t operator()(const flashstor::base::Uuid& id) const noexcept {
    return id.high * 0x9e3779b97f4a7c15 ^ id.low;
  }
};

namespace flashstor {
using base::Uuid;
}
