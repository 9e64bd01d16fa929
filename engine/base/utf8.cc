#include "engine/base/utf8.h"

#include <cstdint>

namespace flashstor::base {

std::size_t utf8_size(std::string_view text) {
  if (text.empty()) return 0;
  const auto lead = static_cast<std::uint8_t>(text[0]);
  const std::size_t size = lead < 0x80           ? 1
                           : (lead >> 5) == 0x6  ? 2
                           : (lead >> 4) == 0xe  ? 3
                           : (lead >> 3) == 0x1e ? 4
                                                 : 0;
  if (size <= 1 || size > text.size()) return size == 1 ? 1 : 0;
  std::uint32_t point = lead & (0x7fU >> size);
  for (std::size_t i = 1; i < size; ++i) {
    const auto next = static_cast<std::uint8_t>(text[i]);
    if ((next >> 6) != 2) return 0;
    point = (point << 6) | (next & 0x3f);
  }
  constexpr std::uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (point < kSmallest[size] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return 0;
  return size;
}

std::string utf8_repaired(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t size = utf8_size(text);
    out.append(size > 0 ? text.substr(0, size) : kReplacementCharacter);
    text.remove_prefix(size > 0 ? size : 1);
  }
  return out;
}

}  // namespace flashstor::base
