#include "engine/storage/guarded_storage.h"

#include <algorithm>
#include <utility>

#include "engine/async/runtime.h"
#include "engine/async/sync.h"
#include "engine/storage/guarded_core.h"

namespace flashstor::storage {
namespace {
constexpr double kWeight = 1.0 / 16;     // of the newest sample in the moving average
constexpr Milliseconds kLookAgain{500};  // whether a drive with a call under way has failed meanwhile
}  // namespace

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

void GuardedStorage::Core::done(Kind kind, Nanoseconds latency, const Error* error) {
  if (kind == Kind::kAppend) appends.add(latency);
  if (kind == Kind::kRead) {
    reads.add(latency);
    reads_late = 0;
  }
  if (error == nullptr) return;
  const ErrorCode code = error->code();
  if (code == ErrorCode::kIo || code == ErrorCode::kCorrupt || code == ErrorCode::kDriveFailed) ++errors;
}

Error GuardedStorage::Core::late(Kind kind) {
  ++timeouts;
  if (kind != Kind::kRead || ++reads_late >= options.failed_reads) fail_with(name + " does not answer");
  return given_up(kind);
}

Error GuardedStorage::Core::given_up(Kind kind) const {
  return {kind == Kind::kRead ? ErrorCode::kTimeout : ErrorCode::kUnknownOutcome,
          name + " did not answer in time"};
}

void GuardedStorage::Core::fail_with(std::string words, ErrorCode code) {
  const std::lock_guard lock(mutex);
  if (failed) return;
  failure = std::move(words);
  failure_code = code;
  failed = true;
}

Error GuardedStorage::Core::refusal() {
  const std::lock_guard lock(mutex);
  return {ErrorCode::kDriveFailed, failure};
}

// Its threads are joined here: on a thread of its own when calls to it may hang.
void GuardedStorage::Core::end(Core* core) {
  if (!core->orphaned) {
    std::default_delete<Core>()(core);
    return;
  }
  core->options.apart([core] {
    const auto retired = core->retired;
    const auto own = core->own_retired;
    std::default_delete<Core>()(core);
    --own->count_;
    --retired->count_;
  });
}

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

template <class T, class Start>
Task<Result<T>> GuardedStorage::guard(Kind kind, Start start) {
  std::shared_ptr<Core> core = this->core();
  if (core == nullptr) co_return fail(ErrorCode::kDriveFailed, info().error);
  if (core->failed) co_return std::unexpected(core->refusal());
  Runtime& runtime = *Runtime::current();
  auto call = std::make_shared<Call<T>>();
  call->core = core;
  call->kind = kind;
  call->started = runtime.now();
  async::start_detached(drive(call, start(*core->inner)));
  const MonotonicTime deadline = call->started + core->deadline(kind);
  while (!call->done.is_set()) {
    co_await call->done.wait_until(std::min(deadline, runtime.now() + kLookAgain));
    if (call->done.is_set()) break;
    if (runtime.now() >= deadline) co_return std::unexpected(core->late(kind));
    // A drive that was given up for another call gets no more time for this one, however long it may take.
    if (core->failed) co_return std::unexpected(core->given_up(kind));
  }
  co_return std::move(*call->result);
}

GuardedStorage::GuardedStorage(std::unique_ptr<StorageApi> inner, GuardOptions options,
                               std::shared_ptr<RetiredDrives> retired)
    : options_(options),
      retired_(std::move(retired)),
      own_retired_(std::make_shared<RetiredDrives>()),
      rows_(std::make_unique<Rows>(*this)) {
  if (inner != nullptr) adopt(std::move(inner));
}
GuardedStorage::GuardedStorage(DriveInfo absent, GuardOptions options, std::shared_ptr<RetiredDrives> retired)
    : GuardedStorage(nullptr, options, std::move(retired)) {
  absent_ = std::move(absent);
}
GuardedStorage::~GuardedStorage() {
  // Calls that hang keep it; without any it ends here.
  if (core_ != nullptr && core_.use_count() > 1) take_out({});
}

void GuardedStorage::adopt(std::unique_ptr<StorageApi> drive) {
  const std::shared_ptr<Core> core(std::make_unique<Core>().release(), &Core::end);
  core->info = drive->info();
  core->name = core->info.path.empty() ? "the drive" : core->info.path;
  core->inner = std::move(drive);
  core->options = options_;
  core->retired = retired_;
  core->own_retired = own_retired_;
  const std::lock_guard lock(mutex_);
  core_ = core;
}

void GuardedStorage::put_in(std::unique_ptr<StorageApi> drive) {
  FLASHSTOR_CHECK(!has_drive() && all_gone());
  adopt(std::move(drive));
}

void GuardedStorage::take_out(DriveInfo absent) {
  std::shared_ptr<Core> old;
  {
    const std::lock_guard lock(mutex_);
    absent_ = std::move(absent);
    old = std::move(core_);
    core_ = nullptr;
  }
  if (old == nullptr) return;
  ++retired_->count_;
  ++own_retired_->count_;
  old->fail_with(old->name + " was taken out");
  old->orphaned = true;
}

void GuardedStorage::describe(DriveInfo absent) {
  const std::lock_guard lock(mutex_);
  absent_ = std::move(absent);
}

std::shared_ptr<GuardedStorage::Core> GuardedStorage::core() const {
  const std::lock_guard lock(mutex_);
  return core_;
}

void GuardedStorage::note_row_error(const Error& error) {
  if (const auto core = this->core(); core != nullptr) core->note_row_error(error);
}

DriveHealth GuardedStorage::health() const {
  DriveHealth health;
  const auto core = this->core();
  health.failed = core == nullptr || core->failed;
  if (core == nullptr) return health;
  health.append_mean = core->appends.mean();
  health.append_p99 = core->appends.p99();
  health.read_mean = core->reads.mean();
  health.read_p99 = core->reads.p99();
  health.timeouts = core->timeouts;
  health.errors = core->errors;
  health.slow = health.append_p99 > core->options.slow_after || health.read_p99 > core->options.slow_after;
  return health;
}

StorageApi* GuardedStorage::inner() {
  const auto core = this->core();
  return core == nullptr ? nullptr : core->inner.get();
}

std::string GuardedStorage::failure() const {
  const auto core = this->core();
  return core == nullptr || !core->failed ? std::string() : std::string(core->refusal().message());
}

ErrorCode GuardedStorage::failure_code() const {
  const auto core = this->core();
  if (core == nullptr) return ErrorCode::kDriveFailed;
  const std::lock_guard lock(core->mutex);
  return core->failure_code;
}

DriveInfo GuardedStorage::info() const {
  const auto core = this->core();
  if (core == nullptr) {
    const std::lock_guard lock(mutex_);
    return absent_;
  }
  const std::lock_guard lock(core->mutex);
  DriveInfo info = core->info;
  if (core->failed) {
    info.state = DriveInfo::State::kFailed;
    info.error = core->failure;
  }
  return info;
}

Task<Result<DriveInfo>> GuardedStorage::check() {
  auto fresh = co_await guard<DriveInfo>(Kind::kRead, [](StorageApi& drive) { return drive.check(); });
  if (!fresh) co_return fresh;
  if (const auto core = this->core(); core != nullptr) {
    const std::lock_guard lock(core->mutex);
    core->info = *fresh;
  }
  co_return fresh;
}

RowStore* GuardedStorage::rows() {
  const auto core = this->core();
  return core == nullptr || core->failed || core->inner->rows() == nullptr ? nullptr : rows_.get();
}

Task<Result<RecoveredState>> GuardedStorage::recover() {
  return guard<RecoveredState>(Kind::kSlow, [](StorageApi& drive) { return drive.recover(); });
}
Task<Result<void>> GuardedStorage::append(AppendBatch batch) {
  return guard<void>(Kind::kAppend, [batch = std::move(batch)](StorageApi& drive) mutable {
    return drive.append(std::move(batch));
  });
}
Task<Result<std::vector<LogEntry>>> GuardedStorage::read_entries(std::uint64_t from, std::uint64_t to,
                                                                 std::size_t max_bytes) {
  return guard<std::vector<LogEntry>>(
      Kind::kRead, [=](StorageApi& drive) { return drive.read_entries(from, to, max_bytes); });
}
Task<Result<void>> GuardedStorage::apply(std::vector<LogEntry> entries) {
  return guard<void>(Kind::kApply, [entries = std::move(entries)](StorageApi& drive) mutable {
    return drive.apply(std::move(entries));
  });
}
Task<Result<void>> GuardedStorage::set_configuration(std::string bytes) {
  return guard<void>(Kind::kAppend, [bytes = std::move(bytes)](StorageApi& drive) mutable {
    return drive.set_configuration(std::move(bytes));
  });
}
Task<Result<void>> GuardedStorage::trust() {
  return guard<void>(Kind::kSlow, [](StorageApi& drive) { return drive.trust(); });
}
Task<Result<std::optional<std::string>>> GuardedStorage::get_row(Family family, std::string key) {
  const auto start = [family, &key](StorageApi& drive) { return drive.get_row(family, std::move(key)); };
  auto row = co_await guard<std::optional<std::string>>(Kind::kRead, start);
  if (!row) note_row_error(row.error());
  co_return row;
}
Task<Result<void>> GuardedStorage::stage_open(DataRef data, std::uint8_t shard,
                                              std::uint64_t expected_bytes) {
  return guard<void>(Kind::kAppend,
                     [=](StorageApi& drive) { return drive.stage_open(data, shard, expected_bytes); });
}
Task<Result<void>> GuardedStorage::stage_append(DataId data, Buffer blocks, std::size_t block_bytes) {
  return guard<void>(Kind::kAppend, [=, blocks = std::move(blocks)](StorageApi& drive) mutable {
    return drive.stage_append(data, std::move(blocks), block_bytes);
  });
}
Task<Result<void>> GuardedStorage::stage_finish(DataId data, std::uint64_t length) {
  return guard<void>(Kind::kSlow, [=](StorageApi& drive) { return drive.stage_finish(data, length); });
}
Task<Result<void>> GuardedStorage::stage_abort(DataId data) {
  return guard<void>(Kind::kSlow, [=](StorageApi& drive) { return drive.stage_abort(data); });
}
Task<Result<Buffer>> GuardedStorage::read_shard(DataRef data, std::uint32_t first_block,
                                                std::uint32_t count) {
  return guard<Buffer>(Kind::kRead,
                       [=](StorageApi& drive) { return drive.read_shard(data, first_block, count); });
}
Result<Buffer> GuardedStorage::try_read_shard(const DataRef& data, std::uint32_t first_block,
                                              std::uint32_t count) {
  const auto core = this->core();
  if (core == nullptr) return fail(ErrorCode::kDriveFailed, "there is no drive");
  if (core->failed) return std::unexpected(core->refusal());
  return core->inner->try_read_shard(data, first_block, count);
}
Task<Result<void>> GuardedStorage::verify_shard(DataRef data) {
  return guard<void>(Kind::kSlow, [=](StorageApi& drive) { return drive.verify_shard(data); });
}
Task<Result<void>> GuardedStorage::verify_rows() {
  auto sound = co_await guard<void>(Kind::kLong, [](StorageApi& drive) { return drive.verify_rows(); });
  if (!sound) note_row_error(sound.error());
  co_return sound;
}
Task<Result<void>> GuardedStorage::restore_shard(DataRef data, std::uint8_t shard, std::uint64_t term,
                                                 std::uint64_t at, BufferChain blocks) {
  return guard<void>(Kind::kSlow, [=, blocks = std::move(blocks)](StorageApi& drive) mutable {
    return drive.restore_shard(data, shard, term, at, std::move(blocks));
  });
}
std::uint64_t GuardedStorage::incarnation() const {
  const auto core = this->core();
  return core == nullptr ? 0 : core->inner->incarnation();
}
Task<Result<Holdings>> GuardedStorage::holds(std::vector<DataId> data) {
  return guard<Holdings>(Kind::kRead, [data = std::move(data)](StorageApi& drive) mutable {
    return drive.holds(std::move(data));
  });
}
Task<Result<std::vector<DataId>>> GuardedStorage::staged() {
  return guard<std::vector<DataId>>(Kind::kSlow, [](StorageApi& drive) { return drive.staged(); });
}
Task<Result<std::vector<DataRef>>> GuardedStorage::inventory(DataId after, std::size_t most) {
  auto held = co_await guard<std::vector<DataRef>>(
      Kind::kSlow, [=](StorageApi& drive) { return drive.inventory(after, most); });
  if (!held && held.error().code() == ErrorCode::kCorrupt) note_row_error(held.error());
  co_return held;
}
Task<Result<void>> GuardedStorage::close() {
  return guard<void>(Kind::kApply, [](StorageApi& drive) { return drive.close(); });
}

}  // namespace flashstor::storage
