#include "s3d/http/percent.h"

#include <algorithm>
#include <cstring>

namespace flashstor::s3d {

std::optional<std::string_view> percent_decode(std::string_view text, bool plus_is_space, Arena& arena) {
  const auto is_special = [plus_is_space](char c) { return c == '%' || (c == '+' && plus_is_space); };
  const auto plain = std::ranges::find_if(text, is_special);
  if (plain == text.end()) return text;
  auto* out = static_cast<char*>(arena.keep(text.size()));
  auto size = static_cast<std::size_t>(plain - text.begin());
  std::memcpy(out, text.data(), size);
  for (std::size_t i = size; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_digit(text[i + 1]);
      const int low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    } else if (c == '+' && plus_is_space) {
      c = ' ';
    }
    out[size++] = c;
  }
  return std::string_view(out, size);
}

}  // namespace flashstor::s3d
