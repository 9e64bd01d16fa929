#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/random.h"
#include "engine/storage/commit_log/log_format.h"
#include "engine/storage/row_store_memory.h"
#include "engine/storage/storage_api.h"
#include "tests/sim/sim_medium.h"

namespace flashstor::sim {

/// What a simulated drive holds: on stable storage, and what is on its way there. It outlives the processes
/// that use it. Batches reach the medium whole and in order (the log's checksums see to that); a power cut
/// keeps some of those that nobody was told of.
class SimDisk final : public DriveMedium {
 public:
  struct Shard {
    storage::DataRef ref;
    std::uint8_t shard = 0;
    Buffer bytes;
    std::uint64_t named_at = 0;  ///< The applied entry that named it.
    bool named = false;
  };
  struct Staging {
    storage::DataRef ref;
    std::uint8_t shard = 0;
    BufferChain bytes;
  };
  struct Deferred {
    std::vector<storage::RowChange> on_confirm;
    std::vector<storage::RowChange> on_void;
    DataId data;
  };
  struct Job {
    storage::AppendBatch batch;
    std::optional<std::string> configuration;
    bool done = false;
    bool stale = false;  ///< Not done, for it came from an older leader.
  };

  /// `acknowledge_early`: a planted defect, appends are answered before they are durable.
  SimDisk(Random& random, bool acknowledge_early) : random_(random), acknowledge_early_(acknowledge_early) {}

  OpenedDrive open(std::uint32_t slot) override;
  void crash(bool power_cut) override;
  void rot(bool keep_tail) override;
  [[nodiscard]] std::set<DataId> held() override;
  [[nodiscard]] std::string describe(const DataId& id) override;
  [[nodiscard]] storage::RowStoreMemory& rows() override { return index; }

  storage::HardState hard_state;
  std::map<std::uint64_t, storage::LogEntry> entries;
  std::string configuration;
  storage::RowStoreMemory index;
  std::uint64_t applied = 0;
  std::map<std::uint64_t, Deferred> deferred;
  std::map<DataId, Shard> shards;     ///< Data records and finished shard files.
  std::map<DataId, Staging> staging;  ///< Shard files that are not finished.
  std::set<DataId> refused;
  std::set<DataId> rotten;  ///< Shards whose bytes no longer match their checksums.
  std::deque<std::shared_ptr<Job>> queue;
  bool failed = false;       ///< An append failed: nothing goes on in this life.
  bool in_doubt = false;     ///< It lost its power, and nobody has trusted it since.
  std::uint64_t opened = 0;  ///< Lives so far.

  /// Makes everything up to and with `job` durable.
  void complete(const Job& job);
  void apply(const storage::LogEntry& entry);
  void flush();
  [[nodiscard]] Random& random() { return random_; }

 private:
  bool write(storage::AppendBatch& batch);  ///< False: stale.
  Random& random_;
  bool acknowledge_early_;
  /// What a drive whose cache lies still has after a power cut, whatever it said since.
  struct Kept {
    storage::HardState hard_state;
    std::map<std::uint64_t, storage::LogEntry> entries;
    std::string configuration;
    std::map<DataId, Shard> shards;
    std::set<DataId> refused;
  };
  void keep();
  Kept kept_;
  std::uint64_t flushed_ = 0;
  std::map<std::uint64_t, Deferred> flushed_deferred_;
};

/// One process's use of a SimDisk. Every operation takes virtual time, so that a crash may come at any await.
class SimStorage final : public storage::StorageApi {
 public:
  SimStorage(SimDisk& disk, std::uint32_t slot, bool acknowledge_early)
      : disk_(disk), slot_(slot), acknowledge_early_(acknowledge_early), incarnation_(++disk.opened) {
    disk_.failed = false;
  }
  /// Outlives this, for those who end the process.
  struct Life {
    bool dead = false;     ///< The process is gone: whatever still runs fails and touches nothing.
    std::size_t late = 0;  ///< Of this object's own, under way.
  };
  using LifeRef = std::shared_ptr<Life>;
  [[nodiscard]] LifeRef life() const { return life_; }

  [[nodiscard]] storage::DriveInfo info() const override;
  Task<Result<storage::RecoveredState>> recover() override;
  Task<Result<void>> append(storage::AppendBatch batch) override;
  Task<Result<std::vector<storage::LogEntry>>> read_entries(std::uint64_t from, std::uint64_t to,
                                                            std::size_t max_bytes) override;
  Task<Result<void>> apply(std::vector<storage::LogEntry> entries) override;
  Task<Result<void>> set_configuration(std::string bytes) override;
  Task<Result<void>> trust() override;
  [[nodiscard]] storage::RowStore* rows() override { return &disk_.index; }
  Task<Result<std::optional<std::string>>> get_row(storage::Family family, std::string key) override;
  Task<Result<void>> stage_open(storage::DataRef data, std::uint8_t shard, std::uint64_t expected) override;
  Task<Result<void>> stage_append(DataId data, Buffer blocks, std::size_t block_bytes) override;
  Task<Result<void>> stage_finish(DataId data, std::uint64_t length) override;
  Task<Result<void>> stage_abort(DataId data) override;
  Task<Result<Buffer>> read_shard(storage::DataRef data, std::uint32_t first, std::uint32_t count) override;
  Result<Buffer> try_read_shard(const storage::DataRef& data, std::uint32_t first,
                                std::uint32_t count) override;
  Task<Result<void>> verify_shard(storage::DataRef data) override;
  Task<Result<void>> restore_shard(storage::DataRef data, std::uint8_t shard, std::uint64_t term,
                                   std::uint64_t at, BufferChain blocks) override;
  Task<Result<storage::Holdings>> holds(std::vector<DataId> data) override;
  [[nodiscard]] std::uint64_t incarnation() const override { return incarnation_; }
  Task<Result<std::vector<DataId>>> staged() override;
  Task<Result<std::vector<storage::DataRef>>> inventory(DataId after, std::size_t most) override;
  Task<Result<void>> close() override;

 private:
  /// The time that an operation takes, then whether the drive still does what it is asked.
  Task<Result<void>> wait(bool writes);
  Task<Result<void>> write_job(std::shared_ptr<SimDisk::Job> job);
  Result<Buffer> read_now(const storage::DataRef& data, std::uint32_t first, std::uint32_t count);
  [[nodiscard]] Result<void> sound(bool writes) const;

  SimDisk& disk_;
  std::uint32_t slot_;
  bool acknowledge_early_;
  std::uint64_t incarnation_;
  std::map<storage::DataId, BufferChain> restoring_;
  LifeRef life_ = std::make_shared<Life>();
  MonotonicTime free_at_{};  ///< The writer is busy until then.
};

}  // namespace flashstor::sim
