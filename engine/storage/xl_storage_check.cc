#include <fmt/format.h>

#include <algorithm>

#include "engine/storage/staged_shard.h"
#include "engine/storage/xl_storage.h"

/// Whether the drive is still there, and what it holds.
namespace flashstor::storage {

Task<Result<DriveInfo>> XlStorage::check() {
  co_return co_await async::offload(io_pool(), [this] { return check_now(); });
}

Result<DriveInfo> XlStorage::check_now() {
  const DriveInspection found = inspect_drive(io_, options_.path);
  switch (found.condition) {
    case DriveCondition::kFormatted:
    case DriveCondition::kReadOnly:
      break;
    case DriveCondition::kEmpty:
      return fail(ErrorCode::kNotFound, options_.path + " was emptied, or is no longer mounted");
    case DriveCondition::kMissing:
      return fail(ErrorCode::kNotFound, found.words);
    case DriveCondition::kForeign:
      return fail(ErrorCode::kDriveForeign, found.words);
    case DriveCondition::kUnreadable:
      return fail(ErrorCode::kIo, found.words);
  }
  if (found.format && found.format->drive_id != format_.drive_id)
    return fail(ErrorCode::kDriveForeign,
                fmt::format("{} is another drive now ({}, it was {})", options_.path,
                            found.format->drive_id.to_text(), format_.drive_id.to_text()));
  for (const char* directory : {"/log", "/shards", "/staging"}) {
    const auto there = io_.exists(options_.path + directory);
    if (!there) return std::unexpected(there.error());
    if (!*there) return fail(ErrorCode::kNotFound, options_.path + directory + " was removed");
  }
  return info();
}

Task<Result<void>> XlStorage::verify_rows() {
  co_await or_return(check_recovered());
  co_return co_await async::offload(io_pool(), [this] { return rows_->verify(); });
}

Task<Result<std::vector<DataRef>>> XlStorage::inventory(DataId after, std::size_t most) {
  co_await or_return(check_recovered());
  co_return co_await async::offload(io_pool(), [&] { return inventory_now(after, most); });
}

Result<std::vector<DataRef>> XlStorage::inventory_now(const DataId& after, std::size_t most) {
  std::vector<DataRef> held;
  std::string from = after.to_bytes();
  if (!after.is_nil()) from.push_back('\0');
  const auto cursor = rows_->iterate(Family::kInline, from, {}, ReadTier::kAny);
  for (; cursor->valid() && held.size() < most; cursor->next()) {
    const DataId id = Uuid::from_bytes(cursor->key());
    if (auto data = decode_data_position(cursor->value(), id)) held.push_back(data->ref);
  }
  if (auto status = cursor->status(); !status) return std::unexpected(status.error());
  auto files = shards_.published_after(after, most);
  if (!files) return std::unexpected(files.error());
  held.insert(held.end(), files->begin(), files->end());
  std::ranges::sort(held, {}, &DataRef::id);
  if (held.size() > most) held.resize(most);
  return held;
}

}  // namespace flashstor::storage
