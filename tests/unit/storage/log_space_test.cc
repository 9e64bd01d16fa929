#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <thread>

#include "engine/async/gather.h"
#include "tests/unit/storage/drive_fixture.h"

namespace flashstor::storage {
namespace {

/// How the log gives space back.
class LogSpaceTest : public DriveFixture {
 protected:
  /// Writes shards of `bytes` object bytes with data ids (9, from … to).
  void fill(std::uint64_t from, std::uint64_t to) {
    for (std::uint64_t i = from; i <= to; ++i) {
      EntryBody body = put("k" + std::to_string(i), "v");
      const DataRecord record = record_of({9, i}, kBytes);
      body.data = record.ref;
      if (last_ > 0) body.confirms = {last_};
      last_ = ++index_;
      commit(index_, body, {record});
    }
  }
  void settle() {
    EntryBody body;
    body.confirms = {last_};
    last_ = 0;
    commit(++index_, body);
  }
  void free(const std::vector<std::uint64_t>& ids) {
    EntryBody body;
    for (const std::uint64_t id : ids) body.frees.push_back({9, id});
    commit(++index_, body);
  }
  void expect_readable(std::uint64_t id) {
    const DataRecord record = record_of({9, id}, kBytes);
    auto read = run(drive_->read_shard(record.ref, 0, 1));
    ASSERT_TRUE(read) << id << read.error().describe();
    EXPECT_EQ(read->view(), record.bytes.view());
    ASSERT_TRUE(run(drive_->verify_shard(record.ref)));
  }
  void checkpoint() {
    const auto done = run(drive_->checkpoint());
    ASSERT_TRUE(done) << done.error().describe();
  }
  static constexpr std::uint64_t kBytes = 40'000;  // 20 KB a shard, some forty in a segment of 1 MiB
  std::uint64_t index_ = 0;
  std::uint64_t last_ = 0;
};

TEST_F(LogSpaceTest, SegmentsWithoutLifeAreFreedAndReused) {
  start();
  const std::uint64_t before = drive_->info().log_bytes;
  for (int round = 0; round < 6; ++round) {
    const std::uint64_t from = index_ + 1;
    fill(from, from + 99);
    settle();
    std::vector<std::uint64_t> ids;
    for (std::uint64_t id = from; id <= from + 99; ++id) ids.push_back(id);
    free(ids);
    checkpoint();
  }
  // 12 MiB went through; entries kept for members that lag hold the last few segments.
  EXPECT_LE(drive_->info().log_bytes, before + 6 * (1 << 20));
}

// Small records are mostly frame: once written together they stay where they are. They were written anew
// after each checkpoint for ever, all of a segment in one go, and the index took no entry for half a minute.
TEST_F(LogSpaceTest, SegmentsOfSmallRecordsAreRewrittenOnceAndInSmallSteps) {
  options_.data_cache_bytes = 0;
  start();
  constexpr std::uint64_t kBatch = 24;
  constexpr std::uint64_t kRecords = 500 * kBatch;
  for (std::uint64_t first = 1; first <= kRecords; first += kBatch) {
    AppendBatch batch;
    for (std::uint64_t i = first; i < first + kBatch; ++i) {
      EntryBody body = put("k" + std::to_string(i), std::string(300, 'v'));
      batch.data.push_back(record_of({9, i}, 128));
      body.data = batch.data.back().ref;
      if (last_ > 0) body.confirms = {last_};
      last_ = ++index_;
      batch.entries.push_back(entry_of(index_, 1, body));
    }
    ASSERT_TRUE(append(batch));
    ASSERT_TRUE(apply(batch.entries));
  }
  settle();
  const std::uint64_t batches = drive_->log_batches();
  for (int round = 0; round < 12; ++round) checkpoint();
  const std::uint64_t moved_in = drive_->log_batches() - batches;
  const std::uint64_t settled = drive_->log_bytes_written();
  for (int round = 0; round < 6; ++round) checkpoint();
  EXPECT_EQ(drive_->log_bytes_written(), settled) << "records are moved again and again";
  EXPECT_GE(moved_in, 20U) << "records are moved many at a time";
  for (std::uint64_t id = 1; id <= kRecords; id += 997) {
    const DataRecord record = record_of({9, id}, 128);
    auto read = run(drive_->read_shard(record.ref, 0, 1));
    ASSERT_TRUE(read) << id << read.error().describe();
    EXPECT_EQ(read->view(), record.bytes.view());
  }
}

TEST_F(LogSpaceTest, SparseSegmentsAreRewrittenAndNothingIsLost) {
  options_.data_cache_bytes = 0;
  start();
  fill(1, 400);
  settle();
  const std::uint64_t full = drive_->info().log_bytes;
  std::vector<std::uint64_t> gone;
  for (std::uint64_t id = 1; id <= 400; ++id)
    if (id % 8 != 0) gone.push_back(id);
  free(gone);
  // Old entries hold their segments until the checkpoint has moved on.
  for (int round = 0; round < 12; ++round) checkpoint();
  EXPECT_LE(drive_->info().log_bytes, full - 4 * (1 << 20));
  for (std::uint64_t id = 8; id <= 400; id += 8) expect_readable(id);
  for (const bool clean : {false, true}) {
    if (clean) {
      stop();
    } else {
      crash();
    }
    const RecoveredState state = start();
    ASSERT_EQ(recover_error_, "");
    ASSERT_TRUE(apply(state.entries));
    for (std::uint64_t id = 8; id <= 400; id += 8) expect_readable(id);
    EXPECT_FALSE((*run(drive_->holds({{9, 1}})))[0]);
  }
}

// The drive was taken out at each checkpoint, and taken back, for ever. Simulator, files 22210.
TEST_F(LogSpaceTest, ASegmentWhoseHeaderRottedIsHealedAndLeftNotTheDrive) {
  options_.data_cache_bytes = 0;
  start();
  fill(1, 100);
  settle();
  std::vector<std::uint64_t> gone;
  for (std::uint64_t id = 2; id <= 100; ++id)
    if (id % 8 != 0) gone.push_back(id);
  free(gone);
  stop();
  const std::string first = directory_.path() + "/log/00000001.seg";
  ASSERT_TRUE(*io_->exists(first));
  {
    auto file = io_->open(first, OpenMode::kReadWrite, false);
    ASSERT_TRUE(file);
    ASSERT_TRUE((*file)->write(std::as_bytes(std::span("rot", 3)), 20));
  }
  start();
  ASSERT_EQ(recover_error_, "");
  for (int round = 0; round < 4; ++round) checkpoint();
  EXPECT_EQ(run(drive_->verify_shard(record_of({9, 1}, kBytes).ref)).error().code(), ErrorCode::kCorrupt);
  for (std::uint64_t id = 1; id <= 100; ++id) {
    const DataRecord record = record_of({9, id}, kBytes);
    if (id != 1 && id % 8 != 0) continue;
    ASSERT_TRUE(run(drive_->restore_shard(record.ref, 1, 1, 0, BufferChain(record.bytes))));
    expect_readable(id);
  }
  for (int round = 0; round < 2; ++round) checkpoint();
  EXPECT_FALSE(*io_->exists(first)) << "nothing lies in it any more";
}

TEST_F(LogSpaceTest, DataThatNoEntryNamesIsKeptUntilRefused) {
  start();
  AppendBatch orphan;
  orphan.data = {record_of({7, 7}, kBytes)};
  ASSERT_TRUE(append(orphan));
  for (int round = 0; round < 4; ++round) {
    const std::uint64_t from = index_ + 1;
    fill(from, from + 99);
    settle();
    std::vector<std::uint64_t> ids;
    for (std::uint64_t id = from; id <= from + 99; ++id) ids.push_back(id);
    free(ids);
    checkpoint();
  }
  EXPECT_TRUE((*run(drive_->holds({{7, 7}})))[0]);
  stop();
  start();
  EXPECT_EQ(recover_error_, "");
  EXPECT_TRUE((*run(drive_->holds({{7, 7}})))[0]) << "the checkpoint carried it";
  auto read = run(drive_->read_shard(orphan.data[0].ref, 0, 1));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->view(), orphan.data[0].bytes.view());
}

TEST_F(LogSpaceTest, CheckpointsComeByThemselves) {
  options_.checkpoint_entries = 20;
  start();
  fill(1, 100);
  settle();
  crash();
  const RecoveredState state = start();
  EXPECT_EQ(recover_error_, "");
  EXPECT_GT(state.applied_index, 20U);
  EXPECT_LT(state.entries.size(), 90U);
}

// The row of the rebuilt shard was written after that of the freed one had gone.
TEST_F(LogSpaceTest, AShardThatIsFreedWhileItIsRebuiltStaysFreed) {
  start();
  fill(1, 3);
  settle();
  std::promise<void> frees;
  std::promise<void> rebuilt;
  before_write_ = [&, first = true](std::span<const RowChangeView> changes) mutable {
    const bool gone = std::ranges::any_of(changes, [](const RowChangeView& change) {
      return change.family == Family::kInline && !change.value;
    });
    if (!gone || !std::exchange(first, false)) return;
    frees.set_value();
    rebuilt.get_future().wait();
  };
  EntryBody body;
  body.frees = {{9, 2}};
  AppendBatch batch;
  batch.entries.push_back(entry_of(++index_, 1, body));
  ASSERT_TRUE(append(batch));
  const std::uint64_t batches = drive_->log_batches();
  const DataRecord record = record_of({9, 2}, kBytes);
  const auto restore = [&]() -> Task<Result<void>> {
    frees.get_future().wait();  // by a thread of the pool; before it the shard would be placed, then freed
    co_return co_await drive_->restore_shard(record.ref, 1, 1, 0, BufferChain(record.bytes));
  };
  std::vector<Task<Result<void>>> both;
  both.push_back(drive_->apply(batch.entries));
  both.push_back(restore());
  std::thread releases([&] {
    while (drive_->log_batches() == batches) std::this_thread::yield();
    rebuilt.set_value();
  });
  const auto results = run(async::gather(std::move(both)));
  releases.join();
  EXPECT_TRUE(results[0]);
  ASSERT_FALSE(results[1]);
  EXPECT_EQ(results[1].error().code(), ErrorCode::kStale);
  EXPECT_FALSE((*run(drive_->holds({record.id})))[0]);
}

TEST_F(LogSpaceTest, ARestoredShardTakesThePlaceOfABadOne) {
  start();
  fill(1, 3);
  settle();
  DataRecord record = record_of({9, 2}, kBytes);
  ASSERT_TRUE(run(drive_->restore_shard(record.ref, 1, 1, 0, BufferChain(record.bytes))));
  expect_readable(2);
  record.ref.place = DataPlace::kFile;
  record.ref.id = {8, 8};
  BufferChain blocks(Buffer::copy_of(std::string(shard_bytes_of(record.ref), 'r')));
  ASSERT_TRUE(run(drive_->restore_shard(record.ref, 3, 1, 0, blocks)));
  ASSERT_TRUE(run(drive_->verify_shard(record.ref)));
  // A larger one in pieces: a piece out of order is refused, and what was begun is begun again.
  record.ref.length = 3 * flashstor::limits::kStripeBytes;
  const std::string bytes(shard_bytes_of(record.ref), 's');
  const std::size_t block = block_bytes_of(record.ref);
  const auto piece = [&](std::size_t at, std::size_t size) {
    return run(
        drive_->restore_shard(record.ref, 3, 1, at, BufferChain(Buffer::copy_of(bytes.substr(at, size)))));
  };
  ASSERT_TRUE(piece(0, block));
  EXPECT_EQ(piece(2 * block, block).error().code(), ErrorCode::kStale);
  EXPECT_EQ(piece(block, block).error().code(), ErrorCode::kStale);
  EXPECT_EQ(run(drive_->verify_shard(record.ref)).error().code(), ErrorCode::kCorrupt);  // still the old one
  ASSERT_TRUE(piece(0, block));
  ASSERT_TRUE(piece(block, 2 * block));
  ASSERT_TRUE(run(drive_->verify_shard(record.ref)));
  checkpoint();
  crash();
  start();
  expect_readable(2);
  EXPECT_TRUE(run(drive_->verify_shard(record.ref)));
}

}  // namespace
}  // namespace flashstor::storage
