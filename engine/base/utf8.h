#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace flashstor::base {

/// What stands for bytes that are no character.
inline constexpr std::string_view kReplacementCharacter = "\xef\xbf\xbd";

/// Bytes of the well-formed character that `text` begins with; 0 when it begins with none.
/// Source: RFC 3629 (no overlong forms, no surrogates, nothing above U+10FFFF).
std::size_t utf8_size(std::string_view text);

/// The text with kReplacementCharacter in place of each byte that belongs to no character: for answers and
/// logs that name what a client sent.
std::string utf8_repaired(std::string_view text);

}  // namespace flashstor::base
