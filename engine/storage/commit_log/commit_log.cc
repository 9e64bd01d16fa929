#include "engine/storage/commit_log/commit_log.h"

#include <semaphore>
#include <utility>

#include "engine/base/check.h"

namespace flashstor::storage {

struct CommitLog::Await {
  CommitLog& log;
  Job job;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiting) {
    job.waiting = waiting;
    job.home = Runtime::current();
    FLASHSTOR_CHECK(job.home != nullptr);
    log.enqueue(job);
  }
  Result<void> await_resume() { return std::move(job.result); }
};

CommitLog::~CommitLog() { FLASHSTOR_CHECK(first_ == nullptr && !draining_); }

Result<void> CommitLog::start(std::uint64_t next_sequence, std::optional<BatchPosition> at) {
  end_ = {.segment = 0, .offset = 0, .sequence = next_sequence};
  if (!at) return {};
  auto segment = segments_.find(at->segment);
  if (!segment) return std::unexpected(segment.error());
  auto file = segments_.open_to_write(at->segment);
  if (!file) return std::unexpected(file.error());
  // What the replay read may still be on its way to the drive: from here on it is acted upon.
  if (auto synced = file->file->sync(); !synced) return synced;
  file_ = std::move(*file);
  salt_ = (*segment)->header.salt;
  segment_bytes_ = (*segment)->header.bytes;
  end_ = *at;
  published_end_ = *at;
  return {};
}

std::string CommitLog::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_.describe();
}

void CommitLog::fail_with(const Error& error) {
  const std::lock_guard lock(mutex_);
  if (failed_.exchange(true, std::memory_order_acq_rel)) return;
  failure_ = error.wrap(ErrorCode::kDriveFailed, "the drive was closed after a failed operation");
}

BatchPosition CommitLog::end() const {
  const std::lock_guard lock(mutex_);
  return end_;
}

BatchPosition CommitLog::published_end() const {
  const std::lock_guard lock(mutex_);
  return published_end_;
}

Result<void> CommitLog::check(const LogRequest& request) {
  if (failed()) {
    const std::lock_guard lock(mutex_);
    return std::unexpected(failure_);
  }
  if (batch_bytes_of(request.batch) > limits::kMaxBatchBytes)
    return fail(ErrorCode::kInvalidArgument, "an append is larger than a batch can be");
  for (const LogEntry& entry : request.batch.entries)
    if (entry.payload.size() > limits::kMaxEntryBytes)
      return fail(ErrorCode::kInvalidArgument, "a log entry is larger than it can be");
  for (const DataRecord& record : request.batch.data) {
    if (record.ref.place != DataPlace::kLog || record.ref.id != record.id ||
        record.bytes.size() > limits::kMaxRecordBytes || record.bytes.size() != shard_bytes_of(record.ref) ||
        record.shard >= record.ref.geometry.shards())
      return fail(ErrorCode::kInvalidArgument, "a data record does not fit its reference");
    if (!record.rebuilt && index_.refused(record.id))
      return fail(ErrorCode::kStale, "this drive has refused data " + record.id.to_text());
  }
  return {};
}

Task<Result<void>> CommitLog::append(LogRequest& request) {
  co_await or_return(check(request));
  Await await{*this, {}};
  await.job.request = &request;
  await.job.bytes = batch_bytes_of(request.batch);
  co_return co_await await;
}

Result<void> CommitLog::append_now(LogRequest& request) {
  if (auto checked = check(request); !checked) return checked;
  std::binary_semaphore done(0);
  Job job;
  job.request = &request;
  job.bytes = batch_bytes_of(request.batch);
  for (const DataRecord& record : request.relocations) job.bytes += record.bytes.size() + limits::kKiB;
  job.done = [&done] { done.release(); };
  enqueue(job);
  done.acquire();
  return std::move(job.result);
}

void CommitLog::enqueue(Job& job) {
  {
    const std::lock_guard lock(mutex_);
    (last_ != nullptr ? last_->next_job : first_) = &job;
    last_ = &job;
    if (std::exchange(draining_, true)) return;
  }
  drain_work_.log = this;
  drain_work_.run = [](async::Work* work) { static_cast<DrainWork*>(work)->log->drain(); };
  writer_.submit(drain_work_);
}

CommitLog::Job* CommitLog::take_group() {
  const std::lock_guard lock(mutex_);
  if (first_ == nullptr) {
    draining_ = false;
    return nullptr;
  }
  Job* group = first_;
  Job* end = group;
  std::size_t bytes = group->bytes;
  while (end->next_job != nullptr && bytes + end->next_job->bytes <= limits::kMaxBatchBytes / 2) {
    end = end->next_job;
    bytes += end->bytes;
  }
  first_ = std::exchange(end->next_job, nullptr);
  if (first_ == nullptr) last_ = nullptr;
  return group;
}

void CommitLog::drain() {
  while (Job* group = take_group()) {
    Result<void> result;
    if (failed()) {
      const std::lock_guard lock(mutex_);
      result = std::unexpected(failure_);
    } else {
      result = write_group(group);
      if (!result) {
        fail_with(result.error());
        const std::lock_guard lock(mutex_);
        result = std::unexpected(failure_);
      }
    }
    finish(group, result);
  }
}

}  // namespace flashstor::storage
