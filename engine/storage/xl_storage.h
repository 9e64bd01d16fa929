#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/async/group_offload.h"
#include "engine/storage/applier.h"
#include "engine/storage/commit_log/commit_log.h"
#include "engine/storage/data_cache.h"
#include "engine/storage/drive_format.h"
#include "engine/storage/shard_store.h"
#include "engine/storage/storage_api.h"

namespace flashstor::storage {

class StagedShard;

struct XlStorageOptions {
  std::string path;      ///< The drive's directory, formatted before.
  FileIo* io = nullptr;  ///< Outlives the storage.
  /// Opens the index in a directory (open_rocksdb_rows with the node's resources).
  std::function<Result<std::unique_ptr<RowStore>>(const std::string& path)> open_rows;
  std::uint64_t salt_seed = 0;  ///< Fresh randomness; also names this incarnation of the drive.
  std::string boot;             ///< current_boot(): what the machine keeps until it loses its power.
  std::size_t segment_bytes = limits::kLogSegmentBytes;
  std::size_t data_cache_bytes = limits::kDataCacheBytes;
  std::size_t threads = limits::kDriveThreads;
  std::uint64_t checkpoint_bytes = limits::kCheckpointLogBytes;
  std::uint64_t checkpoint_entries = limits::kCheckpointEntries;
  Nanoseconds stage_idle = limits::kStageIdle;  ///< After that nobody writes a staged shard any more.
  /// Instead of threads of its own: the simulator's. Both or none.
  async::WorkPool* writer_pool = nullptr;
  async::WorkPool* io_pool = nullptr;
  bool replay_past_torn = false;  ///< A planted defect, for the simulator.
};

/// A local drive. Threads: methods from any runtime; `apply` one call at a time. Its own threads: one log
/// writer and a few for everything else that waits for the drive.
class XlStorage final : public StorageApi {
 public:
  /// Takes the drive (lock, identity of the format). Blocks. Errors: kDriveForeign, kBusy, kNotFound,
  /// kReadOnly, kIo, each in words for the operator.
  static Result<std::unique_ptr<XlStorage>> open(XlStorageOptions options);
  ~XlStorage() override;

  [[nodiscard]] const DriveFormat& format() const { return format_; }
  [[nodiscard]] DriveInfo info() const override;
  Task<Result<DriveInfo>> check() override;
  Task<Result<RecoveredState>> recover() override;
  Task<Result<void>> append(AppendBatch batch) override;
  Task<Result<std::vector<LogEntry>>> read_entries(std::uint64_t from, std::uint64_t to,
                                                   std::size_t max_bytes) override;
  Task<Result<void>> apply(std::vector<LogEntry> entries) override;
  Task<Result<void>> set_configuration(std::string bytes) override;
  Task<Result<void>> trust() override;
  [[nodiscard]] RowStore* rows() override { return recovered_ ? rows_.get() : nullptr; }
  Task<Result<std::optional<std::string>>> get_row(Family family, std::string key) override;
  Task<Result<void>> stage_open(DataRef data, std::uint8_t shard, std::uint64_t expected_bytes) override;
  Task<Result<void>> stage_append(DataId data, Buffer blocks, std::size_t block_bytes) override;
  Task<Result<void>> stage_finish(DataId data, std::uint64_t length) override;
  Task<Result<void>> stage_abort(DataId data) override;
  Task<Result<Buffer>> read_shard(DataRef data, std::uint32_t first_block, std::uint32_t count) override;
  Result<Buffer> try_read_shard(const DataRef& data, std::uint32_t first_block, std::uint32_t count) override;
  Task<Result<void>> verify_shard(DataRef data) override;
  Task<Result<void>> verify_rows() override;
  Task<Result<void>> restore_shard(DataRef data, std::uint8_t shard, std::uint64_t term, std::uint64_t at,
                                   BufferChain blocks) override;
  Task<Result<Holdings>> holds(std::vector<DataId> data) override;
  [[nodiscard]] std::uint64_t incarnation() const override { return incarnation_; }
  Task<Result<std::vector<DataId>>> staged() override;
  Task<Result<std::vector<DataRef>>> inventory(DataId after, std::size_t most) override;
  Task<Result<void>> close() override;

  /// Flushes the index and frees what the log no longer needs, now. For tests and for an orderly stop.
  Task<Result<void>> checkpoint();
  /// Batches written and log bytes since the start, for metrics.
  [[nodiscard]] std::uint64_t log_batches() const { return log_.batches(); }
  [[nodiscard]] std::uint64_t log_bytes_written() const { return log_.appended_bytes(); }

 private:
  explicit XlStorage(XlStorageOptions options, DriveFormat format, std::unique_ptr<File> lock);

  // On drive threads.
  Result<DriveInfo> check_now();
  Result<std::vector<DataRef>> inventory_now(const DataId& after, std::size_t most);
  Result<RecoveredState> recover_now();
  Result<void> replay(const LocalState& local);
  Result<void> remember_applied(const CheckpointState& checkpoint);
  Result<std::vector<LogEntry>> read_entries_now(std::uint64_t from, std::uint64_t to, std::size_t max_bytes);
  Result<LogEntry> read_entry(std::uint64_t index);
  Result<Buffer> read_log(const LogPosition& at);
  Result<Buffer> read_inline(const DataRef& data, std::uint32_t first_block, std::uint32_t count);
  Result<Buffer> read_inline_at(const DataPosition& data, std::uint32_t first_block, std::uint32_t count);
  Result<std::optional<DataPosition>> find_inline(const DataId& id, ReadTier tier);
  Result<Holdings> holds_now(const std::vector<DataId>& data);
  struct Rebuilt {
    DataId id;
    Result<void> done;
  };
  void place_rebuilt(std::span<Rebuilt* const> rebuilt);
  Result<void> restore_in_file(const DataRef& data, std::uint8_t shard, std::uint64_t term, std::uint64_t at,
                               const BufferChain& blocks);
  Result<ShardFileWriter> begin_restoring(const DataId& id, std::uint64_t term);
  Result<void> check_restoring(std::uint64_t term);
  Result<void> place_restored(const DataId& id, std::uint64_t term);
  Result<void> close_now();

  // Checkpoints and the log's space (xl_storage_space.cc).
  [[nodiscard]] bool checkpoint_due();
  [[nodiscard]] CheckpointState capture_checkpoint(const AppliedState& after);
  void start_flush();
  void flush_in_background();
  Result<void> flush_locked();
  Result<void> checkpoint_now();
  void start_refill();
  Result<void> relocate_segments();
  Result<void> relocate_segment(std::uint32_t number);
  Result<bool> worth_relocating(std::uint32_t number);
  Result<std::optional<DataPosition>> live_record(std::uint32_t number, std::uint64_t offset,
                                                  const RecordView& record);

  Result<void> drive_failed(Result<void> result);
  /// Errors: kDriveFailed before `recover` has come to its end. A set with few drives reads whatever stands
  /// in its places, a drive that is only coming back too.
  [[nodiscard]] Result<void> check_recovered() const;
  [[nodiscard]] async::WorkPool& io_pool() { return *io_pool_; }
  [[nodiscard]] std::shared_ptr<StagedShard> staged_shard(const DataId& id);

  XlStorageOptions options_;
  FileIo& io_;
  DriveFormat format_;
  std::unique_ptr<File> lock_;
  std::unique_ptr<RowStore> rows_;
  LogIndex index_;
  Segments segments_;
  ShardStore shards_;
  DataCache cache_;
  // Threads end (in the destructor) before what they work on.
  std::unique_ptr<async::ThreadPool> own_writer_;
  std::unique_ptr<async::ThreadPool> own_io_;
  async::WorkPool* writer_pool_;
  async::WorkPool* io_pool_;
  CommitLog log_;
  std::unique_ptr<Applier> applier_;
  async::GroupOffload<Rebuilt> placing_;
  std::atomic<bool> applying_ = false;
  std::atomic<bool> recovered_ = false;
  const std::uint64_t incarnation_ = options_.salt_seed;
  std::atomic<bool> closing_ = false;  ///< Nothing is moved any more.

  // Of checkpoints: `captured_` and what goes with it are the applier's; the rest is under flush_mutex_.
  std::uint64_t checkpoint_bytes_ = 0;
  std::uint64_t replayed_bytes_ = 0;  ///< Log that the start replayed, until the next checkpoint covers it.
  std::uint64_t replayed_last_ = 0;   ///< The last entry in it.
  std::uint64_t checkpoint_index_ = 0;
  std::mutex flush_mutex_;  ///< Held during a flush.
  std::mutex condemned_mutex_;
  std::map<std::uint32_t, std::int64_t>
      dense_;                             ///< Looked at and found full of small records: live bytes then.
  std::vector<std::uint32_t> condemned_;  ///< Segments that the last captured checkpoint does without.
  std::atomic<bool> flushing_ = false;
  struct FlushWork : async::Work {
    XlStorage* storage = nullptr;
  } flush_work_, refill_work_;

  std::mutex staged_mutex_;
  std::unordered_map<DataId, std::shared_ptr<StagedShard>> staged_;
  std::map<DataId, ShardFileWriter> restoring_;  ///< Rebuilt shards of which pieces are still to come.
  std::uint64_t restoring_term_ = 0;             ///< The newest of a leader that had any rebuilt in files.
  std::mutex restored_names_;  ///< Before `staged_mutex_`, by whom a rebuilt file gets its name.
};

}  // namespace flashstor::storage
