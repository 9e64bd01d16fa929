#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/files/file_store.h"

namespace flashstor::files {

/// The advisory locks of one inode: fcntl's byte ranges and flock's whole-file locks, two spaces that do not
/// see each other (as on Linux). Pure; waiting is the caller's.
class LockSpace {
 public:
  /// The first lock of another owner that stands in the way of `wanted`.
  [[nodiscard]] std::optional<LockRange> conflict(const LockRange& wanted) const;
  /// Sets or drops; `wanted` must not conflict. Ranges of one owner are split and joined as POSIX says.
  void set(const LockRange& wanted);
  /// Drops everything of `owner` in one of the spaces.
  void drop(std::uint64_t owner, bool whole_file);
  [[nodiscard]] bool empty() const { return locks_.empty(); }
  [[nodiscard]] const std::vector<LockRange>& all() const { return locks_; }

 private:
  std::vector<LockRange> locks_;
};

}  // namespace flashstor::files
