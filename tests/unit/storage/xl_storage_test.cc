#include "engine/storage/xl_storage.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "engine/async/gather.h"
#include "tests/unit/storage/drive_fixture.h"

namespace flashstor::storage {
namespace {

using XlStorageTest = DriveFixture;

TEST_F(XlStorageTest, AFreshDriveIsEmpty) {
  const RecoveredState state = start();
  EXPECT_EQ(recover_error_, "");
  EXPECT_EQ(state.applied_index, 0U);
  EXPECT_EQ(state.first_index, 1U);
  EXPECT_TRUE(state.entries.empty());
  EXPECT_EQ(drive_->info().state, DriveInfo::State::kOnline);
  EXPECT_EQ(drive_->info().slot, 1U);
}

TEST_F(XlStorageTest, WhatWasAppendedComesBackAfterACrash) {
  start();
  AppendBatch batch;
  batch.hard_state = HardState{3, 2};
  batch.entries = {entry_of(1, 3, put("a", "1")), entry_of(2, 3, put("b", "2"))};
  ASSERT_TRUE(append(batch));
  ASSERT_TRUE(apply({batch.entries[0]}));
  EXPECT_EQ(row("a"), "1");
  ASSERT_TRUE(run(drive_->set_configuration("members")));
  crash();
  const RecoveredState state = start();
  EXPECT_EQ(recover_error_, "");
  EXPECT_EQ(state.hard_state, (HardState{3, 2}));
  EXPECT_EQ(state.configuration, "members");
  EXPECT_EQ(state.applied_index, 0U) << "the index was not flushed";
  EXPECT_FALSE(state.clean);
  ASSERT_EQ(state.entries.size(), 2U);
  EXPECT_EQ(state.entries[1].index, 2U);
  EXPECT_EQ(state.entries[1].term, 3U);
  ASSERT_TRUE(apply(state.entries));
  EXPECT_EQ(row("a"), "1");
  EXPECT_EQ(row("b"), "2");
}

TEST_F(XlStorageTest, AStagedShardThatNobodyWritesAnyMoreIsLeftOver) {
  options_.stage_idle = {};
  start();
  const DataRef data{{5, 5}, 0, {2, 2}, DataPlace::kFile, 0};
  ASSERT_TRUE(run(drive_->stage_open(data, 2, 0)));
  EXPECT_EQ(run(drive_->staged())->size(), 1U);
}

TEST_F(XlStorageTest, AnOrderlyStopIsCleanAndKeepsTheIndex) {
  start();
  commit(1, put("a", "1"));
  stop();
  RecoveredState state = start();
  EXPECT_EQ(recover_error_, "");
  EXPECT_TRUE(state.clean);
  EXPECT_EQ(state.applied_index, 1U);
  EXPECT_EQ(state.applied_term, 1U);
  EXPECT_TRUE(state.entries.empty());
  EXPECT_EQ(row("a"), "1");
  commit(2, put("a", "2"));
  crash();
  state = start();
  EXPECT_FALSE(state.clean) << "something came after the marker";
  ASSERT_EQ(state.entries.size(), 1U);
  EXPECT_EQ(state.entries[0].index, 2U);
}

TEST_F(XlStorageTest, TruncationHoldsAfterARestart) {
  start();
  AppendBatch batch;
  for (std::uint64_t i = 1; i <= 5; ++i) batch.entries.push_back(entry_of(i, 1, put("k", std::to_string(i))));
  ASSERT_TRUE(append(batch));
  AppendBatch cut;
  cut.truncate_from = 3;
  cut.entries = {entry_of(3, 2, put("k", "new"))};
  ASSERT_TRUE(append(cut));
  auto read = run(drive_->read_entries(1, 10, 1 << 20));
  ASSERT_TRUE(read);
  ASSERT_EQ(read->size(), 3U);
  EXPECT_EQ(read->back().term, 2U);
  crash();
  const RecoveredState state = start();
  ASSERT_EQ(state.entries.size(), 3U);
  EXPECT_EQ(state.entries[2].term, 2U);
  EXPECT_FALSE(run(drive_->read_entries(4, 4, 100)));
}

TEST_F(XlStorageTest, ApplyingAgainChangesNothingAndGapsAreRefused) {
  start();
  const auto first = entry_of(1, 1, put("a", "1"));
  ASSERT_TRUE(apply({first}));
  ASSERT_TRUE(apply({entry_of(2, 1, put("a", "2"))}));
  ASSERT_TRUE(apply({first}));
  EXPECT_EQ(row("a"), "2");
  EXPECT_FALSE(apply({entry_of(4, 1, put("a", "4"))}));
  EXPECT_EQ(drive_->info().state, DriveInfo::State::kOnline) << "a caller's error is not the drive's";
}

TEST_F(XlStorageTest, DataInTheLogIsReadBackAndFreed) {
  start();
  const DataRecord record = record_of({9, 1}, 5000);
  EntryBody body = put("a", "1");
  body.data = record.ref;
  commit(1, body, {record});
  auto read = drive_->try_read_shard(record.ref, 0, 1);
  ASSERT_TRUE(read) << "what was just written is in memory";
  EXPECT_EQ(read->view(), record.bytes.view());
  EXPECT_TRUE((*run(drive_->holds({record.id, {9, 2}})))[0]);
  EXPECT_FALSE((*run(drive_->holds({record.id, {9, 2}})))[1]);
  crash();
  const RecoveredState state = start();
  ASSERT_TRUE(apply(state.entries));
  read = run(drive_->read_shard(record.ref, 0, 1));
  ASSERT_TRUE(read) << read.error().describe();
  EXPECT_EQ(read->view(), record.bytes.view());
  ASSERT_TRUE(run(drive_->verify_shard(record.ref)));
  EntryBody gone;
  gone.frees = {record.id};
  commit(2, gone);
  EXPECT_EQ(run(drive_->read_shard(record.ref, 0, 1)).error().code(), ErrorCode::kNotFound);
  EXPECT_FALSE((*run(drive_->holds({record.id})))[0]);
}

TEST_F(XlStorageTest, DeferredRowsWaitForTheDecisionAcrossRestarts) {
  start();
  EntryBody first = put("a", "1");
  first.data = record_of({9, 1}, 100).ref;
  first.on_confirm = {{Family::kVersions, "old", std::nullopt}};
  EntryBody second = put("b", "1");
  second.data = record_of({9, 2}, 100).ref;
  second.on_void = {{Family::kVersions, "b", std::nullopt}};
  commit(1, put("old", "x"));
  commit(2, first, {record_of({9, 1}, 100)});
  commit(3, second, {record_of({9, 2}, 100)});
  EXPECT_EQ(row("old"), "x");
  stop();
  RecoveredState state = start();
  EXPECT_EQ(state.applied_index, 3U);
  ASSERT_FALSE(state.entries.empty());
  EXPECT_EQ(state.entries.front().index, 2U) << "the oldest undecided one";
  ASSERT_TRUE(apply(state.entries));
  EntryBody decision;
  decision.confirms = {2};
  decision.voids = {3};
  commit(4, decision);
  EXPECT_EQ(row("old"), std::nullopt);
  EXPECT_EQ(row("a"), "1");
  EXPECT_EQ(row("b"), std::nullopt);
  EXPECT_FALSE((*run(drive_->holds({{9, 2}})))[0]) << "voided data goes";
  EXPECT_TRUE((*run(drive_->holds({{9, 1}})))[0]);
  stop();
  state = start();
  EXPECT_TRUE(state.entries.empty());
}

TEST_F(XlStorageTest, RefusedDataIsNeverTaken) {
  start();
  AppendBatch data;
  data.data = {record_of({9, 1}, 100)};
  ASSERT_TRUE(append(data));
  AppendBatch refusal;
  refusal.refusals = {{9, 1}, {9, 2}};
  ASSERT_TRUE(append(refusal));
  EXPECT_FALSE((*run(drive_->holds({{9, 1}})))[0]);
  for (int round = 0; round < 2; ++round) {
    data.data = {record_of({9, 2}, 100)};
    EXPECT_EQ(append(data).error().code(), ErrorCode::kStale);
    EXPECT_EQ(run(drive_->stage_open({{9, 2}, 0, {2, 2}, DataPlace::kFile, 0}, 0, 0)).error().code(),
              ErrorCode::kStale);
    EXPECT_EQ(drive_->info().state, DriveInfo::State::kOnline);
    if (round == 0) {
      stop();
      start();
    }
  }
}

// It comes late: what the drive took since then may be what the new leader counted on.
TEST_F(XlStorageTest, ADeposedLeaderHasNothingRefused) {
  start();
  AppendBatch data;
  data.hard_state = HardState{.term = 2, .vote = 1};
  data.data = {record_of({9, 1}, 100)};
  ASSERT_TRUE(append(data));
  AppendBatch refusal;
  refusal.refusals = {{9, 1}};
  refusal.refusals_term = 1;
  EXPECT_EQ(append(refusal).error().code(), ErrorCode::kStale);
  EXPECT_TRUE((*run(drive_->holds({{9, 1}})))[0]);
  EXPECT_EQ(drive_->info().state, DriveInfo::State::kOnline);
  refusal.refusals_term = 2;
  ASSERT_TRUE(append(refusal));
  EXPECT_FALSE((*run(drive_->holds({{9, 1}})))[0]);
}

// A leader that could not void what it had refused: it may live, and is healed here like elsewhere.
TEST_F(XlStorageTest, ARebuiltShardLiftsARefusal) {
  start();
  const DataRecord record = record_of({9, 2}, 100);
  AppendBatch refusal;
  refusal.refusals = {record.id};
  ASSERT_TRUE(append(refusal));
  const auto restored = run(drive_->restore_shard(record.ref, 1, 1, 0, BufferChain(record.bytes)));
  ASSERT_TRUE(restored) << restored.error().describe();
  for (int round = 0; round < 2; ++round) {
    EXPECT_TRUE((*run(drive_->holds({record.id})))[0]);
    EXPECT_TRUE(run(drive_->read_shard(record.ref, 0, 1)));
    crash();
    start();
  }
}

TEST_F(XlStorageTest, ManyWritersShareBatches) {
  start();
  std::vector<Task<Result<void>>> tasks;
  for (std::uint64_t i = 0; i < 200; ++i) {
    AppendBatch batch;
    batch.data = {record_of({7, i}, 4096)};
    tasks.push_back(drive_->append(std::move(batch)));
  }
  const auto results = run(async::gather(std::move(tasks)));
  for (const auto& result : results) ASSERT_TRUE(result);
  EXPECT_LT(drive_->log_batches(), 100U);
  for (std::uint64_t i = 0; i < 200; ++i) {
    const DataRecord record = record_of({7, i}, 4096);
    auto read = run(drive_->read_shard(record.ref, 0, 1));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->view(), record.bytes.view());
  }
}

TEST_F(XlStorageTest, ShardFilesAreStagedPublishedAndFreed) {
  start();
  const std::uint64_t length = 3 * (1 << 20) + 5;
  DataRef data{{8, 1}, 0, {2, 2}, DataPlace::kFile, length};
  const Buffer bytes = Buffer::allocate(shard_bytes_of(data));
  for (std::size_t i = 0; i < bytes.size(); ++i)
    const_cast<std::byte*>(bytes.data())[i] = std::byte(i * 31 >> 3);
  const std::size_t block = block_bytes_of(data);
  DataRef opened = data;
  opened.length = 0;
  ASSERT_TRUE(run(drive_->stage_open(opened, 2, bytes.size())));
  for (std::size_t at = 0; at < bytes.size(); at += block)
    ASSERT_TRUE(
        run(drive_->stage_append(data.id, bytes.slice(at, std::min(block, bytes.size() - at)), block)));
  EXPECT_FALSE((*run(drive_->holds({data.id})))[0]) << "not finished";
  EXPECT_TRUE(run(drive_->staged())->empty()) << "no sweep may end an upload that goes on";
  const auto finished = run(drive_->stage_finish(data.id, length));
  ASSERT_TRUE(finished) << finished.error().describe();
  EXPECT_TRUE((*run(drive_->holds({data.id})))[0]);
  EXPECT_EQ(run(drive_->staged())->size(), 1U) << "until an entry names it";
  EntryBody body = put("a", "1");
  body.data = data;
  commit(1, body);
  EXPECT_EQ(run(drive_->staged())->size(), 0U);
  crash();
  ASSERT_TRUE(apply(start().entries));
  auto read = run(drive_->read_shard(data, 1, 2));
  ASSERT_TRUE(read) << read.error().describe();
  EXPECT_EQ(read->view(), bytes.slice(block, 2 * block).view());
  read = run(drive_->read_shard(data, 3, 1));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->view(), bytes.slice(3 * block, bytes.size() - 3 * block).view());
  ASSERT_TRUE(run(drive_->verify_shard(data)));
  const std::string text = data.id.to_text();
  std::filesystem::resize_file(directory_.path() + "/shards/" + text.substr(0, 2) + "/" + text, 4096);
  EXPECT_TRUE((*run(drive_->holds({data.id})))[0]) << "damage is no absence";
  EXPECT_FALSE(run(drive_->verify_shard(data)));
  EntryBody gone;
  gone.frees = {data.id};
  commit(2, gone);
  EXPECT_EQ(run(drive_->read_shard(data, 0, 1)).error().code(), ErrorCode::kNotFound);
}

// The simulator found it: a healed shard was gone after a kill, and nobody knew, when the index had been
// flushed after the entry that names it and before it was healed.
TEST_F(XlStorageTest, AHealedShardWhoseRowWasNotFlushedSurvivesAKill) {
  start();
  const DataRecord record = record_of({9, 3}, 5000);
  EntryBody body = put("a", "1");
  body.data = record.ref;
  commit(1, body);  // missed: without its data
  ASSERT_TRUE(rows_->flush());
  ASSERT_TRUE(run(drive_->restore_shard(record.ref, record.shard, 1, 0, BufferChain(record.bytes))));
  for (int kills = 0; kills < 2; ++kills) {
    crash();
    EXPECT_EQ(start().applied_index, 1U);
    const auto sound = run(drive_->verify_shard(record.ref));
    ASSERT_TRUE(sound) << sound.error().describe();
    EXPECT_EQ(run(drive_->inventory({}, 10))->size(), 1U);
  }
  EntryBody gone;
  gone.frees = {record.id};
  commit(2, gone);
  ASSERT_TRUE(rows_->flush());
  crash();
  start();
  EXPECT_FALSE(run(drive_->verify_shard(record.ref))) << "it was freed after it had been healed";
}

TEST_F(XlStorageTest, AStagedShardThatIsVerifiedIsPutInItsPlace) {
  start();
  const DataRef data{{7, 2}, 0, {2, 1}, DataPlace::kFile, 10'000};
  const std::size_t block = block_bytes_of(data);
  const Buffer bytes = Buffer::copy_of(std::string(shard_bytes_of(data), 's'));
  ASSERT_TRUE(run(drive_->stage_open(data, 1, 0)));
  ASSERT_TRUE(run(drive_->stage_append(data.id, bytes, block)));
  ASSERT_TRUE(run(drive_->stage_finish(data.id, data.length)));
  EXPECT_TRUE(run(drive_->inventory({}, 10))->empty());
  // Its entry came with a fill: it is not applied here.
  const auto sound = run(drive_->verify_shard(data));
  ASSERT_TRUE(sound) << sound.error().describe();
  EXPECT_TRUE(run(drive_->staged())->empty()) << "nobody may take it for left over";
  EXPECT_EQ(run(drive_->inventory({}, 10))->size(), 1U);
  ASSERT_TRUE(run(drive_->verify_shard(data)));
}

// A start after an orderly stop took a second for what had been freed long ago: two unlinks for each.
TEST_F(XlStorageTest, FilesOfAppliedEntriesAreLookedForAgainOnlyAfterACrash) {
  const DataId id{7, 9};
  const std::string text = id.to_text();
  const std::filesystem::path folder =
      std::filesystem::path(directory_.path()) / "shards" / text.substr(0, 2);
  start();
  EntryBody body;
  body.frees = {id};
  commit(1, body);
  stop();
  // As if the unlink had not come to the drive.
  std::filesystem::create_directories(folder);
  std::ofstream(folder / text) << "left";
  start();
  EXPECT_TRUE(std::filesystem::exists(folder / text));
  commit(2, put("key", "value"));
  crash();
  start();
  EXPECT_FALSE(std::filesystem::exists(folder / text));
}

// Simulator, several nodes, seed 542: a read with few drives left asked one that was only coming back, whose
// index was not open yet, and the process ended.
TEST_F(XlStorageTest, ADriveThatIsNotRecoveredYetRefusesWhatItsIndexAnswers) {
  start();
  const DataRecord record = record_of({1, 1}, 4096);
  EntryBody body = put("key", "value");
  body.data = record.ref;
  commit(1, body, {record});
  stop();
  XlStorageOptions options;
  options.path = directory_.path();
  options.io = io_.get();
  options.open_rows = [this](const std::string&) -> Result<std::unique_ptr<RowStore>> {
    return std::make_unique<SharedRows>(rows_);
  };
  auto opened = XlStorage::open(options);
  ASSERT_TRUE(opened);
  drive_ = std::move(*opened);
  EXPECT_EQ(drive_->rows(), nullptr);
  EXPECT_EQ(drive_->try_read_shard(record.ref, 0, 1).error().code(), ErrorCode::kDriveFailed);
  EXPECT_EQ(run(drive_->read_shard(record.ref, 0, 1)).error().code(), ErrorCode::kDriveFailed);
  EXPECT_EQ(run(drive_->verify_shard(record.ref)).error().code(), ErrorCode::kDriveFailed);
  EXPECT_EQ(run(drive_->restore_shard(record.ref, 1, 1, 0, BufferChain(record.bytes))).error().code(),
            ErrorCode::kDriveFailed);
  EXPECT_EQ(run(drive_->get_row(Family::kVersions, "key")).error().code(), ErrorCode::kDriveFailed);
  EXPECT_EQ(run(drive_->holds({record.id})).error().code(), ErrorCode::kDriveFailed);
  EXPECT_EQ(run(drive_->inventory({}, 10)).error().code(), ErrorCode::kDriveFailed);
  EXPECT_EQ(run(drive_->staged()).error().code(), ErrorCode::kDriveFailed);
  EXPECT_EQ(run(drive_->verify_rows()).error().code(), ErrorCode::kDriveFailed);
  ASSERT_TRUE(run(drive_->recover()));
  EXPECT_EQ(row("key"), "value");
  EXPECT_TRUE(run(drive_->read_shard(record.ref, 0, 1)));
}

TEST_F(XlStorageTest, ADriveIsOpenedOnce) {
  start();
  XlStorageOptions options;
  options.path = directory_.path();
  options.io = io_.get();
  const auto again = XlStorage::open(options);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code(), ErrorCode::kBusy);
}

}  // namespace
}  // namespace flashstor::storage
