#include <gtest/gtest.h>

#include "engine/async/gather.h"
#include "engine/files/limits.h"
#include "engine/files/lock_table.h"
#include "tests/unit/files/two_nodes_fixture.h"

namespace flashstor::files {
namespace {

using What = LockPayload::What;
using Type = LockRange::Type;

LockRange whole(Type type, std::uint64_t owner) {
  LockRange range;
  range.type = type;
  range.owner = owner;
  range.whole_file = true;
  return range;
}

/// Two sessions that ask one table; time is the test's.
class LockTableTest : public ::testing::Test {
 protected:
  LockAnswer ask(std::uint64_t session, What what, Type type = Type::kUnlock,
                 std::vector<HeldLock> held = {}) {
    LockPayload payload;
    payload.what = what;
    payload.session = {session, session};
    payload.number = ++number_;
    payload.wanted = {inode_, whole(type, session)};
    payload.held = std::move(held);
    return table_.answer(payload, leadership_, now_);
  }
  [[nodiscard]] HeldLock held(std::uint64_t session) const {
    return {inode_, whole(Type::kExclusive, session)};
  }
  void pass_grace() {
    static_cast<void>(ask(9, What::kRefresh));
    now_ += kLockLease;
  }

  LockTable table_;
  InodeId inode_{7, 7};
  std::uint64_t leadership_ = 1;
  std::uint64_t number_ = 0;
  MonotonicTime now_{std::chrono::hours(1)};
};

TEST_F(LockTableTest, SessionsExcludeEachOther) {
  pass_grace();
  EXPECT_TRUE(ask(1, What::kSet, Type::kExclusive).granted);
  const LockAnswer refused = ask(2, What::kSet, Type::kExclusive);
  EXPECT_FALSE(refused.granted);
  ASSERT_TRUE(refused.other);
  EXPECT_EQ(refused.other->owner, 1U);
  EXPECT_TRUE(ask(1, What::kSet, Type::kUnlock).granted);
  EXPECT_FALSE(ask(2, What::kTest, Type::kExclusive).other);
  EXPECT_TRUE(ask(2, What::kSet, Type::kExclusive).granted);
}

TEST_F(LockTableTest, ASilentSessionHoldsNothingAndHearsOfIt) {
  pass_grace();
  EXPECT_TRUE(ask(1, What::kSet, Type::kExclusive).granted);
  now_ += kLockLease / 2;
  EXPECT_TRUE(ask(1, What::kRefresh, Type::kUnlock, {held(1)}).lost.empty());
  now_ += kLockLease / 2;
  EXPECT_FALSE(ask(2, What::kSet, Type::kExclusive).granted);
  now_ += kLockLease / 2;
  EXPECT_TRUE(ask(2, What::kSet, Type::kExclusive).granted);
  EXPECT_EQ(ask(1, What::kRefresh, Type::kUnlock, {held(1)}).lost.size(), 1U);
}

TEST_F(LockTableTest, ANewLeaderGrantsNothingBeforeItHasHeardTheHolders) {
  pass_grace();
  EXPECT_TRUE(ask(1, What::kSet, Type::kExclusive).granted);
  ++leadership_;
  EXPECT_TRUE(ask(2, What::kSet, Type::kExclusive).early);
  EXPECT_TRUE(ask(2, What::kTest, Type::kExclusive).early);
  EXPECT_TRUE(ask(1, What::kRefresh, Type::kUnlock, {held(1)}).granted);
  now_ += kLockLease - Milliseconds(1);
  EXPECT_TRUE(ask(1, What::kRefresh, Type::kUnlock, {held(1)}).granted);
  now_ += Milliseconds(1);
  const LockAnswer refused = ask(2, What::kSet, Type::kExclusive);
  EXPECT_FALSE(refused.granted || refused.early);
  EXPECT_TRUE(refused.other);
}

TEST_F(LockTableTest, WhatALaterCallOvertookIsNotObeyed) {
  pass_grace();
  LockPayload late;
  late.what = What::kSet;
  late.session = {1, 1};
  late.number = ++number_;
  late.wanted = held(1);
  EXPECT_TRUE(ask(1, What::kSet, Type::kUnlock).granted);
  EXPECT_FALSE(table_.answer(late, leadership_, now_).granted);
  EXPECT_TRUE(ask(2, What::kSet, Type::kExclusive).granted);
}

using SharedLocksTest = OnTwoNodes<VolumeTest>;

TEST_F(SharedLocksTest, VolumesOfTwoNodesExcludeEachOtherAndAWaitEndsWithTheUnlock) {
  put_file("", "f", "x");
  const FileRef file{"f", stat("", "f").inode};
  get(volume_->lock(file, whole(Type::kExclusive, 1), false, nullptr));
  EXPECT_EQ(error(other_->lock(file, whole(Type::kExclusive, 1), false, nullptr)), ErrorCode::kWouldBlock);
  EXPECT_EQ(get(other_->test_lock(file, whole(Type::kShared, 1))).type, Type::kExclusive);
  std::vector<Task<Result<void>>> both;
  both.push_back(other_->lock(file, whole(Type::kExclusive, 1), true, nullptr));
  both.push_back(volume_->lock(file, whole(Type::kUnlock, 1), false, nullptr));
  for (const auto& done : runtime_.run_until(async::gather(std::move(both)))) EXPECT_TRUE(done);
  EXPECT_EQ(error(volume_->lock(file, whole(Type::kShared, 1), false, nullptr)), ErrorCode::kWouldBlock);
}

TEST_F(SharedLocksTest, LocksOutliveTheLeaderThatKeptThem) {
  put_file("", "f", "x");
  const FileRef file{"f", stat("", "f").inode};
  get(volume_->lock(file, whole(Type::kExclusive, 1), false, nullptr));
  cluster_->fake(0).rows().set_leadership(2);
  EXPECT_EQ(error(other_->lock(file, whole(Type::kExclusive, 1), false, nullptr)), ErrorCode::kWouldBlock);
  cluster_->fake(0).rows().set_leadership(0);
  EXPECT_EQ(error(other_->lock(file, whole(Type::kExclusive, 1), false, nullptr)), ErrorCode::kReadOnly);
}

/// One bucket on two nodes, over three sets.
class SharedLocksOverSetsTest : public SharedLocksTest {
 protected:
  [[nodiscard]] std::uint32_t sets() const override { return 3; }
};

// One set that did not answer cost the locks of all others.
TEST_F(SharedLocksOverSetsTest, ASetThatDoesNotAnswerCostsNoLockOfAnother) {
  put_file("", "f", "x");
  const FileRef file{"f", stat("", "f").inode};
  get(volume_->lock(file, whole(Type::kExclusive, 1), false, nullptr));
  const std::uint32_t keeper = cluster_->set_for(file.inode, "").info().index;
  // A lock there, so that it is told of.
  InodeId elsewhere{3, 3};
  while (cluster_->set_for(elsewhere, "").info().index == keeper) ++elsewhere.low;
  get(volume_->lock({"", elsewhere}, whole(Type::kExclusive, 1), false, nullptr));
  async::Event never;
  cluster_->fake(cluster_->set_for(elsewhere, "").info().index)
      .hold_answer(static_cast<cluster::CommandKind>(FileCommand::kLock), never);
  const MonotonicTime until = runtime_.now() + kLockLease + Milliseconds(500);
  runtime_.run_until([](Runtime* loop, MonotonicTime when) -> Task<void> {
    co_await async::sleep_for(*loop, std::chrono::duration_cast<Milliseconds>(when - loop->now()));
  }(&runtime_, until));
  EXPECT_EQ(error(other_->lock(file, whole(Type::kExclusive, 1), false, nullptr)), ErrorCode::kWouldBlock);
  runtime_.run_until([](async::Event* event) -> Task<void> {
    event->set();
    co_return;
  }(&never));
}

// What a volume finds without a name when it opens may be open on another node.
TEST_F(SharedLocksTest, AFileWithoutANameStaysWhileAnotherNodeHasItOpen) {
  const auto file = create("", "f");
  write(*file, 0, "kept");
  get(file->sync(false));
  get(volume_->remove("", "f"));
  const auto third = get(Volume::open(*store_, "bucket", {}, runtime_));
  write(*file, 4, " on");
  get(file->sync(false));
  EXPECT_EQ(read(*file), "kept on");
  EXPECT_EQ(orphans(), 1U);
  run(third->close());
  get(file->release());
  EXPECT_EQ(orphans(), 0U);
}

}  // namespace
}  // namespace flashstor::files
