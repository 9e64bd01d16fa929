#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/async/own_thread.h"
#include "engine/base/time.h"
#include "engine/storage/storage_api.h"

namespace flashstor::storage {

/// How long a call may take before the drive counts as hung.
struct GuardOptions {
  Nanoseconds append_deadline = std::chrono::seconds(10);
  Nanoseconds apply_deadline = std::chrono::seconds(20);  ///< May wait for a compaction; closing too.
  Nanoseconds read_deadline = std::chrono::seconds(5);
  Nanoseconds slow_deadline = std::chrono::seconds(60);     ///< Starting, verifying, restoring.
  Nanoseconds long_deadline = std::chrono::minutes(60);     ///< Reading a whole index.
  Nanoseconds slow_after = std::chrono::milliseconds(500);  ///< A p99 above it makes a drive slow.
  int failed_reads = 3;  ///< Reads in a row past their deadline that take a drive out.
  /// Runs what ends a drive that hangs, where nothing waits for it.
  void (*apart)(std::function<void()> body) = &async::run_on_own_thread;
};

/// How a drive has done lately.
struct DriveHealth {
  Nanoseconds append_mean{};  ///< Moving average.
  Nanoseconds append_p99{};   ///< Of the last samples.
  Nanoseconds read_mean{};
  Nanoseconds read_p99{};
  std::uint64_t timeouts = 0;
  std::uint64_t errors = 0;  ///< kIo, kCorrupt and kDriveFailed.
  bool slow = false;
  bool failed = false;
};

/// Latency of one kind of call: moving average and the p99 of the last 128. Threads: any.
class LatencyMeter {
 public:
  void add(Nanoseconds latency);
  [[nodiscard]] Nanoseconds mean() const;
  [[nodiscard]] Nanoseconds p99() const;

 private:
  static constexpr std::size_t kSamples = 128;
  mutable std::mutex mutex_;
  std::array<std::int64_t, kSamples> samples_{};
  std::size_t count_ = 0;
  double mean_ = 0;
};

/// Drives that were taken out while calls to them hung: each dies on a thread of its own once its last call
/// has come back. Threads: any.
class RetiredDrives {
 public:
  /// Drives that have not ended yet. A process that ends before them must not run destructors.
  [[nodiscard]] std::size_t count() const { return count_.load(); }

 private:
  friend class GuardedStorage;
  std::atomic<std::size_t> count_ = 0;
};

/// The place of a drive: any drive, or none, with a deadline on every call and an eye on its health. A call
/// past its deadline gives kTimeout (kUnknownOutcome for what changes something) while the drive's own call
/// goes on by itself; a change that timed out, too many reads, or an index that does not match its checksums
/// take the drive out: every later call is kDriveFailed at once, and nothing waits for a hung drive twice.
/// Another drive can then be put in its place; calls to the old one keep it alive until they come back.
/// Threads: as the drive's; `put_in` and `take_out` from one thread.
class GuardedStorage final : public StorageApi {
 public:
  GuardedStorage(std::unique_ptr<StorageApi> inner, GuardOptions options,
                 std::shared_ptr<RetiredDrives> retired = std::make_shared<RetiredDrives>());
  /// A place without a drive, as `absent` describes it.
  GuardedStorage(DriveInfo absent, GuardOptions options, std::shared_ptr<RetiredDrives> retired);
  ~GuardedStorage() override;

  [[nodiscard]] DriveHealth health() const;
  /// Null without a drive.
  [[nodiscard]] StorageApi* inner();
  [[nodiscard]] bool has_drive() const { return core() != nullptr; }
  /// Puts a drive in the empty place.
  void put_in(std::unique_ptr<StorageApi> drive);
  /// Empties the place; `absent` is what `info` says from now on. The drive itself ends on a thread of its
  /// own when no call to it is left.
  void take_out(DriveInfo absent);
  /// What `info` says while there is no drive.
  void describe(DriveInfo absent);
  /// The drives that were taken out have ended: what they locked is free again.
  [[nodiscard]] bool all_gone() const { return own_retired_->count() == 0; }
  /// Why the drive was taken out by this guard; empty while it is well.
  [[nodiscard]] std::string failure() const;
  /// kCorrupt when its index is damaged.
  [[nodiscard]] ErrorCode failure_code() const;

  /// As of the last `check`, so that no loop waits for a drive.
  [[nodiscard]] DriveInfo info() const override;
  Task<Result<DriveInfo>> check() override;
  Task<Result<RecoveredState>> recover() override;
  Task<Result<void>> append(AppendBatch batch) override;
  Task<Result<std::vector<LogEntry>>> read_entries(std::uint64_t from, std::uint64_t to,
                                                   std::size_t max_bytes) override;
  Task<Result<void>> apply(std::vector<LogEntry> entries) override;
  Task<Result<void>> set_configuration(std::string bytes) override;
  Task<Result<void>> trust() override;
  [[nodiscard]] RowStore* rows() override;
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
  [[nodiscard]] std::uint64_t incarnation() const override;
  Task<Result<std::vector<DataId>>> staged() override;
  Task<Result<std::vector<DataRef>>> inventory(DataId after, std::size_t most) override;
  Task<Result<void>> close() override;

 private:
  enum class Kind : std::uint8_t { kAppend, kApply, kRead, kSlow, kLong };
  struct Core;
  class Rows;
  class Cursor;
  template <class T>
  struct Call;
  /// Runs `start(drive)` under the deadline of `kind`.
  template <class T, class Start>
  Task<Result<T>> guard(Kind kind, Start start);
  template <class T>
  static Task<void> drive(std::shared_ptr<Call<T>> call, Task<Result<T>> task);
  [[nodiscard]] std::shared_ptr<Core> core() const;
  void adopt(std::unique_ptr<StorageApi> drive);
  void note_row_error(const Error& error);

  GuardOptions options_;
  std::shared_ptr<RetiredDrives> retired_;      ///< Of all places.
  std::shared_ptr<RetiredDrives> own_retired_;  ///< Of this place.
  std::unique_ptr<Rows> rows_;
  mutable std::mutex mutex_;
  std::shared_ptr<Core> core_;  ///< Also held by calls under way. Null without a drive.
  DriveInfo absent_;
};

}  // namespace flashstor::storage
