#pragma once

#include <span>
#include <string>
#include <string_view>

#include "engine/base/error.h"

namespace flashstor::base {
/// Lower-case hexadecimal.
[[nodiscard]] std::string to_hex(std::string_view bytes);
/// Bytes of a hexadecimal text in either case. Errors: kMalformed.
[[nodiscard]] Result<std::string> from_hex(std::string_view text);
/// RFC 4648 base64 with padding.
[[nodiscard]] std::string to_base64(std::string_view bytes);
/// Errors: kMalformed for a wrong alphabet, length or padding.
[[nodiscard]] Result<std::string> from_base64(std::string_view text);
}  // namespace flashstor::base
