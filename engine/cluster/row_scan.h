#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "engine/async/sync.h"
#include "engine/async/work_pool.h"
#include "engine/cluster/set_api.h"
#include "engine/cluster/undecided.h"
#include "engine/storage/row_store.h"

namespace flashstor::cluster {

/// One pass over rows: how far it came and why it stopped.
struct RowPass {
  enum class End : std::uint8_t { kDone, kUndecided, kWouldBlock, kLong, kFailed } end = End::kDone;
  /// Where the next pass begins: right behind the last row that was visited, not at the next row that the
  /// index holds, since a row that is missing may lie before it.
  std::string at;
  NameRange names;  ///< kUndecided: what is to be waited for.
  Error error{ErrorCode::kInternal};
};

/// What a pass is over. The visitor and the names are the caller's.
struct RowRange {
  storage::RowStore* rows = nullptr;
  const UndecidedNames* undecided = nullptr;
  bool unseen = false;  ///< Undecided rows may be missing from the index: what lies between rows counts too.
  Family family{};
  std::string from;
  std::string upper;
  const ScanVisitor* visitor = nullptr;
};

/// Visits rows on this thread, at most `most` of them.
[[nodiscard]] RowPass scan_rows(const RowRange& range, storage::ReadTier tier, std::size_t most);

/// The same on a pool thread, which may wait for the drive; a drive that gives no row for kScanDeadline is
/// left alone: kTimeout, after which nothing of the caller's is touched any more.
Task<RowPass> scan_rows_on(WorkPool& pool, RowRange range);

}  // namespace flashstor::cluster
