#include "engine/storage/xl_storage.h"

#include <utility>

#include "engine/base/check.h"
#include "engine/storage/boot.h"
#include "engine/storage/staged_shard.h"

namespace flashstor::storage {

Result<std::unique_ptr<XlStorage>> XlStorage::open(XlStorageOptions options) {
  DriveInspection found = inspect_drive(*options.io, options.path);
  switch (found.condition) {
    case DriveCondition::kFormatted:
      break;
    case DriveCondition::kEmpty:
      return fail(ErrorCode::kNotFound, options.path + " is not formatted");
    case DriveCondition::kMissing:
      return fail(ErrorCode::kNotFound, found.words);
    case DriveCondition::kForeign:
      return fail(ErrorCode::kDriveForeign, found.words);
    case DriveCondition::kReadOnly:
      return fail(ErrorCode::kReadOnly, found.words);
    case DriveCondition::kUnreadable:
      return fail(ErrorCode::kIo, found.words);
  }
  auto lock = lock_drive(*options.io, options.path);
  if (!lock) return std::unexpected(lock.error());
  return std::unique_ptr<XlStorage>(
      new XlStorage(std::move(options), std::move(*found.format), std::move(*lock)));  // NOLINT: private
}

XlStorage::XlStorage(XlStorageOptions options, DriveFormat format, std::unique_ptr<File> lock)
    : options_(std::move(options)),
      io_(*options_.io),
      format_(std::move(format)),
      lock_(std::move(lock)),
      segments_(io_, {.directory = options_.path + "/log",
                      .drive_id = format_.drive_id,
                      .segment_bytes = options_.segment_bytes,
                      .salt_seed = options_.salt_seed}),
      shards_(io_, options_.path),
      cache_(options_.data_cache_bytes),
      own_writer_(options_.writer_pool != nullptr ? nullptr
                                                  : std::make_unique<async::ThreadPool>(1, "drive-log")),
      own_io_(options_.io_pool != nullptr
                  ? nullptr
                  : std::make_unique<async::ThreadPool>(options_.threads, "drive-io")),
      writer_pool_(options_.writer_pool != nullptr ? options_.writer_pool : own_writer_.get()),
      io_pool_(options_.io_pool != nullptr ? options_.io_pool : own_io_.get()),
      log_(segments_, index_, *writer_pool_),
      placing_(*io_pool_, [this](std::span<Rebuilt* const> rebuilt) { place_rebuilt(rebuilt); }) {
  log_.on_durable([this](const LogRequest& request) {
    // Parity is read only when data is missing: it would take half the cache for nothing. So would what is
    // rebuilt, which nobody asked for.
    for (const DataRecord& record : request.batch.data)
      if (record.shard < record.ref.geometry.data_shards && !record.rebuilt)
        cache_.put(record.id, record.bytes);
    for (const DataId& id : request.batch.refusals) cache_.drop(id);
  });
}

XlStorage::~XlStorage() {
  own_io_.reset();
  own_writer_.reset();
}

DriveInfo XlStorage::info() const {
  DriveInfo info;
  info.path = options_.path;
  info.drive_id = format_.drive_id;
  info.deployment_id = format_.deployment_id;
  info.pool = format_.pool;
  info.set = format_.set;
  info.slot = format_.slot;
  info.log_bytes = segments_.bytes();
  const auto space = io_.space(options_.path);
  if (space) {
    info.total_bytes = space->total_bytes;
    info.free_bytes = space->free_bytes;
  }
  if (log_.failed()) {
    info.state = DriveInfo::State::kFailed;
    info.error = log_.failure();
  } else if (!space) {
    info.state = DriveInfo::State::kFailed;
    info.error = space.error().describe();
  } else if (space->read_only) {
    info.state = DriveInfo::State::kReadOnly;
    info.error = options_.path + " is mounted read-only";
  } else if (space->free_bytes < limits::kFullSegments * options_.segment_bytes) {
    // Early, so that what is on its way, and deletes, still find the reserved segments.
    info.state = DriveInfo::State::kFull;
    info.error = options_.path + " is full";
  }
  return info;
}

Result<void> XlStorage::drive_failed(Result<void> result) {
  if (!result && result.error().code() != ErrorCode::kMalformed &&
      result.error().code() != ErrorCode::kInvalidArgument)
    log_.fail_with(result.error());
  return result;
}

Task<Result<void>> XlStorage::append(AppendBatch batch) {
  if (batch.empty()) co_return Result<void>{};
  LogRequest request;
  request.batch = std::move(batch);
  co_await or_return(log_.append(request));
  if (request.batch.refusals.empty()) co_return Result<void>{};
  // Refused durably: what was staged under these ids can go.
  co_return co_await async::offload(io_pool(), [&]() -> Result<void> {
    for (const DataId& id : request.batch.refusals)
      if (auto dropped = shards_.drop_staged(id); !dropped) return dropped;
    return {};
  });
}

Task<Result<void>> XlStorage::set_configuration(std::string bytes) {
  LogRequest request;
  request.configuration = std::move(bytes);
  co_return co_await log_.append(request);
}

Task<Result<void>> XlStorage::trust() {
  co_return co_await async::offload(io_pool(),
                                    [this] { return trust_boot(io_, options_.path, options_.boot); });
}

Task<Result<std::vector<LogEntry>>> XlStorage::read_entries(std::uint64_t from, std::uint64_t to,
                                                            std::size_t max_bytes) {
  std::vector<LogEntry> entries;
  std::size_t bytes = 0;
  for (std::uint64_t index = from; index <= to; ++index) {
    auto place = index_.entry(index);
    if (!place && index == from)
      co_return fail(ErrorCode::kNotFound, "the log has no entry " + std::to_string(from));
    if (!place || (bytes > 0 && bytes + place->at.length > max_bytes)) break;
    if (place->payload.empty() && place->at.length > 0) {
      // Not in memory: a drive thread reads the whole range.
      co_return co_await async::offload(io_pool(), [&] { return read_entries_now(from, to, max_bytes); });
    }
    bytes += place->at.length;
    entries.push_back({place->term, index, place->kind, std::move(place->payload)});
  }
  co_return entries;
}

Result<LogEntry> XlStorage::read_entry(std::uint64_t index) {
  auto place = index_.entry(index);
  if (!place) return fail(ErrorCode::kNotFound, "the log has no entry " + std::to_string(index));
  LogEntry entry{place->term, index, place->kind, std::move(place->payload)};
  if (!entry.payload.empty() || place->at.length == 0) return entry;
  auto payload = read_log(place->at);
  if (!payload) return std::unexpected(payload.error());
  entry.payload = std::move(*payload);
  return entry;
}

Result<std::vector<LogEntry>> XlStorage::read_entries_now(std::uint64_t from, std::uint64_t to,
                                                          std::size_t max_bytes) {
  std::vector<LogEntry> entries;
  std::size_t bytes = 0;
  for (std::uint64_t index = from; index <= to && index <= index_.last(); ++index) {
    auto entry = read_entry(index);
    if (!entry) return std::unexpected(entry.error());
    if (bytes > 0 && bytes + entry->payload.size() > max_bytes) break;
    bytes += entry->payload.size();
    entries.push_back(std::move(*entry));
  }
  return entries;
}

Result<Buffer> XlStorage::read_log(const LogPosition& at) {
  auto segment = segments_.find(at.segment);
  if (!segment) return std::unexpected(segment.error());
  Buffer bytes = Buffer::allocate(at.length);
  auto got = (*segment)->file->read(bytes.writable_span(), at.offset);
  if (!got) return std::unexpected(got.error());
  if (*got != at.length) return fail(ErrorCode::kCorrupt, "the log is cut off");
  return bytes;
}

Task<Result<void>> XlStorage::apply(std::vector<LogEntry> entries) {
  FLASHSTOR_CHECK(!applying_.exchange(true));
  Result<void> result;
  auto step = applier_->plan(entries);
  if (!step) {
    result = std::unexpected(step.error());
  } else {
    std::optional<CheckpointState> checkpoint;
    if (checkpoint_due()) checkpoint = capture_checkpoint(step->after);
    if (step->needs_drive()) {
      result = co_await async::offload(io_pool(), [&]() -> Result<void> {
        if (auto done = applier_->run_files(*step); !done) return done;
        return applier_->write(*step, true, checkpoint);
      });
      for (const DataId& id : step->drops) cache_.drop(id);
    } else {
      result = applier_->write(*step, false, checkpoint);
      if (!result && result.error().code() == ErrorCode::kWouldBlock)
        result = co_await async::offload(io_pool(), [&] { return applier_->write(*step, true, checkpoint); });
    }
    result = drive_failed(std::move(result));
    if (result) index_.applied_through(step->after.index);
    if (checkpoint) start_flush();
  }
  applying_ = false;
  co_return result;
}

Result<void> XlStorage::check_recovered() const {
  if (!recovered_) return fail(ErrorCode::kDriveFailed, options_.path + " is being recovered");
  return {};
}

Task<Result<std::optional<std::string>>> XlStorage::get_row(Family family, std::string key) {
  co_await or_return(check_recovered());
  auto cached = rows_->get(family, key, ReadTier::kCacheOnly);
  if (cached || cached.error().code() != ErrorCode::kWouldBlock) co_return cached;
  co_return co_await async::offload(io_pool(), [&] { return rows_->get(family, key, ReadTier::kAny); });
}

Task<Result<std::vector<DataId>>> XlStorage::staged() {
  co_await or_return(check_recovered());
  auto ids = co_await async::offload(io_pool(), [this] { return shards_.staged(); });
  if (!ids) co_return ids;
  const MonotonicTime idle = Runtime::current()->now() - options_.stage_idle;
  std::erase_if(*ids, [this, idle](const DataId& id) {
    const std::shared_ptr<StagedShard> shard = staged_shard(id);
    return shard != nullptr && shard->moved_at() > idle;
  });
  for (const DataPosition& data : index_.all_unsettled())
    if (!data.rebuilt) ids->push_back(data.ref.id);
  co_return ids;
}

Task<Result<void>> XlStorage::close() {
  closing_ = true;
  auto result = co_await async::offload(io_pool(), [this] { return close_now(); });
  own_io_.reset();
  own_writer_.reset();
  co_return result;
}

}  // namespace flashstor::storage
