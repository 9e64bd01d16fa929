#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/base/random.h"
#include "engine/base/time.h"

namespace flashstor::objects {

/// Names a version of a key. Shown as 32 hex digits: time (nanoseconds) then a random number; so the row is
/// found without a search. The null version has one too, inside; it is shown as "null".
struct VersionId {
  std::int64_t time_ns = 0;
  std::uint64_t random = 0;
  auto operator<=>(const VersionId&) const = default;
  [[nodiscard]] bool is_set() const { return time_ns != 0; }
  [[nodiscard]] static VersionId make(WallTime time, Random& random);
  [[nodiscard]] std::string to_text() const;
  /// Nothing for a text that never was one of ours.
  [[nodiscard]] static std::optional<VersionId> from_text(std::string_view text);
};
inline constexpr std::string_view kNullVersionId = "null";

}  // namespace flashstor::objects
