#pragma once

#include <cstdint>
#include <string_view>

namespace flashstor::iam {

/// In a compiled pattern these two bytes stand for '*' and '?'. They occur in no UTF-8 text, so all else is
/// literal.
inline constexpr char kAnyMany = '\xff';
inline constexpr char kAnyOne = '\xfe';

/// Does `text` match the compiled `pattern` as a whole? kAnyOne takes one UTF-8 character.
/// CPU: at most about pattern.size() * text.size() steps.
[[nodiscard]] bool wildcard_match(std::string_view pattern, std::string_view text);
/// The same with ASCII letters equal in either case; `pattern` must be lower-case.
[[nodiscard]] bool wildcard_match_folded(std::string_view pattern, std::string_view text);

/// How much of a set of texts a pattern takes.
enum class Coverage : std::uint8_t { kNone, kSome, kAll };

/// How many of the texts that begin with `prefix` match: kNone and kAll are certain, kSome means "look at the
/// text".
[[nodiscard]] Coverage wildcard_coverage(std::string_view pattern, std::string_view prefix);

[[nodiscard]] constexpr char lower_ascii(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

}  // namespace flashstor::iam
