#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/error.h"

namespace flashstor::storage {

/// The families of a drive's ordered index. All but kInline and kLocal are the same on every drive of a set:
/// they change only by applying committed entries. Numbers are on disk: never reuse one.
enum class Family : std::uint8_t {
  kLocal = 0,     ///< This drive's own state: applied revision, segment accounting, filling.
  kVersions = 1,  ///< bucket id, object key, inverted time, version id -> the version.
  kExtents = 2,   ///< extent root, segment number -> slices.
  kInline = 3,    ///< data id -> this drive's shard bytes, or where in the log they lie. Local.
  kUploads = 4,   ///< multipart uploads and their parts.
  kRefs = 5,      ///< data id, referrer -> who uses shared data.
  kHeal = 6,      ///< priority, data id -> what the set owes its drives.
  kDue = 7,       ///< time, id -> what is to be done then (freeing data first of all).
  kIntents = 8,   ///< renames and other many-row changes under way.
  kInodes = 9,    ///< inode id -> where its name or body is.
  kResults = 10,  ///< request id -> answer, for retries.
};
inline constexpr std::size_t kFamilies = 11;
[[nodiscard]] constexpr bool is_local(Family family) {
  return family == Family::kLocal || family == Family::kInline;
}

/// One row to put (a value) or to remove (none).
struct RowChange {
  Family family{};
  std::string key;
  std::optional<std::string> value;
};

/// The same where key and value are somebody else's bytes, who keeps them for as long as this is used.
struct RowChangeView {
  Family family{};
  std::string_view key;
  std::optional<std::string_view> value;
  static RowChangeView of(const RowChange& change) { return {change.family, change.key, change.value}; }
};

/// Whether a read may wait for the drive.
enum class ReadTier : std::uint8_t {
  kCacheOnly,  ///< kWouldBlock when the answer is not in memory; safe on a loop.
  kAny,        ///< May read files; pool threads only.
};

/// A cursor over one family in key order, over the state at its creation. `key` and `value` live until the
/// next move.
class RowIterator {
 public:
  virtual ~RowIterator() = default;
  /// Positions at the first row with a key of at least `key`.
  virtual void seek(std::string_view key) = 0;
  virtual void next() = 0;
  [[nodiscard]] virtual bool valid() const = 0;
  [[nodiscard]] virtual std::string_view key() const = 0;
  [[nodiscard]] virtual std::string_view value() const = 0;
  /// Why it is not valid: an error, or the end of the range.
  [[nodiscard]] virtual Result<void> status() const = 0;
};

/// A drive's ordered index: RocksDB in the product, a deterministic peer in memory for the simulator and for
/// tests. What was written is visible at once and durable after `flush`; a crash takes it back to the last
/// flush, all families together. Threads: every method may be called from several threads at once.
class RowStore {
 public:
  virtual ~RowStore() = default;
  [[nodiscard]] virtual Result<std::optional<std::string>> get(Family family, std::string_view key,
                                                               ReadTier tier) = 0;
  /// Applies all changes as one, in order. Errors: kIo, kCorrupt; kWouldBlock when `may_wait` is false and
  /// the store wants to slow the writer down (nothing is applied then).
  virtual Result<void> write(std::span<const RowChangeView> changes, bool may_wait) = 0;
  Result<void> write(const std::vector<RowChange>& changes, bool may_wait) {
    std::vector<RowChangeView> views;
    views.reserve(changes.size());
    for (const RowChange& change : changes) views.push_back(RowChangeView::of(change));
    return write(std::span<const RowChangeView>(views), may_wait);
  }
  /// Rows with lower <= key < upper (an empty `upper` is the end of the family), positioned at the first.
  [[nodiscard]] virtual std::unique_ptr<RowIterator> iterate(Family family, std::string_view lower,
                                                             std::string_view upper, ReadTier tier) = 0;
  /// A number that is another one once rows of Family::kVersions whose keys are `prefix` and a version's id
  /// (write_marks.h) may have been written. Nothing in the middle of that, or where nobody counts.
  [[nodiscard]] virtual std::optional<std::uint64_t> writes_under(std::string_view prefix) const {
    static_cast<void>(prefix);
    return std::nullopt;
  }
  /// Makes all that was written before durable, every family at the same point. Blocks.
  virtual Result<void> flush() = 0;
  /// Verifies checksums of everything stored. Blocks for long.
  virtual Result<void> verify() = 0;
  /// A consistent copy in the (new) directory `path`, of the flushed state. Blocks.
  virtual Result<void> checkpoint(const std::string& path) = 0;
  /// Bytes used in memory and on the drive, for metrics.
  struct Usage {
    std::uint64_t memory_bytes = 0;
    std::uint64_t drive_bytes = 0;
  };
  [[nodiscard]] virtual Usage usage() const = 0;
};

}  // namespace flashstor::storage
