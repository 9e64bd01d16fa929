#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "engine/base/error.h"

namespace flashstor::cli {

/// RFC 3986 as SigV4 asks for it: every byte but A-Z a-z 0-9 - . _ ~ becomes %XX, and `/` too unless it is
/// kept.
[[nodiscard]] std::string percent_encode(std::string_view text, bool keep_slash = false);
/// Errors: kMalformed for a % without two hexadecimal digits. `plus_is_space` for S3's encoding-type=url.
[[nodiscard]] Result<std::string> percent_decode(std::string_view text, bool plus_is_space = false);

/// "512 B", "1.5 MiB".
[[nodiscard]] std::string human_bytes(std::uint64_t bytes);
/// "10MiB", "5G", "1024"; powers of 1024 for K, KiB, …, powers of 1000 for KB, … Errors: kInvalidArgument.
[[nodiscard]] Result<std::uint64_t> parse_bytes(std::string_view text);
/// "1 object", "17 objects": with an s but for one.
[[nodiscard]] std::string counted(std::uint64_t number, std::string_view noun);
/// "45s", "3m12s", "2h05m", "4d03h".
[[nodiscard]] std::string human_duration(std::chrono::seconds duration);
/// "7d12h30m10s", "90m"; units d, h, m, s. Errors: kInvalidArgument.
[[nodiscard]] Result<std::chrono::seconds> parse_duration(std::string_view text);

/// Shell pattern over the whole text: `*` any bytes, `?` one byte.
[[nodiscard]] bool glob_match(std::string_view pattern, std::string_view text);
/// The word of `known` with the fewest edits to `word`; empty when none is near enough to be meant.
[[nodiscard]] std::optional<std::string> nearest(std::string_view word, std::span<const std::string> known);
[[nodiscard]] std::string lower(std::string_view text);
[[nodiscard]] std::string_view trim(std::string_view text);
/// Control bytes shown as \xNN, so that a key from a server cannot drive the terminal.
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace flashstor::cli
