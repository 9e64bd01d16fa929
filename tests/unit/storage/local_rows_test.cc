#include "engine/storage/local_rows.h"

#include <gtest/gtest.h>

#include <vector>

#include "engine/base/codec.h"
#include "engine/codec/checksum.h"
#include "engine/storage/row_store_memory.h"

namespace flashstor::storage {
namespace {

Result<LocalState> read_back(RowChange row) {
  RowStoreMemory rows;
  const std::vector<RowChange> changes{std::move(row)};
  EXPECT_TRUE(rows.write(changes, true));
  return load_local_state(rows);
}

CheckpointState some_checkpoint() {
  CheckpointState state;
  state.replay_from = BatchPosition{.segment = 3, .offset = 8192, .sequence = 77, .previous = 0xfedcba98};
  state.first_index = 12;
  state.hard_state = {5, 2};
  state.segments = {3, 4};
  state.next_segment = 5;
  state.placed_through = BatchPosition{.segment = 4, .offset = 4096, .sequence = 0, .previous = 0};
  return state;
}

TEST(LocalRows, ACheckpointKnowsWhichBatchItsReplayGoesOnBehind) {
  const auto read = read_back(checkpoint_row(some_checkpoint()));
  ASSERT_TRUE(read) << read.error().describe();
  EXPECT_EQ(read->checkpoint.replay_from, some_checkpoint().replay_from);
  EXPECT_EQ(read->checkpoint.placed_through, some_checkpoint().placed_through);
  EXPECT_EQ(read->checkpoint.next_segment, 5U);
}

TEST(LocalRows, ACheckpointOfBeforeBatchesWereChainedIsRead) {
  CheckpointState state = some_checkpoint();
  state.replay_from->previous = 0;  // one byte of the row, its last
  RowChange row = checkpoint_row(state);
  std::string body = row.value->substr(0, row.value->size() - 5);
  ByteWriter sum;
  sum.u32(codec::crc32c(0, std::as_bytes(std::span(body))));
  row.value = body + sum.take();
  const auto read = read_back(std::move(row));
  ASSERT_TRUE(read) << read.error().describe();
  EXPECT_EQ(read->checkpoint.replay_from, state.replay_from);
  EXPECT_EQ(read->checkpoint.placed_through, state.placed_through);
}

}  // namespace
}  // namespace flashstor::storage
