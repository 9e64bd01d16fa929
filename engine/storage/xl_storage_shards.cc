#include <algorithm>
#include <utility>

#include "engine/storage/staged_shard.h"
#include "engine/storage/xl_storage.h"

/// Shards: staged, read, verified, rebuilt.
namespace flashstor::storage {
namespace {

constexpr std::size_t kCachedShardBytes = 256 * limits::kKiB;  // larger ones are not kept after a read

std::size_t footer_bytes(std::uint64_t shard_bytes) {
  return 2 * limits::kLogBlockBytes + shard_bytes / limits::kLogBlockBytes;
}

Result<Buffer> clip(const Buffer& shard, const DataRef& data, std::uint32_t first_block,
                    std::uint32_t count) {
  const ByteRange range = blocks_of(data, first_block, count);
  if (range.end > shard.size()) return fail(ErrorCode::kCorrupt, "a cached shard is shorter than its data");
  return shard.slice(range.begin, range.end - range.begin);
}

}  // namespace

std::shared_ptr<StagedShard> XlStorage::staged_shard(const DataId& id) {
  const std::lock_guard lock(staged_mutex_);
  const auto found = staged_.find(id);
  return found == staged_.end() ? nullptr : found->second;
}

Task<Result<void>> XlStorage::stage_open(DataRef data, std::uint8_t shard, std::uint64_t expected_bytes) {
  if (log_.failed()) co_return fail(ErrorCode::kDriveFailed, log_.failure());
  if (index_.refused(data.id))
    co_return fail(ErrorCode::kStale, "this drive has refused data " + data.id.to_text());
  if (data.place != DataPlace::kFile || shard >= data.geometry.shards())
    co_return fail(ErrorCode::kInvalidArgument, "only shards of files are staged");
  const std::uint64_t bytes = expected_bytes == 0 ? 0 : expected_bytes + footer_bytes(expected_bytes);
  auto writer = co_await async::offload(
      io_pool(), [&] { return ShardFileWriter::create(io_, shards_.staging_path(data.id), bytes); });
  if (!writer) co_return std::unexpected(writer.error());
  const std::lock_guard lock(staged_mutex_);
  staged_.insert_or_assign(data.id,
                           std::make_shared<StagedShard>(io_pool(), std::move(*writer), data, shard));
  co_return Result<void>{};
}

Task<Result<void>> XlStorage::stage_append(DataId data, Buffer blocks, std::size_t block_bytes) {
  const std::shared_ptr<StagedShard> shard = staged_shard(data);
  if (shard == nullptr) co_return fail(ErrorCode::kNotFound, data.to_text() + " is not being staged");
  co_return co_await shard->append(std::move(blocks), block_bytes);
}

Task<Result<void>> XlStorage::stage_finish(DataId data, std::uint64_t length) {
  const std::shared_ptr<StagedShard> shard = staged_shard(data);
  if (shard == nullptr) co_return fail(ErrorCode::kNotFound, data.to_text() + " is not being staged");
  co_await or_return(shard->settle());
  auto result = co_await async::offload(io_pool(), [&]() -> Result<void> {
    if (auto done = shard->finish(length); !done) return done;
    return shards_.sync_staging();
  });
  // Refused meanwhile: it must not be counted as held.
  if (result && index_.refused(data))
    result = fail(ErrorCode::kStale, "this drive has refused data " + data.to_text());
  const std::lock_guard lock(staged_mutex_);
  staged_.erase(data);
  co_return result;
}

Task<Result<void>> XlStorage::stage_abort(DataId data) {
  std::shared_ptr<StagedShard> shard = staged_shard(data);
  {
    const std::lock_guard lock(staged_mutex_);
    restoring_.erase(data);
  }
  if (shard != nullptr) {
    (void)co_await shard->settle();
    const std::lock_guard lock(staged_mutex_);
    staged_.erase(data);
  }
  co_return co_await async::offload(io_pool(), [&] { return shards_.drop_staged(data); });
}

Result<std::optional<DataPosition>> XlStorage::find_inline(const DataId& id, ReadTier tier) {
  auto row = rows_->get(Family::kInline, id.to_bytes(), tier);
  if (!row) return std::unexpected(row.error());
  if (!*row) return std::nullopt;
  auto data = decode_data_position(**row, id);
  if (!data) return std::unexpected(data.error());
  return std::optional(std::move(*data));
}

Result<Buffer> XlStorage::try_read_shard(const DataRef& data, std::uint32_t first_block,
                                         std::uint32_t count) {
  if (data.place == DataPlace::kFile) return shards_.read_cached(data, first_block, count);
  if (auto ready = check_recovered(); !ready) return std::unexpected(std::move(ready).error());
  if (Buffer cached = cache_.get(data.id); !cached.empty()) return clip(cached, data, first_block, count);
  auto found = find_inline(data.id, ReadTier::kCacheOnly);
  if (!found) return std::unexpected(found.error());
  if (!*found) return fail(ErrorCode::kWouldBlock);  // perhaps not applied yet: the long way knows
  const DataPosition& at = **found;
  const auto segment = segments_.find_open(at.at.segment);
  if (segment == nullptr || at.ref.length != data.length) return fail(ErrorCode::kWouldBlock);
  const ByteRange range = blocks_of(data, first_block, count);
  Buffer blocks = Buffer::allocate(range.end - range.begin);
  if (blocks.empty()) return blocks;
  auto got = segment->file->read_cached(blocks.writable_span(), at.at.offset + range.begin);
  if (!got) return std::unexpected(got.error());
  if (!verify_blocks(data, at.checksums, first_block, blocks.span())) return fail(ErrorCode::kWouldBlock);
  if (blocks.size() == at.at.length && blocks.size() <= kCachedShardBytes) cache_.put(data.id, blocks);
  return blocks;
}

Result<Buffer> XlStorage::read_inline_at(const DataPosition& data, std::uint32_t first_block,
                                         std::uint32_t count) {
  auto segment = segments_.find(data.at.segment);
  if (!segment) return std::unexpected(segment.error());
  const ByteRange range = blocks_of(data.ref, first_block, count);
  Buffer blocks = Buffer::allocate(range.end - range.begin);
  if (blocks.empty()) return blocks;
  auto got = (*segment)->file->read(blocks.writable_span(), data.at.offset + range.begin);
  if (!got) return std::unexpected(got.error());
  if (*got != blocks.size()) return fail(ErrorCode::kCorrupt, "the log is cut off");
  if (auto good = verify_blocks(data.ref, data.checksums, first_block, blocks.span()); !good)
    return std::unexpected(good.error());
  if (blocks.size() == data.at.length && blocks.size() <= kCachedShardBytes) cache_.put(data.ref.id, blocks);
  return blocks;
}

Result<Buffer> XlStorage::read_inline(const DataRef& data, std::uint32_t first_block, std::uint32_t count) {
  Error last(ErrorCode::kNotFound);
  // Twice: a relocation may free the old segment between the look at the row and the read.
  for (int round = 0; round < 2; ++round) {
    auto found = find_inline(data.id, ReadTier::kAny);
    if (!found) return std::unexpected(found.error());
    if (!*found) *found = index_.unsettled(data.id);
    if (!*found) return fail(ErrorCode::kNotFound, "no shard of " + data.id.to_text() + " on this drive");
    if ((*found)->ref.length != data.length || (*found)->ref.geometry != data.geometry)
      return fail(ErrorCode::kCorrupt, "the shard of " + data.id.to_text() + " is of other data");
    auto blocks = read_inline_at(**found, first_block, count);
    if (blocks) return blocks;
    last = blocks.error();
  }
  // What the log no longer has where its row says is damage, not absence.
  if (last.code() == ErrorCode::kNotFound) return fail(ErrorCode::kCorrupt, std::string(last.message()));
  return std::unexpected(last);
}

Task<Result<Buffer>> XlStorage::read_shard(DataRef data, std::uint32_t first_block, std::uint32_t count) {
  auto quick = try_read_shard(data, first_block, count);
  if (quick || quick.error().code() != ErrorCode::kWouldBlock) co_return quick;
  co_return co_await async::offload(io_pool(), [&]() -> Result<Buffer> {
    if (data.place == DataPlace::kFile) return shards_.read(data, first_block, count);
    return read_inline(data, first_block, count);
  });
}

Task<Result<void>> XlStorage::verify_shard(DataRef data) {
  if (data.place != DataPlace::kFile) co_await or_return(check_recovered());
  co_return co_await async::offload(io_pool(), [&]() -> Result<void> {
    shards_.forget(data.id);  // the footer is read anew
    cache_.drop(data.id);
    const std::uint32_t blocks = block_count_of(data);
    const std::uint32_t step = data.place == DataPlace::kFile ? 8 : blocks;
    for (std::uint32_t at = 0; at < blocks; at += step) {
      auto read = data.place == DataPlace::kFile ? shards_.read(data, at, step) : read_inline(data, at, step);
      if (!read) return std::unexpected(read.error());
    }
    if (data.place != DataPlace::kFile) return {};
    // A drive that was filled never applied the entry that puts it in its place.
    if (auto staged = io_.exists(shards_.staging_path(data.id)); !staged || !*staged)
      return staged ? Result<void>() : std::unexpected(staged.error());
    if (auto done = shards_.publish(data.id); !done) return done;
    return shards_.sync_published();
  });
}

// Under `staged_mutex_`. The log's term is durable before anything of that term is applied; what was rebuilt
// before the process started has no pieces to come.
Result<void> XlStorage::check_restoring(std::uint64_t term) {
  if (term < std::max(restoring_term_, index_.hard_state().term))
    return fail(ErrorCode::kStale, "a leader of an older term had a shard rebuilt");
  if (term > restoring_term_) restoring_.clear();  // an older leader's
  restoring_term_ = term;
  return {};
}

// Looked at once more when the file is there: what a newer leader frees from then on takes the file along,
// without which nothing can be put in its place.
Result<ShardFileWriter> XlStorage::begin_restoring(const DataId& id, std::uint64_t term) {
  const auto check = [&] {
    const std::lock_guard lock(staged_mutex_);
    return check_restoring(term);
  };
  const std::lock_guard names(restored_names_);
  if (auto present = check(); !present) return std::unexpected(present.error());
  auto writer = ShardFileWriter::create(io_, shards_.staging_path(id), 0);
  if (!writer) return writer;
  if (auto present = check(); !present) {
    (void)shards_.drop_staged(id);
    return std::unexpected(present.error());
  }
  return writer;
}

// Under the names' lock the staged file is still that of the leader of `term`.
Result<void> XlStorage::place_restored(const DataId& id, std::uint64_t term) {
  const std::lock_guard names(restored_names_);
  {
    const std::lock_guard lock(staged_mutex_);
    if (auto present = check_restoring(term); !present) return present;
  }
  const auto staged = io_.exists(shards_.staging_path(id));
  if (!staged) return std::unexpected(staged.error());
  if (!*staged) return fail(ErrorCode::kStale, "somebody else gave up the shard while it was rebuilt");
  return shards_.publish(id);
}

Result<void> XlStorage::restore_in_file(const DataRef& data, std::uint8_t shard, std::uint64_t term,
                                        std::uint64_t at, const BufferChain& blocks) {
  std::optional<ShardFileWriter> writer;
  if (at == 0) {
    auto created = begin_restoring(data.id, term);
    if (!created) return std::unexpected(created.error());
    writer = std::move(*created);
  } else {
    const std::lock_guard lock(staged_mutex_);
    if (auto present = check_restoring(term); !present) return present;
    if (auto found = restoring_.extract(data.id)) writer = std::move(found.mapped());
  }
  if (!writer || writer->written() != at)
    return fail(ErrorCode::kStale, "the pieces of a shard came out of order");
  const std::size_t block = block_bytes_of(data);
  const Buffer bytes = blocks.flatten();
  if (auto done = writer->append(bytes.span(), block); !done) return done;
  if (writer->written() < shard_bytes_of(data)) {
    const std::lock_guard lock(staged_mutex_);
    if (auto present = check_restoring(term); !present) return present;
    if (restoring_.size() >= limits::kMaxRestoring) restoring_.clear();  // whose healers are gone
    restoring_.insert_or_assign(data.id, std::move(*writer));
    return {};
  }
  if (auto done = writer->finish(data, shard); !done) return done;
  if (auto done = shards_.sync_staging(); !done) return done;
  if (auto done = place_restored(data.id, term); !done) return done;
  shards_.forget(data.id);
  return shards_.sync_published();
}

Task<Result<void>> XlStorage::restore_shard(DataRef data, std::uint8_t shard, std::uint64_t term,
                                            std::uint64_t at, BufferChain blocks) {
  co_await or_return(check_recovered());
  if (log_.failed()) co_return fail(ErrorCode::kDriveFailed, log_.failure());
  const std::uint64_t whole = shard_bytes_of(data);
  const bool fits = at <= whole && blocks.size() <= whole - at;
  const bool in_pieces = data.place == DataPlace::kFile;
  if (shard >= data.geometry.shards() || !fits || (!in_pieces && (at != 0 || blocks.size() != whole)))
    co_return fail(ErrorCode::kInvalidArgument, "the bytes are no shard of that data");
  if (in_pieces)
    co_return co_await async::offload(io_pool(),
                                      [&] { return restore_in_file(data, shard, term, at, blocks); });
  LogRequest request;
  request.batch.data.push_back({data.id, data, shard, blocks.flatten(), true, term});
  co_await or_return(log_.append(request));
  Rebuilt rebuilt{.id = data.id, .done = {}};
  co_await placing_.join(rebuilt);
  co_return std::move(rebuilt.done);
}

// Shards that were rebuilt beside each other get their rows in one write.
void XlStorage::place_rebuilt(std::span<Rebuilt* const> rebuilt) {
  std::vector<DataId> ids;
  ids.reserve(rebuilt.size());
  for (const Rebuilt* one : rebuilt) ids.push_back(one->id);
  const auto placed = applier_->place(ids);
  for (Rebuilt* one : rebuilt) {
    if (!placed) {
      one->done = std::unexpected(placed.error());
    } else if (!placed->contains(one->id)) {
      one->done = fail(ErrorCode::kStale, "the shard was dropped while it was rebuilt");
    }
  }
}

Result<Holdings> XlStorage::holds_now(const std::vector<DataId>& data) {
  Holdings holdings{.held = {}, .incarnation = incarnation_};
  for (const DataId& id : data) {
    if (index_.unsettled(id)) {
      holdings.held.push_back(true);
      continue;
    }
    auto found = find_inline(id, ReadTier::kAny);
    if (!found) return std::unexpected(found.error());
    auto file = *found ? Result<bool>(true) : shards_.holds(id);
    if (!file) return std::unexpected(file.error());
    holdings.held.push_back(*file);
  }
  return holdings;
}

Task<Result<Holdings>> XlStorage::holds(std::vector<DataId> data) {
  co_await or_return(check_recovered());
  co_return co_await async::offload(io_pool(), [&] { return holds_now(data); });
}

}  // namespace flashstor::storage
