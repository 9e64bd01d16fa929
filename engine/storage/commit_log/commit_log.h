#pragma once

#include <atomic>
#include <coroutine>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/async/work_pool.h"
#include "engine/storage/commit_log/log_format.h"
#include "engine/storage/commit_log/log_index.h"
#include "engine/storage/commit_log/segments.h"

namespace flashstor::storage {

/// What one call appends: an AppendBatch, or what the drive itself has to say.
struct LogRequest {
  AppendBatch batch;
  std::vector<DataRecord> relocations;  ///< Live data records that leave a segment.
  std::optional<std::string> configuration;
  bool clean_close = false;
  std::vector<DataPosition> relocated;  ///< Filled: where `relocations` are now.
};

/// One drive's append-only log. One writer gathers what waits, writes it as one batch and syncs once; each
/// waiter comes back after the sync of its records, in order. The index hears of records after they are
/// durable. The first failure closes the log for good. Source: protocol.md, The log on a drive.
class CommitLog {
 public:
  /// Writes run on `writer` (one at a time); `io`, `segments`, `index` and the pool outlive this.
  CommitLog(Segments& segments, LogIndex& index, async::WorkPool& writer)
      : segments_(segments), index_(index), writer_(writer) {}
  CommitLog(const CommitLog&) = delete;
  CommitLog& operator=(const CommitLog&) = delete;
  ~CommitLog();

  /// Where the next batch goes, as the replay found it; nullopt makes a new segment with the first append.
  Result<void> start(std::uint64_t next_sequence, std::optional<BatchPosition> at);
  /// Called on the writer's thread after a batch is durable, before its waiters go on.
  void on_durable(std::function<void(const LogRequest&)> observer) { observer_ = std::move(observer); }

  /// Errors: kDriveFailed after any failure; kInvalidArgument for records that cannot be; kStale when a data
  /// record's id is refused (nothing of the request was written then).
  Task<Result<void>> append(LogRequest& request);
  /// Blocking form for drive threads.
  Result<void> append_now(LogRequest& request);
  [[nodiscard]] bool failed() const { return failed_.load(std::memory_order_acquire); }
  /// What failed it.
  [[nodiscard]] std::string failure() const;
  /// Closes the log as after a failed write.
  void fail_with(const Error& error);
  /// Where the next batch will start.
  [[nodiscard]] BatchPosition end() const;
  /// Up to where the index has heard of everything.
  [[nodiscard]] BatchPosition published_end() const;
  /// Bytes appended since this was made.
  [[nodiscard]] std::uint64_t appended_bytes() const { return appended_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t batches() const { return batches_.load(std::memory_order_relaxed); }

 private:
  struct Job : async::Work {
    LogRequest* request = nullptr;
    std::size_t bytes = 0;
    Result<void> result;
    std::coroutine_handle<> waiting;
    Runtime* home = nullptr;
    std::function<void()> done;  ///< Instead of a coroutine.
    Job* next_job = nullptr;
  };
  struct Await;
  struct Placed;

  [[nodiscard]] Result<void> check(const LogRequest& request);
  void enqueue(Job& job);
  void drain();
  Job* take_group();
  Result<void> write_group(Job* first);
  Result<void> make_room(std::size_t bytes);
  void add_request(LogRequest& request, std::vector<Placed>& placed);
  void add_data(LogRequest& request, std::vector<Placed>& placed);
  void publish(std::vector<Placed>& placed, const BatchPosition& batch);
  void finish(Job* first, const Result<void>& result);

  Segments& segments_;
  LogIndex& index_;
  async::WorkPool& writer_;
  std::function<void(const LogRequest&)> observer_;

  mutable std::mutex mutex_;
  Job* first_ = nullptr;
  Job* last_ = nullptr;
  bool draining_ = false;
  struct DrainWork : async::Work {
    CommitLog* log = nullptr;
  } drain_work_;
  Error failure_{ErrorCode::kDriveFailed};
  std::atomic<bool> failed_ = false;
  std::atomic<std::uint64_t> appended_ = 0;
  std::atomic<std::uint64_t> batches_ = 0;

  // The writer's own, but for end_ (under mutex_).
  BatchBuilder builder_;
  Segments::Writable file_;
  std::uint64_t salt_ = 0;
  std::uint32_t segment_bytes_ = 0;
  BatchPosition end_;
  BatchPosition published_end_;
};

}  // namespace flashstor::storage
