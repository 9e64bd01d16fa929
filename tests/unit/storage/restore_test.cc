#include <algorithm>

#include "tests/unit/storage/drive_fixture.h"

namespace flashstor::storage {
namespace {

// A shard that healing has rebuilt, and the term of the leader that asks for it.
class RestoreTest : public DriveFixture {
 protected:
  static constexpr std::uint64_t kBytes = 4096;

  void reach_term(std::uint64_t term) {
    AppendBatch batch;
    batch.hard_state = HardState{.term = term, .vote = 1};
    ASSERT_TRUE(append(std::move(batch)));
  }
  static DataRecord in_log() { return record_of({9, 1}, kBytes); }
  static DataRecord in_file() {
    DataRecord record = record_of({9, 2}, kBytes);
    record.ref.place = DataPlace::kFile;
    record.ref.length = 3 * flashstor::limits::kStripeBytes;
    record.bytes = Buffer::copy_of(std::string(shard_bytes_of(record.ref), 's'));
    return record;
  }
  Result<void> restore(const DataRecord& record, std::uint64_t term) {
    return run(drive_->restore_shard(record.ref, record.shard, term, 0, BufferChain(record.bytes)));
  }
  // The bytes from block `from` up to block `to`.
  Result<void> piece(const DataRecord& record, std::uint64_t term, std::size_t from, std::size_t to) {
    const std::size_t block = block_bytes_of(record.ref);
    const std::size_t end = std::min(to * block, record.bytes.size());
    return run(drive_->restore_shard(record.ref, record.shard, term, from * block,
                                     BufferChain(record.bytes.slice(from * block, end - from * block))));
  }
  void expect_nothing(const DataRecord& record) {
    EXPECT_FALSE((*run(drive_->holds({record.ref.id})))[0]);
    EXPECT_FALSE(run(drive_->verify_shard(record.ref)));
    EXPECT_TRUE(run(drive_->staged())->empty());
    EXPECT_TRUE(run(drive_->inventory({}, 10))->empty());
    EXPECT_EQ(drive_->info().state, DriveInfo::State::kOnline);
  }
};

TEST_F(RestoreTest, AnOlderLeadersShardThatComesLateIsRefused) {
  start();
  reach_term(2);
  for (int opens = 0; opens < 2; ++opens) {
    for (const DataRecord& record : {in_log(), in_file()}) {
      const auto late = restore(record, 1);
      ASSERT_FALSE(late);
      EXPECT_EQ(late.error().code(), ErrorCode::kStale);
      expect_nothing(record);
    }
    crash();
    start();
  }
  for (const DataRecord& record : {in_log(), in_file()}) {
    ASSERT_TRUE(restore(record, 2));
    EXPECT_TRUE(run(drive_->verify_shard(record.ref)));
    EXPECT_FALSE(restore(record, 1));
    EXPECT_TRUE(run(drive_->verify_shard(record.ref))) << "the newer one stays";
  }
}

TEST_F(RestoreTest, WhatANewerLeaderFreedStaysGone) {
  start();
  const DataRecord record = in_file();
  ASSERT_TRUE(piece(record, 1, 0, 1));
  reach_term(2);
  EntryBody gone;
  gone.frees = {record.ref.id};
  commit(1, gone);
  for (const auto& late : {piece(record, 1, 1, 3), restore(record, 1)}) {
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code(), ErrorCode::kStale);
  }
  expect_nothing(record);
}

// The newer one may ask before the drive's own member hears of its term.
TEST_F(RestoreTest, AnOlderLeadersPieceStaysOutOfANewerOnesFile) {
  start();
  const DataRecord record = in_file();
  ASSERT_TRUE(piece(record, 1, 0, 1));
  EXPECT_EQ(piece(record, 2, 1, 2).error().code(), ErrorCode::kStale)
      << "nor goes it on with the older one's";
  ASSERT_TRUE(piece(record, 2, 0, 1));
  EXPECT_EQ(piece(record, 1, 0, 1).error().code(), ErrorCode::kStale);
  EXPECT_EQ(piece(record, 1, 1, 3).error().code(), ErrorCode::kStale);
  ASSERT_TRUE(piece(record, 2, 1, 3));
  EXPECT_TRUE(run(drive_->verify_shard(record.ref)));
}

}  // namespace
}  // namespace flashstor::storage
