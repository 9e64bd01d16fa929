#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/async/uv_runtime.h"
#include "engine/storage/row_store_memory.h"
#include "engine/storage/xl_storage.h"
#include "tests/support/sim_file_io.h"
#include "tests/unit/storage/drive_fixture.h"

namespace flashstor::storage {

class InlinePool final : public async::WorkPool {
 public:
  void submit(async::Work& work) override { work.run(&work); }
};

/// A drive on simulated files beside a model of what it must hold. One seed, one history: entries with and
/// without data, decisions, frees, truncations, refusals, checkpoints, index flushes at any moment, power
/// cuts between operations and within them.
class DriveModel {
 public:
  explicit DriveModel(std::uint64_t seed) : random_(seed) {
    EXPECT_TRUE(format_drive(io_, "/d", format_));
    open();
  }

  void step();

  void finish();

  std::uint64_t restarts = 0;
  std::uint64_t power_cuts = 0;
  std::uint64_t restored = 0;

 private:
  struct Logged {
    std::uint64_t term;
    EntryBody body;
  };

  template <class T>
  T run(Task<T> task) {
    return runtime_.run_until(std::move(task));
  }
  void check(const Result<void>& result) {
    if (powered_) {
      EXPECT_TRUE(result) << result.error().describe();
    }
  }

  void open();

  void recovered(const RecoveredState& state);

  void append_entries();

  void fill(EntryBody& body, std::uint64_t index, std::vector<DataRecord>& sent);

  static DataRecord record_of(DataId id, std::uint64_t length) {
    DataRecord record;
    record.id = id;
    record.ref = {id, 0, {2, 2}, DataPlace::kLog, length};
    record.shard = 1;
    record.bytes = Buffer::allocate(shard_bytes_of(record.ref));
    for (std::size_t i = 0; i < record.bytes.size(); ++i)
      record.bytes.writable()[i] = static_cast<std::byte>((i * 7 + id.low) & 0xff);
    return record;
  }

  bool stage(DataId id, DataRef& data);

  /// Decides entries that are applied already, as a leader that knows the answers does.
  void decide(EntryBody& body) {
    for (auto at = undecided_.begin(); at != undecided_.end() && random_.below(2) == 0;) {
      (random_.below(4) == 0 ? body.voids : body.confirms).push_back(*at);
      at = undecided_.erase(at);
    }
  }

  void free_something(EntryBody& body) {
    if (usable_.empty()) return;
    auto at = usable_.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(random_.below(usable_.size())));
    body.frees.push_back(*at);
    usable_.erase(at);
  }

  void apply_some() {
    if (applied_ == log_.size()) return;
    const bool cut = maybe_cut_power();
    apply_through(applied_ + 1 + random_.below(log_.size() - applied_), !cut);
    after_power();
  }

  void apply_through(std::uint64_t to, bool must_work = true) {
    committed_ = std::max(committed_, to);
    std::vector<LogEntry> entries;
    for (std::uint64_t index = applied_ + 1; index <= to; ++index)
      entries.push_back(
          {log_[index - 1].term, index, 0, Buffer::copy_of(encode_entry(log_[index - 1].body))});
    const auto result = run(drive_->apply(std::move(entries)));
    if (must_work) {
      EXPECT_TRUE(result) << result.error().describe();
    }
    if (!result) return;
    for (std::uint64_t index = applied_ + 1; index <= to; ++index) apply_to_model(index);
    applied_ = to;
  }

  void apply_to_model(std::uint64_t index);

  void compare() {
    std::map<std::pair<Family, std::string>, std::string> rows;
    for (const Family family : {Family::kVersions, Family::kDue, Family::kRefs})
      for (const auto& [key, value] : rows_->snapshot(family)) rows[{family, key}] = value;
    ASSERT_EQ(applied_, modelled_);
    ASSERT_EQ(rows, model_);
    for (const auto& [key, value] : rows_->snapshot(Family::kInline))
      EXPECT_TRUE(held_.contains(Uuid::from_bytes(key))) << "a freed shard's row is left";
  }

  void read_something() {
    if (held_.empty()) return;
    auto at = held_.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(random_.below(held_.size())));
    expect_readable(at->second);
  }
  void expect_readable(const DataRecord& record) {
    auto read = run(drive_->read_shard(record.ref, 0, 1));
    ASSERT_TRUE(read) << read.error().describe();
    EXPECT_EQ(read->view(), record.bytes.view());
  }

  void set_hard_state() {
    next_hard_state_ = {hard_state_.term + random_.below(2), random_.below(4)};
    AppendBatch batch;
    batch.hard_state = next_hard_state_;
    maybe_cut_power();
    if (run(drive_->append(std::move(batch)))) hard_state_ = next_hard_state_;
    after_power();
  }

  void truncate();

  void refuse();

  bool maybe_cut_power();
  void after_power() {
    if (!cutting_) return;
    ++power_cuts;
    crash();
  }

  void crash() {
    drive_.reset();
    io_.fault = nullptr;
    powered_ = true;
    cutting_ = false;
    // A data record whose append was not acknowledged may be there or not; nothing asks for it.
    rows_->crash();
    io_.crash(random_);
    open();
  }

  void restart();

  /// Heals a shard of an applied entry whose data never came to this drive.
  void restore();

  void forget(const DataId& id) {
    held_.erase(id);
    missing_.erase(id);
  }

  base::SeededRandom random_;
  async::UvRuntime runtime_;
  SimFileIo io_;
  InlinePool pool_;
  DriveFormat format_{{1, 1}, 0, 0, 0, {2, 1}, {{2, 1}}};
  std::shared_ptr<RowStoreMemory> rows_ = std::make_shared<RowStoreMemory>();
  std::unique_ptr<XlStorage> drive_;
  bool powered_ = true;
  bool cutting_ = false;

  HardState hard_state_{1, 0};
  HardState next_hard_state_{};
  std::vector<Logged> log_;
  std::vector<Logged> in_flight_;
  std::uint64_t truncating_ = 0;
  std::uint64_t applied_ = 0;
  std::uint64_t committed_ = 0;  ///< Applying it was begun, if not ended.
  std::uint64_t modelled_ = 0;
  std::map<std::pair<Family, std::string>, std::string> model_;
  std::map<DataId, DataRecord> held_;
  std::map<DataId, DataRecord> missing_;  ///< Named by entries that came without them.
  std::map<DataId, DataRecord> sent_;     ///< On the way when the power went.
  std::set<std::uint64_t> undecided_;     ///< Applied entries that no logged entry decides.
  std::set<DataId> usable_;               ///< Confirmed data that no logged entry frees.
  std::vector<DataId> refused_;
  std::uint64_t next_id_ = 0;
};

}  // namespace flashstor::storage
