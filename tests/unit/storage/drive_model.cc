#include "tests/unit/storage/drive_model.h"

namespace flashstor::storage {

void DriveModel::step() {
  switch (random_.below(17)) {
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
    case 15:
      restore();
      break;
    default:
      restart();
  }
}

void DriveModel::finish() {
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

void DriveModel::open() {
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

void DriveModel::recovered(const RecoveredState& state) {
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

void DriveModel::append_entries() {
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

void DriveModel::fill(EntryBody& body, std::uint64_t index, std::vector<DataRecord>& sent) {
  const auto key = [&] { return "k" + std::to_string(random_.below(20)); };
  body.changes = {{Family::kVersions, key(), std::to_string(index)}};
  if (random_.below(4) == 0) body.changes.push_back({Family::kDue, key(), std::nullopt});
  if (random_.below(2) == 0) {
    const DataId id{5, ++next_id_};
    if (random_.below(4) == 0) {
      if (!stage(id, body.data)) body.data = {};
    } else if (random_.below(6) == 0) {
      missing_[id] = record_of(id, 1 + random_.below(12'000));
      body.data = missing_[id].ref;
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

bool DriveModel::stage(DataId id, DataRef& data) {
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

void DriveModel::apply_to_model(std::uint64_t index) {
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
    forget(log_[decided - 1].body.data.id);
  }
  change(body.changes);
  if (body.data.place != DataPlace::kNone) undecided_.insert(index);
  for (const DataId& id : body.frees) forget(id);
}

void DriveModel::truncate() {
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
    forget(body.data.id);
  }
  check(run(drive_->append(std::move(batch))));
  log_.resize(from - 1);
}

void DriveModel::restore() {
  for (std::uint64_t index = 1; index <= applied_; ++index) {
    const auto found = missing_.find(log_[index - 1].body.data.id);
    if (found == missing_.end() || random_.below(4) == 0) continue;
    const DataRecord record = found->second;
    check(
        run(drive_->restore_shard(record.ref, record.shard, hard_state_.term, 0, BufferChain(record.bytes))));
    held_[record.id] = record;
    missing_.erase(record.id);
    ++restored;
    return;
  }
}

void DriveModel::refuse() {
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

bool DriveModel::maybe_cut_power() {
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

void DriveModel::restart() {
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

}  // namespace flashstor::storage
