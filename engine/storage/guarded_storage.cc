#include "engine/storage/guarded_storage.h"

#include <algorithm>
#include <utility>

#include "engine/async/runtime.h"
#include "engine/async/sync.h"

namespace flashstor::storage {
namespace {
constexpr double kWeight = 1.0 / 16;  // of the newest sample in the moving average
}

void LatencyMeter::add(Nanoseconds latency) {
  const std::lock_guard lock(mutex_);
  samples_[count_ % kSamples] = latency.count();
  const auto sample = static_cast<double>(latency.count());
  mean_ = count_ == 0 ? sample : mean_ + (sample - mean_) * kWeight;
  ++count_;
}

Nanoseconds LatencyMeter::mean() const {
  const std::lock_guard lock(mutex_);
  return Nanoseconds(static_cast<std::int64_t>(mean_));
}

Nanoseconds LatencyMeter::p99() const {
  const std::lock_guard lock(mutex_);
  const std::size_t filled = std::min(count_, kSamples);
  if (filled == 0) return {};
  std::vector<std::int64_t> sorted(samples_.begin(), samples_.begin() + static_cast<std::ptrdiff_t>(filled));
  const auto rank = sorted.begin() + static_cast<std::ptrdiff_t>(filled * 99 / 100);
  std::ranges::nth_element(sorted, rank);
  return Nanoseconds(*rank);
}

struct GuardedStorage::Core {
  std::unique_ptr<StorageApi> inner;
  GuardOptions options;
  LatencyMeter appends;
  LatencyMeter reads;
  std::atomic<std::uint64_t> timeouts = 0;
  std::atomic<std::uint64_t> errors = 0;
  std::atomic<int> reads_late = 0;
  std::atomic<bool> failed = false;

  [[nodiscard]] Nanoseconds deadline(Kind kind) const {
    switch (kind) {
      case Kind::kAppend:
        return options.append_deadline;
      case Kind::kApply:
        return options.apply_deadline;
      case Kind::kRead:
        return options.read_deadline;
      case Kind::kSlow:
        return options.slow_deadline;
    }
    return options.slow_deadline;
  }
  void done(Kind kind, Nanoseconds latency, const Error* error) {
    if (kind == Kind::kAppend) appends.add(latency);
    if (kind == Kind::kRead) {
      reads.add(latency);
      reads_late = 0;
    }
    if (error == nullptr) return;
    const ErrorCode code = error->code();
    if (code == ErrorCode::kIo || code == ErrorCode::kCorrupt || code == ErrorCode::kDriveFailed) ++errors;
  }
  Error late(Kind kind) {
    ++timeouts;
    if (kind != Kind::kRead || ++reads_late >= options.failed_reads) failed = true;
    return kind == Kind::kRead ? Error(ErrorCode::kTimeout, "the drive did not answer in time")
                               : Error(ErrorCode::kUnknownOutcome, "the drive did not answer in time");
  }
};

/// A call under way: what the caller and the drive's own call share.
template <class T>
struct GuardedStorage::Call {
  std::shared_ptr<Core> core;
  Kind kind{};
  MonotonicTime started;
  std::optional<Result<T>> result;
  async::Event done;
};

template <class T>
Task<void> GuardedStorage::drive(std::shared_ptr<Call<T>> call, Task<Result<T>> task) {
  Result<T> result = co_await std::move(task);
  call->core->done(call->kind, Runtime::current()->now() - call->started, result ? nullptr : &result.error());
  call->result.emplace(std::move(result));
  call->done.set();
}

template <class T>
Task<Result<T>> GuardedStorage::guard(Kind kind, Task<Result<T>> task) {
  if (core_->failed) co_return fail(ErrorCode::kDriveFailed, "the drive does not answer");
  Runtime& runtime = *Runtime::current();
  auto call = std::make_shared<Call<T>>();
  call->core = core_;
  call->kind = kind;
  call->started = runtime.now();
  async::start_detached(drive(call, std::move(task)));
  if (!call->done.is_set() && !co_await call->done.wait_until(call->started + core_->deadline(kind)))
    co_return std::unexpected(core_->late(kind));
  co_return std::move(*call->result);
}

GuardedStorage::GuardedStorage(std::unique_ptr<StorageApi> inner, GuardOptions options)
    : core_(std::make_shared<Core>()) {
  core_->inner = std::move(inner);
  core_->options = options;
}
GuardedStorage::~GuardedStorage() = default;

DriveHealth GuardedStorage::health() const {
  DriveHealth health;
  health.append_mean = core_->appends.mean();
  health.append_p99 = core_->appends.p99();
  health.read_mean = core_->reads.mean();
  health.read_p99 = core_->reads.p99();
  health.timeouts = core_->timeouts;
  health.errors = core_->errors;
  health.slow = health.append_p99 > core_->options.slow_after || health.read_p99 > core_->options.slow_after;
  health.failed = core_->failed;
  return health;
}

StorageApi& GuardedStorage::inner() { return *core_->inner; }

DriveInfo GuardedStorage::info() const {
  DriveInfo info = core_->inner->info();
  if (core_->failed) {
    info.state = DriveInfo::State::kFailed;
    info.error = info.path + " does not answer";
  }
  return info;
}

RowStore* GuardedStorage::rows() { return core_->failed ? nullptr : core_->inner->rows(); }

Task<Result<RecoveredState>> GuardedStorage::recover() { return guard(Kind::kSlow, core_->inner->recover()); }
Task<Result<void>> GuardedStorage::append(AppendBatch batch) {
  return guard(Kind::kAppend, core_->inner->append(std::move(batch)));
}
Task<Result<std::vector<LogEntry>>> GuardedStorage::read_entries(std::uint64_t from, std::uint64_t to,
                                                                 std::size_t max_bytes) {
  return guard(Kind::kRead, core_->inner->read_entries(from, to, max_bytes));
}
Task<Result<void>> GuardedStorage::apply(std::vector<LogEntry> entries) {
  return guard(Kind::kApply, core_->inner->apply(std::move(entries)));
}
Task<Result<void>> GuardedStorage::set_configuration(std::string bytes) {
  return guard(Kind::kAppend, core_->inner->set_configuration(std::move(bytes)));
}
Task<Result<std::optional<std::string>>> GuardedStorage::get_row(Family family, std::string key) {
  return guard(Kind::kRead, core_->inner->get_row(family, std::move(key)));
}
Task<Result<void>> GuardedStorage::stage_open(DataRef data, std::uint8_t shard,
                                              std::uint64_t expected_bytes) {
  return guard(Kind::kAppend, core_->inner->stage_open(data, shard, expected_bytes));
}
Task<Result<void>> GuardedStorage::stage_append(DataId data, Buffer blocks, std::size_t block_bytes) {
  return guard(Kind::kAppend, core_->inner->stage_append(data, std::move(blocks), block_bytes));
}
Task<Result<void>> GuardedStorage::stage_finish(DataId data, std::uint64_t length) {
  return guard(Kind::kSlow, core_->inner->stage_finish(data, length));
}
Task<Result<void>> GuardedStorage::stage_abort(DataId data) {
  return guard(Kind::kSlow, core_->inner->stage_abort(data));
}
Task<Result<Buffer>> GuardedStorage::read_shard(DataRef data, std::uint32_t first_block,
                                                std::uint32_t count) {
  return guard(Kind::kRead, core_->inner->read_shard(data, first_block, count));
}
Result<Buffer> GuardedStorage::try_read_shard(const DataRef& data, std::uint32_t first_block,
                                              std::uint32_t count) {
  if (core_->failed) return fail(ErrorCode::kDriveFailed, "the drive does not answer");
  return core_->inner->try_read_shard(data, first_block, count);
}
Task<Result<void>> GuardedStorage::verify_shard(DataRef data) {
  return guard(Kind::kSlow, core_->inner->verify_shard(data));
}
Task<Result<void>> GuardedStorage::restore_shard(DataRef data, std::uint8_t shard, BufferChain blocks) {
  return guard(Kind::kSlow, core_->inner->restore_shard(data, shard, std::move(blocks)));
}
Task<Result<std::vector<bool>>> GuardedStorage::holds(std::vector<DataId> data) {
  return guard(Kind::kRead, core_->inner->holds(std::move(data)));
}
Task<Result<std::vector<DataId>>> GuardedStorage::staged() {
  return guard(Kind::kSlow, core_->inner->staged());
}
Task<Result<void>> GuardedStorage::close() { return guard(Kind::kSlow, core_->inner->close()); }

}  // namespace flashstor::storage
