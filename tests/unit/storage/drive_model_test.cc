#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <set>

#include "engine/async/uv_runtime.h"
#include "engine/storage/row_store_memory.h"
#include "engine/storage/xl_storage.h"
#include "tests/support/sim_file_io.h"
#include "tests/unit/storage/drive_fixture.h"

namespace flashstor::storage {
namespace {

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

  void step() {
    switch (random_.below(16)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
        append_entries();
        break;
      case 5:
      case 6:
      case 7:
      case 8:
        apply_some();
        break;
      case 9:
        read_something();
        break;
      case 10:
        // What RocksDB does by itself when a memtable is full.
        EXPECT_TRUE(rows_->flush());
        break;
      case 11:
        if (random_.below(3) == 0) check(run(drive_->checkpoint()));
        break;
      case 12:
        set_hard_state();
        break;
      case 13:
        truncate();
        break;
      case 14:
        refuse();
        break;
      default:
        restart();
    }
  }

  void finish() {
    crash();
    apply_through(log_.size());
    compare();
    for (const auto& [id, record] : held_) expect_readable(record);
    // Nothing that an applied entry names is left in staging.
    const auto staged = run(drive_->staged());
    ASSERT_TRUE(staged);
    for (const DataId& id : *staged)
      for (const Logged& entry : log_) EXPECT_NE(entry.body.data.id, id);
  }

  std::uint64_t restarts = 0;
  std::uint64_t power_cuts = 0;
  std::uint64_t relocated = 0;

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

  void open() {
    XlStorageOptions options;
    options.path = "/d";
    options.io = &io_;
    options.segment_bytes = 64 * 1024;
    options.checkpoint_bytes = 128 * 1024;
    options.checkpoint_entries = 50;
    options.data_cache_bytes = 8 * 1024;
    options.salt_seed = random_.next();
    options.writer_pool = &pool_;
    options.io_pool = &pool_;
    options.open_rows = [this](const std::string&) -> Result<std::unique_ptr<RowStore>> {
      return std::make_unique<SharedRows>(rows_);
    };
    auto opened = XlStorage::open(options);
    ASSERT_TRUE(opened) << opened.error().describe();
    drive_ = std::move(*opened);
    auto state = run(drive_->recover());
    ASSERT_TRUE(state) << state.error().describe();
    recovered(*state);
  }

  void recovered(const RecoveredState& state) {
    EXPECT_TRUE(state.hard_state == hard_state_ || state.hard_state == next_hard_state_);
    hard_state_ = next_hard_state_ = state.hard_state;
    EXPECT_LE(state.applied_index, committed_);
    std::uint64_t last = state.applied_index;
    if (!state.entries.empty()) last = state.entries.back().index;
    // All that was acknowledged is there; of what was under way when the power went, a beginning.
    EXPECT_GE(last, truncating_ ? truncating_ - 1 : log_.size());
    log_.insert(log_.end(), in_flight_.begin(), in_flight_.end());
    ASSERT_LE(last, log_.size());
    log_.resize(last);
    in_flight_.clear();
    // A batch that made it has its data too: data records come first in it.
    for (const Logged& entry : log_)
      if (const auto sent = sent_.find(entry.body.data.id); sent != sent_.end()) held_.insert(*sent);
    sent_.clear();
    truncating_ = 0;
    for (const LogEntry& entry : state.entries) {
      EXPECT_EQ(entry.term, log_[entry.index - 1].term) << entry.index;
      EXPECT_EQ(entry.payload.view(), encode_entry(log_[entry.index - 1].body)) << entry.index;
    }
    if (!state.entries.empty() && state.entries.front().index > 1) {
      EXPECT_LE(state.entries.front().index, state.applied_index + 1);
    }
    if (state.first_index > 1) {
      EXPECT_EQ(state.previous_term, log_[state.first_index - 2].term);
    }
    // What had been committed is applied again, as the set does it.
    ASSERT_LE(committed_, log_.size()) << "a committed entry was lost";
    applied_ = state.applied_index;
    apply_through(committed_);
    compare();
  }

  void append_entries() {
    AppendBatch batch;
    const std::size_t count = 1 + random_.below(3);
    std::vector<DataRecord> sent;
    for (std::size_t i = 0; i < count; ++i) {
      Logged entry{hard_state_.term, {}};
      fill(entry.body, log_.size() + in_flight_.size() + 1, sent);
      batch.entries.push_back(
          {entry.term, log_.size() + in_flight_.size() + 1, 0, Buffer::copy_of(encode_entry(entry.body))});
      in_flight_.push_back(std::move(entry));
    }
    batch.data = sent;
    for (const DataRecord& record : sent) sent_[record.id] = record;
    maybe_cut_power();
    const auto result = run(drive_->append(std::move(batch)));
    check(result);
    if (result) {
      log_.insert(log_.end(), in_flight_.begin(), in_flight_.end());
      in_flight_.clear();
      held_.insert(sent_.begin(), sent_.end());
      sent_.clear();
    }
    after_power();
  }

  void fill(EntryBody& body, std::uint64_t index, std::vector<DataRecord>& sent) {
    const auto key = [&] { return "k" + std::to_string(random_.below(20)); };
    body.changes = {{Family::kVersions, key(), std::to_string(index)}};
    if (random_.below(4) == 0) body.changes.push_back({Family::kDue, key(), std::nullopt});
    if (random_.below(2) == 0) {
      const DataId id{5, ++next_id_};
      if (random_.below(4) == 0) {
        if (!stage(id, body.data)) body.data = {};
      } else {
        sent.push_back(record_of(id, 1 + random_.below(12'000)));
        body.data = sent.back().ref;
      }
      body.on_confirm = {{Family::kRefs, key(), std::to_string(index)}};
      body.on_void = {{Family::kRefs, key(), std::nullopt}};
    }
    decide(body);
    if (random_.below(2) == 0) free_something(body);
  }

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

  bool stage(DataId id, DataRef& data) {
    DataRecord record = record_of(id, 1 + random_.below(20'000));
    record.ref.place = DataPlace::kFile;
    record.bytes = Buffer::allocate(shard_bytes_of(record.ref));
    for (std::size_t i = 0; i < record.bytes.size(); ++i)
      record.bytes.writable()[i] = static_cast<std::byte>((i * 3 + id.low) & 0xff);
    DataRef opened = record.ref;
    opened.length = 0;
    bool good = run(drive_->stage_open(opened, 0, record.bytes.size())).has_value();
    good = good && run(drive_->stage_append(id, record.bytes, record.bytes.size()));
    good = good && run(drive_->stage_finish(id, record.ref.length));
    EXPECT_TRUE(good);
    data = record.ref;
    held_[id] = record;
    return good;
  }

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

  void apply_to_model(std::uint64_t index) {
    if (index <= modelled_) return;
    modelled_ = index;
    const EntryBody& body = log_[index - 1].body;
    const auto change = [&](const std::vector<RowChange>& changes) {
      for (const RowChange& row : changes) {
        if (row.value) {
          model_[{row.family, row.key}] = *row.value;
        } else {
          model_.erase({row.family, row.key});
        }
      }
    };
    for (const std::uint64_t decided : body.confirms) {
      change(log_[decided - 1].body.on_confirm);
      usable_.insert(log_[decided - 1].body.data.id);
    }
    for (const std::uint64_t decided : body.voids) {
      change(log_[decided - 1].body.on_void);
      held_.erase(log_[decided - 1].body.data.id);
    }
    change(body.changes);
    if (body.data.place != DataPlace::kNone) undecided_.insert(index);
    for (const DataId& id : body.frees) held_.erase(id);
  }

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

  void truncate() {
    if (applied_ == log_.size()) return;
    const std::uint64_t from = applied_ + 1 + random_.below(log_.size() - applied_);
    // What the lost entries had decided, freed or named is open again; their data is refused by the leader.
    AppendBatch batch;
    batch.truncate_from = from;
    for (std::uint64_t index = from; index <= log_.size(); ++index) {
      const EntryBody& body = log_[index - 1].body;
      undecided_.insert(body.confirms.begin(), body.confirms.end());
      undecided_.insert(body.voids.begin(), body.voids.end());
      usable_.insert(body.frees.begin(), body.frees.end());
      if (body.data.place == DataPlace::kNone) continue;
      batch.refusals.push_back(body.data.id);
      held_.erase(body.data.id);
    }
    check(run(drive_->append(std::move(batch))));
    log_.resize(from - 1);
  }

  void refuse() {
    const DataId id{6, ++next_id_};
    AppendBatch batch;
    batch.data = {record_of(id, 100)};
    check(run(drive_->append(batch)));
    AppendBatch refusal;
    refusal.refusals = {id};
    check(run(drive_->append(std::move(refusal))));
    EXPECT_EQ(run(drive_->append(batch)).error().code(), ErrorCode::kStale);
    refused_.push_back(id);
  }

  bool maybe_cut_power() {
    if (random_.below(12) != 0) return false;
    std::uint64_t left = random_.below(4);
    io_.fault = [this, left](SimFileIo::Op op, const std::string&) mutable -> std::optional<ErrorCode> {
      if (op == SimFileIo::Op::kRead || op == SimFileIo::Op::kList || op == SimFileIo::Op::kOpen)
        return powered_ ? std::nullopt : std::optional(ErrorCode::kIo);
      if (left-- > 0 && powered_) return std::nullopt;
      left = 0;
      powered_ = false;
      return ErrorCode::kIo;
    };
    cutting_ = true;
    return true;
  }
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

  void restart() {
    ++restarts;
    if (random_.below(2) == 0) {
      crash();
    } else {
      check(run(drive_->close()));
      drive_.reset();
      if (random_.below(2) == 0) {
        rows_->crash();
        io_.crash(random_);
      }
      open();
    }
    for (const DataId& id : refused_) {
      AppendBatch batch;
      batch.data = {record_of(id, 100)};
      EXPECT_EQ(run(drive_->append(batch)).error().code(), ErrorCode::kStale);
    }
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
  std::map<DataId, DataRecord> sent_;  ///< On the way when the power went.
  std::set<std::uint64_t> undecided_;  ///< Applied entries that no logged entry decides.
  std::set<DataId> usable_;            ///< Confirmed data that no logged entry frees.
  std::vector<DataId> refused_;
  std::uint64_t next_id_ = 0;
};

class DriveModelTest : public testing::TestWithParam<int> {};

TEST_P(DriveModelTest, HoldsWhatTheModelHolds) {
  DriveModel model(static_cast<std::uint64_t>(GetParam()));
  for (int i = 0; i < 1000; ++i) {
    model.step();
    if (testing::Test::HasFailure()) FAIL() << "seed " << GetParam() << ", step " << i;
  }
  model.finish();
  EXPECT_GT(model.restarts + model.power_cuts, 10U);
}

// FLASHSTOR_MODEL_SEEDS widens the search (tests/run --full).
int seeds() {
  const char* text = std::getenv("FLASHSTOR_MODEL_SEEDS");
  return text == nullptr ? 10 : std::max(1, std::atoi(text));
}
INSTANTIATE_TEST_SUITE_P(Seeds, DriveModelTest, testing::Range(1, seeds() + 1));

}  // namespace
}  // namespace flashstor::storage
