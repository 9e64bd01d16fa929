#include "engine/storage/commit_log/commit_log.h"

#include <gtest/gtest.h>

#include "engine/storage/commit_log/replay.h"
#include "engine/storage/commit_log/segment_reader.h"
#include "tests/support/sim_file_io.h"

namespace flashstor::storage {
namespace {

/// Runs what is submitted at once, on the caller's thread.
class InlinePool final : public async::WorkPool {
 public:
  void submit(async::Work& work) override { work.run(&work); }
};

/// A log on simulated files, written and replayed without threads.
class CommitLogTest : public testing::Test {
 protected:
  CommitLogTest() { EXPECT_TRUE(io_.make_directory("/d/log")); }

  struct Open {
    explicit Open(SimFileIo& io, std::uint64_t seed, std::size_t segment_bytes)
        : segments(
              io,
              {.directory = "/d/log", .drive_id = {1, 2}, .segment_bytes = segment_bytes, .salt_seed = seed}),
          log(segments, index, pool) {}
    InlinePool pool;
    Segments segments;
    LogIndex index;
    CommitLog log;
  };
  /// Opens and replays; the error when it does not.
  Result<std::unique_ptr<Open>> open() {
    auto fresh = std::make_unique<Open>(io_, ++seed_, segment_bytes_);
    if (auto listed = fresh->segments.open({}, 1); !listed) return std::unexpected(listed.error());
    auto replayed = replay_log(
        fresh->segments, std::nullopt,
        [&](const BatchPosition& at, std::string_view body) { return feed_index(fresh->index, at, body); });
    if (!replayed) return std::unexpected(replayed.error());
    if (auto checked = check_log_tail(fresh->segments, *replayed, fresh->index.clean()); !checked)
      return std::unexpected(checked.error());
    if (auto started = fresh->log.start(replayed->next_sequence, replayed->end); !started)
      return std::unexpected(started.error());
    return fresh;
  }
  static LogRequest entry(std::uint64_t index, std::size_t bytes = 100) {
    LogRequest request;
    request.batch.entries.push_back(
        {1, index, 0, Buffer::copy_of(std::string(bytes, static_cast<char>('a' + index)))});
    return request;
  }
  static Result<void> add(Open& log, LogRequest request) { return log.log.append_now(request); }
  void write_entries(std::uint64_t count, std::size_t bytes = 100) {
    auto log = open();
    ASSERT_TRUE(log);
    for (std::uint64_t i = 1; i <= count; ++i) ASSERT_TRUE(add(**log, entry(i, bytes)));
  }

  SimFileIo io_;
  std::uint64_t seed_ = 0;
  std::size_t segment_bytes_ = 256 * 1024;
  const std::string first_ = "/d/log/00000001.seg";
};

TEST_F(CommitLogTest, ATailTornAtAnyByteIsDroppedAndTheRestKept) {
  write_entries(3, 5000);  // each two blocks long
  const std::string whole = io_.content(first_);
  const std::size_t last_at = 4096 + 2 * 8192;
  for (std::size_t cut = 0; cut < kBatchHeaderBytes + 8 + 17 + 5000; ++cut) {
    io_.overwrite(first_, 0, whole);
    io_.overwrite(first_, last_at + cut, std::string(8192 - cut, '\0'));
    auto log = open();
    ASSERT_TRUE(log) << cut << log.error().describe();
    ASSERT_EQ((*log)->index.last(), 2U) << cut;
  }
  io_.overwrite(first_, 0, whole);
  EXPECT_EQ((*open())->index.last(), 3U);
}

TEST_F(CommitLogTest, AFlippedBitInTheLastBatchDropsItInTheMiddleItIsALoss) {
  write_entries(3);
  const std::string whole = io_.content(first_);
  for (std::size_t byte = 0; byte < kBatchHeaderBytes + 8 + 17 + 100; ++byte) {
    // 16 header bytes behind the checksum are zero padding that nothing reads.
    if (byte >= 56 && byte < kBatchHeaderBytes) continue;
    io_.overwrite(first_, 0, whole);
    io_.flip(first_, 4096 + 2 * 4096 + byte, static_cast<int>(byte % 8));
    auto log = open();
    ASSERT_TRUE(log) << byte;
    ASSERT_EQ((*log)->index.last(), 2U) << byte;
    io_.overwrite(first_, 0, whole);
    io_.flip(first_, 4096 + 4096 + byte, static_cast<int>(byte % 8));
    log = open();
    ASSERT_FALSE(log) << byte;
    ASSERT_EQ(log.error().code(), ErrorCode::kCorrupt) << byte;
    ASSERT_NE(log.error().describe().find("rebuilt"), std::string::npos);
  }
}

TEST_F(CommitLogTest, ALostWriteInTheMiddleIsNoticed) {
  write_entries(4);
  io_.overwrite(first_, 4096 + 4096, std::string(4096, '\0'));
  EXPECT_EQ(open().error().code(), ErrorCode::kCorrupt);
}

TEST_F(CommitLogTest, ALostWriteBehindACleanStopIsNoticed) {
  {
    auto log = open();
    ASSERT_TRUE(log);
    ASSERT_TRUE(add(**log, entry(1)));
    LogRequest close;
    close.clean_close = true;
    ASSERT_TRUE(add(**log, std::move(close)));
  }
  ASSERT_TRUE((*open())->index.clean());
  {
    auto log = open();
    ASSERT_TRUE(log);
    for (std::uint64_t i = 2; i <= 3; ++i) ASSERT_TRUE(add(**log, entry(i)));
  }
  EXPECT_EQ((*open())->index.last(), 3U);
  io_.overwrite(first_, 3 * std::size_t{4096}, std::string(4096, '\0'));  // the first of the second life
  EXPECT_EQ(open().error().code(), ErrorCode::kCorrupt);
}

// A drive's cache forgot all of a life's end, then of what was written in its place all but the first: what
// it had forgotten before shows again, with the numbers that come next. Simulator, files 12957.
TEST_F(CommitLogTest, WhatWasLostDoesNotShowAgainBehindWhatTookItsPlace) {
  write_entries(4);
  const std::string lost = io_.content(first_);
  io_.overwrite(first_, 4096, std::string(4 * std::size_t{4096}, '\0'));
  write_entries(1, 200);
  const std::string now = io_.content(first_);
  io_.overwrite(first_, 2 * std::size_t{4096}, lost.substr(2 * std::size_t{4096}, 4096));
  {
    auto log = open();
    ASSERT_TRUE(log) << log.error().describe();
    EXPECT_EQ((*log)->index.last(), 1U);
    ASSERT_TRUE(add(**log, entry(2, 300)));  // in its place
  }
  EXPECT_EQ((*open())->index.last(), 2U);
  // More of it says of itself that it is the rest of a log: there is no telling which.
  io_.overwrite(first_, 0, now);
  io_.overwrite(first_, 2 * std::size_t{4096}, lost.substr(2 * std::size_t{4096}, 2 * std::size_t{4096}));
  EXPECT_EQ(open().error().code(), ErrorCode::kCorrupt);
}

TEST_F(CommitLogTest, LossAcrossSegmentsIsNoticed) {
  segment_bytes_ = 64 * 1024;
  write_entries(40);
  ASSERT_TRUE(*io_.exists("/d/log/00000003.seg"));
  EXPECT_EQ((*open())->index.last(), 40U);
  const std::string second = "/d/log/00000002.seg";
  const std::string whole = io_.content(second);
  io_.overwrite(second, segment_bytes_ - 4096, std::string(4096, '\0'));
  EXPECT_EQ(open().error().code(), ErrorCode::kCorrupt) << "the last batch of a segment that is not the last";
  io_.overwrite(second, 0, std::string(4096, '\0'));
  EXPECT_EQ(open().error().code(), ErrorCode::kCorrupt) << "a header";
  ASSERT_TRUE(io_.remove(second));
  EXPECT_EQ(open().error().code(), ErrorCode::kCorrupt) << "a whole segment";
}

TEST_F(CommitLogTest, PayloadsAreReadByWindowsWhereverTheyLie) {
  segment_bytes_ = 4 * limits::kMiB;
  constexpr std::uint64_t kCount = 25;  // two segments, some of them across the end of a window of 1 MiB
  write_entries(kCount, 300'000);
  auto log = open();
  ASSERT_TRUE(log);
  ASSERT_EQ((*log)->segments.numbers().size(), 2U);
  PayloadReader reader((*log)->segments);
  const auto check = [&](std::uint64_t index) {
    const auto payload = reader.at((*log)->index.entry(index)->at);
    ASSERT_TRUE(payload) << index;
    EXPECT_EQ(*payload, std::string(300'000, static_cast<char>('a' + index))) << index;
  };
  for (std::uint64_t index = 1; index <= kCount; ++index) check(index);
  check(2);  // back again, in another segment
  LogPosition beyond = (*log)->index.entry(kCount)->at;
  beyond.length = static_cast<std::uint32_t>(segment_bytes_);
  EXPECT_EQ(reader.at(beyond).error().code(), ErrorCode::kCorrupt);
  beyond.segment = 9;
  EXPECT_EQ(reader.at(beyond).error().code(), ErrorCode::kNotFound);
}

TEST_F(CommitLogTest, WritingGoesOnBehindATornTail) {
  write_entries(3, 20'000);
  io_.overwrite(first_, 4096 + 2 * 20'480 + 100, std::string(64, 'x'));
  {
    auto log = open();
    ASSERT_TRUE(log);
    ASSERT_EQ((*log)->index.last(), 2U);
    ASSERT_TRUE(add(**log, entry(3, 10)));
    ASSERT_TRUE(add(**log, entry(4, 10)));
  }
  auto log = open();
  ASSERT_TRUE(log) << log.error().describe();
  EXPECT_EQ((*log)->index.last(), 4U);
  EXPECT_EQ((*log)->index.entry(3)->at.length, 10U);
}

TEST_F(CommitLogTest, AReusedFileShowsNothingOfItsPast) {
  segment_bytes_ = 64 * 1024;
  auto log = open();
  ASSERT_TRUE(log);
  for (std::uint64_t i = 1; i <= 31; ++i) ASSERT_TRUE(add(**log, entry(i)));
  ASSERT_TRUE(*(*log)->segments.release(1));
  ASSERT_EQ((*log)->segments.spares(), 1U);
  for (std::uint64_t i = 32; i <= 33; ++i) ASSERT_TRUE(add(**log, entry(i)));
  ASSERT_EQ((*log)->segments.numbers().back(), 3U);
  auto again = std::make_unique<Open>(io_, 99, segment_bytes_);
  ASSERT_TRUE(again->segments.open({}, 2));
  std::uint64_t batches = 0;
  auto replayed = replay_log(again->segments, std::nullopt, [&](const BatchPosition&, std::string_view) {
    ++batches;
    return Result<void>{};
  });
  ASSERT_TRUE(replayed) << replayed.error().describe();
  EXPECT_EQ(batches, 18U);
  ASSERT_TRUE(check_log_tail(again->segments, *replayed, false));
}

TEST_F(CommitLogTest, AForeignSegmentIsRefused) {
  write_entries(1);
  Open other(io_, 5, segment_bytes_);
  Segments foreign(
      io_, {.directory = "/d/log", .drive_id = {7, 7}, .segment_bytes = segment_bytes_, .salt_seed = 1});
  ASSERT_TRUE(foreign.open({}, 1));
  EXPECT_EQ(foreign.find(1).error().code(), ErrorCode::kDriveForeign);
}

TEST_F(CommitLogTest, TheFirstFailureClosesTheLog) {
  for (const SimFileIo::Op op : {SimFileIo::Op::kWrite, SimFileIo::Op::kSync}) {
    io_.fault = nullptr;
    auto log = open();
    ASSERT_TRUE(log);
    const std::uint64_t next = (*log)->index.last() + 1;
    ASSERT_TRUE(add(**log, entry(next)));
    io_.fault = [op](SimFileIo::Op now, const std::string&) {
      return now == op ? std::optional(ErrorCode::kIo) : std::nullopt;
    };
    EXPECT_EQ(add(**log, entry(next + 1)).error().code(), ErrorCode::kDriveFailed);
    io_.fault = nullptr;
    EXPECT_EQ(add(**log, entry(next + 1)).error().code(), ErrorCode::kDriveFailed) << "it stays closed";
    EXPECT_EQ((*log)->index.last(), next) << "what failed is not counted";
  }
}

TEST_F(CommitLogTest, ReservedSegmentsOutliveAFullDrive) {
  segment_bytes_ = 64 * 1024;
  auto log = open();
  ASSERT_TRUE(log);
  ASSERT_TRUE((*log)->segments.refill(2));
  ASSERT_TRUE(add(**log, entry(1)));
  ASSERT_TRUE((*log)->segments.refill(2));
  io_.capacity_bytes = 0;
  EXPECT_EQ((*log)->segments.refill(3).error().code(), ErrorCode::kNoSpace);
  std::uint64_t index = 2;
  while (add(**log, entry(index))) ++index;
  EXPECT_EQ(index - 1, 45U) << "one started segment and two reserved ones of fifteen batches";
  io_.capacity_bytes = UINT64_MAX;
  EXPECT_EQ((*open())->index.last(), 45U);
}

TEST_F(CommitLogTest, AFileSystemWithoutDirectWritesWillDo) {
  io_.supports_direct = false;
  write_entries(3);
  EXPECT_EQ((*open())->index.last(), 3U);
}

TEST_F(CommitLogTest, RecordsThatCannotBeAreRefusedBeforeTheyAreWritten) {
  auto log = open();
  ASSERT_TRUE(log);
  LogRequest request;
  request.batch.data.push_back(
      {{1, 1}, {{1, 1}, 0, {2, 2}, DataPlace::kLog, 100}, 0, Buffer::copy_of(std::string(99, 'x'))});
  EXPECT_EQ((*log)->log.append_now(request).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ((*log)->log.append_now(request).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_FALSE((*log)->log.failed());
}

}  // namespace
}  // namespace flashstor::storage
