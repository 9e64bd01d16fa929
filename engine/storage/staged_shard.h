#pragma once

#include <atomic>
#include <coroutine>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "engine/async/work_pool.h"
#include "engine/storage/limits.h"
#include "engine/storage/shard_file.h"

namespace flashstor::storage {

/// A shard file being written: takes blocks on a loop, writes them on a drive thread, keeps at most
/// kStageBytesInMemory waiting. Threads: one caller at a time.
class StagedShard : public std::enable_shared_from_this<StagedShard> {
 public:
  StagedShard(async::WorkPool& pool, ShardFileWriter writer, DataRef data, std::uint8_t shard)
      : pool_(pool), writer_(std::move(writer)), data_(data), shard_(shard) {}

  /// Queues blocks; comes back when there is room for more. Errors: the first of any write.
  Task<Result<void>> append(Buffer blocks, std::size_t block_bytes);
  /// Waits until everything queued is written. Errors: the first of any write.
  Task<Result<void>> settle();
  /// On a drive thread, after `settle`: footer and sync.
  Result<void> finish(std::uint64_t length);
  [[nodiscard]] const DataRef& data() const { return data_; }
  /// When blocks came last. Any thread.
  [[nodiscard]] MonotonicTime moved_at() const { return moved_at_.load(); }

 private:
  struct Drain : async::Work {
    std::shared_ptr<StagedShard> shard;
  };
  struct WaitBelow;
  void drain();
  void wake_waiter();

  async::WorkPool& pool_;
  ShardFileWriter writer_;  ///< The drain's while `running_`.
  DataRef data_;
  std::uint8_t shard_;
  std::atomic<MonotonicTime> moved_at_{Runtime::current()->now()};
  std::mutex mutex_;
  std::deque<std::pair<Buffer, std::size_t>> queue_;
  std::size_t queued_bytes_ = 0;
  bool running_ = false;
  std::optional<Error> error_;
  WaitBelow* waiter_ = nullptr;
  Drain drain_;
};

}  // namespace flashstor::storage
