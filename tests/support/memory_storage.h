#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/async/sync.h"
#include "engine/codec/geometry.h"
#include "engine/storage/commit_log/log_format.h"
#include "engine/storage/row_store_memory.h"
#include "engine/storage/storage_api.h"

/// A drive in memory: the peer of XlStorage for tests and for the simulator.
namespace flashstor::testing {

/// What survives a restart, and the faults that a test asks for.
struct MemoryDisk {
  struct Shard {
    storage::DataRef ref;
    std::uint8_t shard = 0;
    Buffer bytes;
    bool named = false;  ///< An applied entry names it.
  };
  struct Deferred {
    std::vector<RowChange> on_confirm;
    std::vector<RowChange> on_void;
    DataId data;
  };
  storage::HardState hard_state;
  std::map<std::uint64_t, storage::LogEntry> entries;
  std::string configuration;
  storage::RowStoreMemory rows;
  std::uint64_t applied = 0;
  std::uint64_t flushed = 0;  ///< What `rows` holds after a crash.
  std::map<std::uint64_t, Deferred> deferred;
  std::map<std::uint64_t, Deferred> flushed_deferred;
  std::map<DataId, Shard> shards;
  std::set<DataId> refused;
  // Faults.
  bool fail_appends = false;
  bool fail_reads = false;
  bool drop_data = false;  ///< Loses data records and staged shards while it takes entries.
  bool frozen = false;     ///< Appends wait until it is false and `thaw` is called.
  Nanoseconds append_delay{0};
  Nanoseconds apply_delay{0};
  Nanoseconds holds_delay{0};
  Nanoseconds staged_delay{0};  ///< From when the list of what is staged is made.
  std::set<DataId> corrupt;
  std::uint64_t incarnation = 0;  ///< 0: it does not say.
  bool in_doubt = false;          ///< Until it is trusted.
  std::uint64_t appends = 0;
  std::uint64_t shard_reads = 0;
  std::uint64_t given_up = 0;  ///< Calls of stage_abort.
  std::uint64_t asked = 0;     ///< What it holds.
  std::uint64_t asked_staged = 0;
  std::uint64_t entry_reads = 0;
  async::Signal thaw;

  /// Loses what a power cut loses.
  void crash() {
    rows.crash();
    applied = flushed;
    deferred = flushed_deferred;
  }
  void flush() {
    static_cast<void>(rows.flush());
    flushed = applied;
    flushed_deferred = deferred;
  }
};

class MemoryStorage : public storage::StorageApi {
 public:
  MemoryStorage(std::shared_ptr<MemoryDisk> disk, std::uint32_t slot) : disk_(std::move(disk)), slot_(slot) {}

  [[nodiscard]] storage::DriveInfo info() const override {
    storage::DriveInfo out;
    out.path = "memory" + std::to_string(slot_);
    out.slot = slot_;
    return out;
  }

  Task<Result<storage::RecoveredState>> recover() override {
    storage::RecoveredState state;
    state.hard_state = disk_->hard_state;
    state.applied_index = disk_->applied;
    const auto at = disk_->entries.find(disk_->applied);
    state.applied_term = at == disk_->entries.end() ? 0 : at->second.term;
    state.configuration = disk_->configuration;
    state.in_doubt = disk_->in_doubt;
    std::uint64_t from = disk_->applied + 1;
    if (!disk_->deferred.empty()) from = std::min(from, disk_->deferred.begin()->first);
    for (auto entry = disk_->entries.lower_bound(from); entry != disk_->entries.end(); ++entry)
      state.entries.push_back(entry->second);
    co_return state;
  }

  Task<Result<void>> append(storage::AppendBatch batch) override {
    ++disk_->appends;
    Runtime& runtime = *Runtime::current();
    if (disk_->append_delay.count() > 0) {
      co_await async::sleep_for(runtime, disk_->append_delay);
    } else {
      co_await async::switch_to(runtime);
    }
    while (disk_->frozen) co_await disk_->thaw.wait();
    if (disk_->fail_appends) co_return fail(ErrorCode::kDriveFailed, "told to fail");
    if (!batch.refusals.empty() && batch.refusals_term < disk_->hard_state.term)
      co_return fail(ErrorCode::kStale, "an older term");
    if (batch.hard_state) disk_->hard_state = *batch.hard_state;
    if (batch.truncate_from)
      disk_->entries.erase(disk_->entries.lower_bound(*batch.truncate_from), disk_->entries.end());
    for (auto& entry : batch.entries) disk_->entries.insert_or_assign(entry.index, std::move(entry));
    for (const auto& id : batch.refusals) {
      const auto found = disk_->shards.find(id);
      if (found != disk_->shards.end() && is_staged(found->second)) disk_->shards.erase(found);
      if (!disk_->shards.contains(id)) disk_->refused.insert(id);
    }
    for (auto& data : batch.data)
      if (!disk_->drop_data && !disk_->refused.contains(data.id))
        disk_->shards[data.id] = {.ref = data.ref, .shard = data.shard, .bytes = data.bytes};
    co_return Result<void>();
  }

  Task<Result<std::vector<storage::LogEntry>>> read_entries(std::uint64_t from, std::uint64_t to,
                                                            std::size_t max_bytes) override {
    ++disk_->entry_reads;
    std::vector<storage::LogEntry> out;
    std::size_t bytes = 0;
    for (auto at = disk_->entries.find(from); at != disk_->entries.end() && at->first <= to; ++at) {
      if (!out.empty() && bytes + at->second.payload.size() > max_bytes) break;
      bytes += at->second.payload.size();
      out.push_back(at->second);
    }
    if (out.empty()) co_return fail(ErrorCode::kNotFound, "no such entry");
    co_return out;
  }

  Task<Result<void>> apply(std::vector<storage::LogEntry> entries) override {
    co_await async::switch_to(*Runtime::current());
    if (disk_->apply_delay.count() > 0) co_await async::sleep_for(*Runtime::current(), disk_->apply_delay);
    for (const auto& entry : entries) {
      if (entry.index <= disk_->applied) continue;
      FLASHSTOR_CHECK(entry.index == disk_->applied + 1);
      if (entry.kind == 0) {
        auto body = storage::decode_entry(entry.payload.view());
        if (!body) co_return std::unexpected(body.error());
        apply_body(entry.index, *body);
      }
      disk_->applied = entry.index;
    }
    co_return Result<void>();
  }

  Task<Result<void>> set_configuration(std::string bytes) override {
    disk_->configuration = std::move(bytes);
    co_return Result<void>();
  }

  Task<Result<void>> trust() override {
    disk_->in_doubt = false;
    co_return Result<void>();
  }

  [[nodiscard]] storage::RowStore* rows() override { return &disk_->rows; }
  Task<Result<std::optional<std::string>>> get_row(Family family, std::string key) override {
    co_return disk_->rows.get(family, key, storage::ReadTier::kAny);
  }

  Task<Result<void>> stage_open(storage::DataRef data, std::uint8_t shard, std::uint64_t) override {
    if (disk_->fail_appends) co_return fail(ErrorCode::kDriveFailed, "told to fail");
    staged_[data.id] = {.ref = data, .shard = shard};
    co_return Result<void>();
  }
  Task<Result<void>> stage_append(DataId data, Buffer blocks, std::size_t) override {
    co_await async::switch_to(*Runtime::current());
    while (disk_->frozen) co_await disk_->thaw.wait();
    if (disk_->fail_appends) co_return fail(ErrorCode::kDriveFailed, "told to fail");
    staged_bytes_[data].append(std::move(blocks));
    co_return Result<void>();
  }
  Task<Result<void>> stage_finish(DataId data, std::uint64_t length) override {
    if (disk_->fail_appends) co_return fail(ErrorCode::kDriveFailed, "told to fail");
    auto shard = staged_[data];
    shard.ref.length = length;
    shard.bytes = staged_bytes_[data].flatten();
    if (!disk_->drop_data && !disk_->refused.contains(data)) disk_->shards[data] = shard;
    staged_.erase(data);
    staged_bytes_.erase(data);
    co_return Result<void>();
  }
  Task<Result<void>> stage_abort(DataId data) override {
    ++disk_->given_up;
    staged_.erase(data);
    staged_bytes_.erase(data);
    const auto found = disk_->shards.find(data);
    if (found != disk_->shards.end() && !found->second.named) disk_->shards.erase(found);
    co_return Result<void>();
  }

  Task<Result<std::vector<DataId>>> staged() override {
    ++disk_->asked_staged;
    std::vector<DataId> out;
    for (const auto& [id, shard] : disk_->shards)
      if (is_staged(shard)) out.push_back(id);
    if (disk_->staged_delay.count() > 0) co_await async::sleep_for(*Runtime::current(), disk_->staged_delay);
    co_return out;
  }

  Task<Result<Buffer>> read_shard(storage::DataRef data, std::uint32_t first, std::uint32_t count) override {
    co_await async::switch_to(*Runtime::current());
    co_return read_now(data, first, count);
  }
  Result<Buffer> try_read_shard(const storage::DataRef& data, std::uint32_t first,
                                std::uint32_t count) override {
    if (data.place == DataPlace::kFile) return fail(ErrorCode::kWouldBlock);
    return read_now(data, first, count);
  }
  Task<Result<void>> verify_shard(storage::DataRef data) override {
    const auto blocks =
        static_cast<std::uint32_t>((data.length + limits::kStripeBytes - 1) / limits::kStripeBytes);
    auto bytes = read_now(data, 0, blocks);
    if (!bytes) co_return std::unexpected(bytes.error());
    co_return Result<void>();
  }
  Task<Result<void>> restore_shard(storage::DataRef data, std::uint8_t shard, std::uint64_t term,
                                   std::uint64_t at, BufferChain blocks) override {
    co_await async::switch_to(*Runtime::current());
    if (disk_->fail_appends) co_return fail(ErrorCode::kDriveFailed, "told to fail");
    if (term < disk_->hard_state.term) co_return fail(ErrorCode::kStale, "an older leader's");
    BufferChain& whole = restoring_[data.id];
    if (at == 0) whole.clear();
    if (whole.size() != at) co_return fail(ErrorCode::kStale, "out of order");
    whole.append(std::move(blocks));
    if (whole.size() < storage::shard_bytes_of(data)) co_return Result<void>();
    disk_->shards[data.id] = {.ref = data, .shard = shard, .bytes = whole.flatten(), .named = true};
    restoring_.erase(data.id);
    disk_->corrupt.erase(data.id);
    co_return Result<void>();
  }
  [[nodiscard]] std::uint64_t incarnation() const override { return disk_->incarnation; }
  Task<Result<storage::Holdings>> holds(std::vector<DataId> data) override {
    ++disk_->asked;
    co_await async::switch_to(*Runtime::current());
    if (disk_->holds_delay.count() > 0) co_await async::sleep_for(*Runtime::current(), disk_->holds_delay);
    storage::Holdings out{.held = {}, .incarnation = disk_->incarnation};
    for (const auto& id : data) out.held.push_back(disk_->shards.contains(id));
    co_return out;
  }
  Task<Result<std::vector<storage::DataRef>>> inventory(DataId after, std::size_t most) override {
    co_await async::switch_to(*Runtime::current());
    std::vector<storage::DataRef> out;
    for (auto at = disk_->shards.upper_bound(after); at != disk_->shards.end() && out.size() < most; ++at)
      if (at->second.named) out.push_back(at->second.ref);
    co_return out;
  }
  Task<Result<void>> close() override {
    disk_->flush();
    co_return Result<void>();
  }

 private:
  [[nodiscard]] static bool is_staged(const MemoryDisk::Shard& shard) {
    return !shard.named && shard.ref.place == DataPlace::kFile;
  }
  void apply_body(std::uint64_t index, const storage::EntryBody& body) {
    const auto decide = [this](std::uint64_t which, bool confirmed) {
      const auto found = disk_->deferred.find(which);
      if (found == disk_->deferred.end()) return;
      static_cast<void>(
          disk_->rows.write(confirmed ? found->second.on_confirm : found->second.on_void, true));
      if (!confirmed) disk_->shards.erase(found->second.data);
      disk_->deferred.erase(found);
    };
    for (const auto which : body.confirms) decide(which, true);
    for (const auto which : body.voids) decide(which, false);
    static_cast<void>(disk_->rows.write(body.changes, true));
    if (body.data.place != DataPlace::kNone) {
      disk_->deferred[index] = {body.on_confirm, body.on_void, body.data.id};
      if (const auto shard = disk_->shards.find(body.data.id); shard != disk_->shards.end())
        shard->second.named = true;
    }
    for (const auto& id : body.frees) disk_->shards.erase(id);
  }

  Result<Buffer> read_now(const storage::DataRef& data, std::uint32_t first, std::uint32_t count) {
    ++disk_->shard_reads;
    if (disk_->fail_reads) return fail(ErrorCode::kIo, "told to fail");
    const auto found = disk_->shards.find(data.id);
    if (found == disk_->shards.end()) return fail(ErrorCode::kNotFound);
    if (disk_->corrupt.contains(data.id)) return fail(ErrorCode::kCorrupt);
    const std::size_t alignment =
        data.place == DataPlace::kLog ? codec::kInlineBlockAlignment : codec::kFileBlockAlignment;
    const std::size_t full = codec::shard_block_bytes(data.geometry, limits::kStripeBytes, alignment);
    const std::size_t from = first * full;
    const std::size_t to = std::min(found->second.bytes.size(), from + count * full);
    return found->second.bytes.slice(from, to - from);
  }

  std::map<storage::DataId, BufferChain> restoring_;
  std::shared_ptr<MemoryDisk> disk_;
  std::uint32_t slot_;
  std::map<DataId, MemoryDisk::Shard> staged_;
  std::map<DataId, BufferChain> staged_bytes_;
};

}  // namespace flashstor::testing
