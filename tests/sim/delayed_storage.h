#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/async/sync.h"
#include "tests/sim/drive_ledger.h"
#include "tests/sim/weather_io.h"

namespace flashstor::sim {

/// An XlStorage whose log takes virtual time: appends wait their turn before they are written, so that the
/// process may die before, and after.
class DelayedStorage final : public storage::StorageApi {
 public:
  /// `complain`: told of what no drive may do.
  DelayedStorage(DriveLifeRef life, std::unique_ptr<storage::StorageApi> inner, DriveLedger& ledger,
                 std::function<void(std::string)> complain)
      : life_(std::move(life)), inner_(std::move(inner)), ledger_(ledger), complain_(std::move(complain)) {}

  [[nodiscard]] storage::DriveInfo info() const override { return inner_->info(); }
  Task<Result<storage::RecoveredState>> recover() override {
    auto state = co_await inner_->recover();
    if (state && !life_->dead) {
      if (std::string wrong = ledger_.recovered(*state, life_->may_lose); !wrong.empty()) {
        complain_(wrong);
        co_return fail(ErrorCode::kCorrupt, std::move(wrong));
      }
    }
    co_return state;
  }
  Task<Result<void>> append(storage::AppendBatch batch) override {
    co_await turn();
    if (life_->dead) co_return fail(ErrorCode::kDriveFailed, "the process is gone");
    const DriveLedger::Number number = ledger_.begin(batch);
    auto done = co_await inner_->append(std::move(batch));
    // After its process died nobody heard the answer, and the next one may have recovered the drive.
    if (!life_->dead && done) ledger_.acknowledge(number);
    if (!life_->dead && !done && done.error().code() == ErrorCode::kStale) ledger_.withdraw(number);
    co_await turn();
    co_return done;
  }
  Task<Result<std::vector<storage::LogEntry>>> read_entries(std::uint64_t from, std::uint64_t to,
                                                            std::size_t max_bytes) override {
    return inner_->read_entries(from, to, max_bytes);
  }
  Task<Result<void>> apply(std::vector<storage::LogEntry> entries) override {
    return inner_->apply(std::move(entries));
  }
  Task<Result<void>> set_configuration(std::string bytes) override {
    co_await turn();
    co_return co_await inner_->set_configuration(std::move(bytes));
  }
  Task<Result<void>> trust() override { return inner_->trust(); }
  [[nodiscard]] storage::RowStore* rows() override { return inner_->rows(); }
  Task<Result<std::optional<std::string>>> get_row(storage::Family family, std::string key) override {
    return inner_->get_row(family, std::move(key));
  }
  Task<Result<void>> stage_open(storage::DataRef data, std::uint8_t shard, std::uint64_t expected) override {
    return inner_->stage_open(std::move(data), shard, expected);
  }
  Task<Result<void>> stage_append(DataId data, Buffer blocks, std::size_t block_bytes) override {
    return inner_->stage_append(data, std::move(blocks), block_bytes);
  }
  Task<Result<void>> stage_finish(DataId data, std::uint64_t length) override {
    return inner_->stage_finish(data, length);
  }
  Task<Result<void>> stage_abort(DataId data) override { return inner_->stage_abort(data); }
  Task<Result<Buffer>> read_shard(storage::DataRef data, std::uint32_t first, std::uint32_t count) override {
    return inner_->read_shard(std::move(data), first, count);
  }
  Result<Buffer> try_read_shard(const storage::DataRef& data, std::uint32_t first,
                                std::uint32_t count) override {
    return inner_->try_read_shard(data, first, count);
  }
  Task<Result<void>> verify_shard(storage::DataRef data) override {
    return inner_->verify_shard(std::move(data));
  }
  Task<Result<void>> restore_shard(storage::DataRef data, std::uint8_t shard, std::uint64_t term,
                                   std::uint64_t at, BufferChain blocks) override {
    return inner_->restore_shard(std::move(data), shard, term, at, std::move(blocks));
  }
  Task<Result<storage::Holdings>> holds(std::vector<DataId> data) override {
    return inner_->holds(std::move(data));
  }
  [[nodiscard]] std::uint64_t incarnation() const override { return inner_->incarnation(); }
  Task<Result<std::vector<DataId>>> staged() override { return inner_->staged(); }
  Task<Result<std::vector<DataRef>>> inventory(DataId after, std::size_t most) override {
    return inner_->inventory(after, most);
  }
  Task<Result<void>> verify_rows() override { return inner_->verify_rows(); }
  Task<Result<void>> close() override {
    auto done = co_await inner_->close();
    // Threads of its own end with it: none works on for a drive that is gone.
    while (life_->busy > 0) co_await async::sleep_for(*Runtime::current(), Milliseconds(1));
    co_return done;
  }

 private:
  Task<void> turn() {
    const std::uint64_t mine = asked_++;
    Runtime& runtime = *Runtime::current();
    const auto most = static_cast<std::uint64_t>(life_->weather.usual_ns + life_->weather.slow_ns);
    const MonotonicTime until = runtime.now() + Nanoseconds(1 + life_->world.random().below(most));
    free_at_ = std::max(free_at_ + Nanoseconds(1), until);
    co_await async::sleep_until(runtime, free_at_);
    while (life_->weather.hung && !life_->dead) co_await async::sleep_for(runtime, Milliseconds(50));
    // A hang that ends must not let a later append pass an earlier one: the log has one writer.
    while (served_ != mine) co_await turns_.wait();
    ++served_;
    turns_.notify_all();
  }
  DriveLifeRef life_;
  std::unique_ptr<storage::StorageApi> inner_;
  DriveLedger& ledger_;
  std::function<void(std::string)> complain_;
  MonotonicTime free_at_{};  ///< In the order of the calls.
  std::uint64_t asked_ = 0;
  std::uint64_t served_ = 0;
  async::Signal turns_;
};

}  // namespace flashstor::sim
