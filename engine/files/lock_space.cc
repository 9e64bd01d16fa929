#include "engine/files/lock_space.h"

#include <algorithm>

namespace flashstor::files {
namespace {
constexpr std::uint64_t kLastByte = ~std::uint64_t{0};

bool overlaps(const LockRange& a, const LockRange& b) { return a.start <= b.end && b.start <= a.end; }
}  // namespace

std::optional<LockRange> LockSpace::conflict(const LockRange& wanted) const {
  if (wanted.type == LockRange::Type::kUnlock) return std::nullopt;
  for (const LockRange& held : locks_) {
    if (held.owner == wanted.owner || held.whole_file != wanted.whole_file || !overlaps(held, wanted))
      continue;
    if (held.type == LockRange::Type::kExclusive || wanted.type == LockRange::Type::kExclusive) return held;
  }
  return std::nullopt;
}

void LockSpace::set(const LockRange& wanted) {
  std::vector<LockRange> next;
  LockRange fresh = wanted;
  for (const LockRange& held : locks_) {
    const bool same = held.owner == wanted.owner && held.whole_file == wanted.whole_file;
    if (!same) {
      next.push_back(held);
      continue;
    }
    const bool touches = (held.end == kLastByte || held.end + 1 >= fresh.start) &&
                         (fresh.end == kLastByte || fresh.end + 1 >= held.start);
    if (touches && held.type == fresh.type) {  // joined
      fresh.start = std::min(fresh.start, held.start);
      fresh.end = std::max(fresh.end, held.end);
      continue;
    }
    if (!overlaps(held, wanted)) {
      next.push_back(held);
      continue;
    }
    if (held.start < wanted.start) {
      next.push_back(held);
      next.back().end = wanted.start - 1;
    }
    if (held.end > wanted.end) {
      next.push_back(held);
      next.back().start = wanted.end + 1;
    }
  }
  if (wanted.type != LockRange::Type::kUnlock) next.push_back(fresh);
  locks_ = std::move(next);
}

void LockSpace::drop(std::uint64_t owner, bool whole_file) {
  std::erase_if(locks_,
                [&](const LockRange& held) { return held.owner == owner && held.whole_file == whole_file; });
}

}  // namespace flashstor::files
