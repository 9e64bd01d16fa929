#include "s3d/http/percent.h"

namespace flashstor::s3d {

std::optional<std::string_view> percent_decode(std::string_view text, bool plus_is_space, Arena& arena) {
  if (text.find_first_of(plus_is_space ? "%+" : "%") == std::string_view::npos) return text;
  auto* out = static_cast<char*>(arena.keep(text.size()));
  std::size_t size = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
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
