#pragma once

#include "engine/base/random.h"
#include "engine/base/time.h"
#include "engine/storage/entry.h"

namespace flashstor::storage {

/// A name for data that rides in the log. Ids made one after another sort so: in each drive's index their
/// rows are put behind the newest ones, and its tables are not merged with those of all time. (Shard files
/// are spread over directories by the first digits of their ids, which are random.)
[[nodiscard]] inline DataId make_log_data_id(WallTime now, Random& random) {
  return {static_cast<std::uint64_t>(base::to_nanoseconds(now)), random.next() | 1};
}

}  // namespace flashstor::storage
