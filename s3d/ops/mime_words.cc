#include "engine/base/hex.h"
#include "s3d/ops/object_headers.h"

namespace flashstor::s3d {
namespace {

int digit_of(char byte) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  if (byte >= 'a' && byte <= 'f') return byte - 'a' + 10;
  if (byte >= 'A' && byte <= 'F') return byte - 'A' + 10;
  return -1;
}

std::optional<std::string> decode_q(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '_') {
      out.push_back(' ');
    } else if (text[i] != '=') {
      out.push_back(text[i]);
    } else {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = digit_of(text[i + 1]);
      const int low = digit_of(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      out.push_back(static_cast<char>(high * 16 + low));
      i += 2;
    }
  }
  return out;
}

/// One word at the front of `text`; nothing when there is none. Takes it off.
std::optional<std::string> take_word(std::string_view& text) {
  if (!text.starts_with("=?")) return std::nullopt;
  const auto charset_end = text.find('?', 2);
  if (charset_end == std::string_view::npos || charset_end + 2 >= text.size() || text[charset_end + 2] != '?')
    return std::nullopt;
  const auto end = text.find("?=", charset_end + 3);
  if (end == std::string_view::npos) return std::nullopt;
  if (!equal_ignoring_case(text.substr(2, charset_end - 2), "utf-8")) return std::nullopt;
  const std::string_view data = text.substr(charset_end + 3, end - charset_end - 3);
  std::optional<std::string> decoded;
  const char encoding = text[charset_end + 1];
  if (encoding == 'B' || encoding == 'b') {
    if (auto raw = base::from_base64(data)) decoded = std::move(*raw);
  } else if (encoding == 'Q' || encoding == 'q') {
    decoded = decode_q(data);
  }
  if (decoded) text.remove_prefix(end + 2);
  return decoded;
}

}  // namespace

std::string decode_mime_words(std::string_view text) {
  if (!text.contains("=?")) return std::string(text);
  std::string out;
  while (!text.empty()) {
    if (auto word = take_word(text)) {
      out += *word;
      // White space between two words belongs to neither.
      std::string_view rest = text;
      while (rest.starts_with(' ') || rest.starts_with('\t')) rest.remove_prefix(1);
      if (rest.starts_with("=?")) text = rest;
      continue;
    }
    out.push_back(text.front());
    text.remove_prefix(1);
  }
  return out;
}

std::string encode_mime_words(std::string_view text) {
  bool plain = true;
  for (const char byte : text) plain = plain && byte >= 0x20 && byte < 0x7f;
  if (plain) return std::string(text);
  std::string out = "=?UTF-8?B?";
  return out.append(base::to_base64(text)).append("?=");
}

}  // namespace flashstor::s3d
