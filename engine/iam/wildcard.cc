#include "engine/iam/wildcard.h"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace flashstor::iam {
namespace {

/// Bytes of the UTF-8 character at `at`: its first byte and the continuation bytes behind it.
std::size_t character_size(std::string_view text, std::size_t at) {
  std::size_t size = 1;
  while (at + size < text.size() && (static_cast<unsigned char>(text[at + size]) & 0xc0) == 0x80) ++size;
  return size;
}

/// Greedy with one place to come back to: a later '*' makes every earlier one moot.
template <bool kFolded>
bool match(std::string_view pattern, std::string_view text) {
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;
  std::size_t retry = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == kAnyMany) {
      star = p++;
      retry = t;
      continue;
    }
    if (p < pattern.size()) {
      if (pattern[p] == kAnyOne) {
        ++p;
        t += character_size(text, t);
        continue;
      }
      if (pattern[p] == (kFolded ? lower_ascii(text[t]) : text[t])) {
        ++p;
        ++t;
        continue;
      }
    }
    if (star == std::string_view::npos) return false;
    p = star + 1;
    t = ++retry;
  }
  while (p < pattern.size() && pattern[p] == kAnyMany) ++p;
  return p == pattern.size();
}

/// The places in `pattern` where a match of some text may stand, as a set that always holds what an empty '*'
/// reaches.
class Places {
 public:
  explicit Places(std::string_view pattern) : pattern_(pattern), in_(pattern.size() + 1) { add(in_, 0); }

  void step(std::string_view text, std::size_t at) {
    std::vector<bool> next(in_.size());
    for (std::size_t p = 0; p < pattern_.size(); ++p) {
      if (!in_[p]) continue;
      if (pattern_[p] == kAnyMany) add(next, p);
      if (pattern_[p] == text[at] || (pattern_[p] == kAnyOne)) add(next, p + 1);
    }
    in_ = std::move(next);
  }
  [[nodiscard]] bool empty() const { return std::ranges::find(in_, true) == in_.end(); }
  /// Whether only '*' follow one of the places, so that any rest is taken.
  [[nodiscard]] bool takes_all() const {
    for (std::size_t p = pattern_.size(); p > 0 && pattern_[p - 1] == kAnyMany; --p) {
      if (in_[p - 1]) return true;
    }
    return false;
  }

 private:
  void add(std::vector<bool>& set, std::size_t p) const {
    set[p] = true;
    while (p < pattern_.size() && pattern_[p] == kAnyMany) set[++p] = true;
  }
  std::string_view pattern_;
  std::vector<bool> in_;
};

}  // namespace

bool wildcard_match(std::string_view pattern, std::string_view text) { return match<false>(pattern, text); }

bool wildcard_match_folded(std::string_view pattern, std::string_view text) {
  return match<true>(pattern, text);
}

Coverage wildcard_coverage(std::string_view pattern, std::string_view prefix) {
  const bool is_ascii =
      std::ranges::all_of(prefix, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  if (!is_ascii) return Coverage::kSome;  // Bucket names are ASCII; anything else is looked at text by text.
  Places places(pattern);
  for (std::size_t at = 0; at < prefix.size(); ++at) {
    places.step(prefix, at);
    if (places.empty()) return Coverage::kNone;
  }
  return places.takes_all() ? Coverage::kAll : Coverage::kSome;
}

}  // namespace flashstor::iam
