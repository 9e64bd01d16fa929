#include <thread>

#include "tests/unit/files/move_directory_fixture.h"
#include "tests/unit/files/two_nodes_fixture.h"

namespace flashstor::files {
namespace {

/// Two volumes of one bucket, as on two nodes.
class MoveOverNodesTest : public OnTwoNodes<MoveDirectoryTest> {
 protected:
  /// Takes the lock of who moves directories for a session that says nothing any more.
  LockPayload hold_as_dead() {
    LockPayload lock{.what = LockPayload::What::kSet, .set = 0, .session = {9, 9}, .wanted = {}, .held = {}};
    lock.number = 1;
    lock.wanted.inode = moving_lock_of(get(store_->head_bucket("bucket"))->id);
    lock.wanted.range.type = LockRange::Type::kExclusive;
    lock.wanted.range.whole_file = true;
    lock.set = cluster_->set_for(lock.wanted.inode, "").info().index;
    const auto kind = static_cast<cluster::CommandKind>(FileCommand::kLock);
    EXPECT_TRUE(decode<LockAnswer>(get(cluster_->fake(lock.set).query(kind, encode(lock))))->granted);
    return lock;
  }
  /// As a process that is stopped for longer than a lease lasts.
  void pause() {
    const MonotonicTime until = runtime_.now() + kLockLease + Milliseconds(100);
    while (runtime_.now() < until) std::this_thread::yield();
  }
  void expect_all_at(Volume& volume, const std::string& directory) {
    const std::size_t below = get(volume.read_directory(directory + "/sub", "", 100)).entries.size();
    EXPECT_EQ(below, static_cast<std::size_t>(kFiles));
  }
};

TEST_F(MoveOverNodesTest, ADirectoryIsRenamedByEither) {
  fill("from");
  const InodeId inode = stat("", "from").inode;
  mv("from", "to");
  expect_at("to");
  expect_gone("from");
  expect_all_at(*other_, "to");
  EXPECT_EQ(error(other_->lookup("", "from")), ErrorCode::kNoSuchKey);
  get(other_->rename("", "to", "", "back", RenameMode::kReplace));
  expect_at("back");
  expect_gone("to");
  EXPECT_EQ(stat("", "back").inode, inode);
}

TEST_F(MoveOverNodesTest, AMountThatBeginsMeanwhileLeavesALiveRenameAlone) {
  fill("from");
  int begun = 0;
  std::uint32_t movers = 0;
  std::unique_ptr<Volume> third;
  const auto open = [](objects::ObjectStore* store, Runtime* runtime,
                       std::unique_ptr<Volume>* out) -> Task<void> {
    auto opened = co_await Volume::open(*store, "bucket", {}, *runtime);
    if (opened) *out = std::move(*opened);
  };
  before_each([&](FileCommand kind, const std::string& key) {
    movers += kind == FileCommand::kMoverChange;
    if (key.starts_with("from/") && ++begun == 10)
      async::start_detached(open(store_.get(), &runtime_, &third));
  });
  mv("from", "to");
  live();
  EXPECT_EQ(movers, sets());
  ASSERT_NE(third, nullptr);
  run(third->close());
  expect_at("to");
  expect_gone("from");
}

TEST_F(MoveOverNodesTest, WhatADeadMoverLeftIsTakenUpWhenItsLeaseIsOver) {
  fill("from");
  die_after(20);
  EXPECT_FALSE(rename("from", "to"));
  live();
  run(volume_->close());
  run(other_->close());
  static_cast<void>(hold_as_dead());
  const MonotonicTime held = runtime_.now();
  std::optional<MonotonicTime> taken;
  before_each([&](FileCommand command, const std::string&) {
    if (command == FileCommand::kMoverChange && !taken) taken = runtime_.now();
  });
  open();
  other_ = open_one();
  EXPECT_NE(intents(), 0U);
  wait_for_moves(10);
  live();
  ASSERT_TRUE(taken);
  EXPECT_GE(*taken - held, kLockLease);
  expect_at("to");
  expect_gone("from");
}

// What it was about to move was moved, and moved back by another rename: it would have gone to the new name.
TEST_F(MoveOverNodesTest, WhoWasGivenUpMovesNothingAnyMore) {
  fill("from");
  int begun = 0;
  before_each([&](FileCommand, const std::string& key) {
    if (!key.starts_with("from/") || ++begun != 5) return;
    pause();
    start(other_->rename("", "to", "", "from", RenameMode::kReplace));
    EXPECT_EQ(ended_.size(), 1U);
  });
  EXPECT_TRUE(rename("from", "to"));
  live();
  ASSERT_EQ(ended_.size(), 1U);
  EXPECT_TRUE(ended_[0]);
  expect_at("from");
  expect_gone("to");
}

TEST_F(MoveOverNodesTest, WhoseLeaseIsOverAsksAgainBeforeItGoesOn) {
  fill("from");
  int begun = 0;
  std::uint32_t movers = 0;
  before_each([&](FileCommand kind, const std::string& key) {
    movers += kind == FileCommand::kMoverChange;
    if (key.starts_with("from/") && ++begun == 5) pause();
  });
  EXPECT_TRUE(rename("from", "to"));
  live();
  EXPECT_EQ(movers, 2 * sets());
  expect_at("to");
  expect_gone("from");
}

// It was empty for a moment, and its attributes were lost.
TEST_F(MoveOverNodesTest, ADirectoryThatIsJustMovingIsNotRemovedByAnotherNode) {
  fill("from");
  const InodeId inode = stat("from", "sub").inode;
  bool begun = false;
  before_each([&](FileCommand, const std::string& key) {
    if (!key.starts_with("from/sub/f") || std::exchange(begun, true)) return;
    start(other_->remove_directory("to", "sub"));
  });
  mv("from", "to");
  live();
  wait_for_end();
  EXPECT_EQ(ended_[0].error().code(), ErrorCode::kDirectoryNotEmpty);
  EXPECT_EQ(stat("to", "sub").inode, inode);
  expect_at("to");
}

// The directory that it had looked at was replaced by the one that a rename brought, which was empty for a
// moment.
TEST_F(MoveOverNodesTest, ADirectoryThatARenameBringsIsNotRemovedForTheOneBefore) {
  mkdir("", "from");
  mv("from", "again");  // from here on the leader grants at once
  mv("again", "from");
  std::string name = "x";
  while (set_of("from/" + name) == set_of("to/" + name)) name += "x";
  put_file("from", name, "bytes");
  mkdir("", "to");
  const InodeId inode = stat("", "from").inode;
  const std::uint32_t home = set_of("from/" + name);
  async::Event go;
  bool started = false;
  before_each([&](FileCommand kind, const std::string& key) {
    if (kind == FileCommand::kMoveBegin && key == "from/" + name)
      cluster_->fake(home).hold_answer(static_cast<cluster::CommandKind>(kind), go);
    if (kind != FileCommand::kRemoveDirectory || std::exchange(started, true)) return;
    start(other_->rename("", "from", "", "to", RenameMode::kReplace));
    async::start_detached([](Runtime* loop, async::Event* event) -> Task<void> {
      co_await async::sleep_for(*loop, Milliseconds(200));
      event->set();
    }(&runtime_, &go));
  });
  EXPECT_EQ(error(volume_->remove_directory("", "to")), ErrorCode::kDirectoryNotEmpty);
  live();
  wait_for_end();
  EXPECT_TRUE(ended_[0]);
  EXPECT_EQ(stat("", "to").inode, inode);
  EXPECT_EQ(object("to/" + name), "bytes");
}

TEST_F(MoveOverNodesTest, RmdirEndsWhatADeadMoverLeftThere) {
  fill("from");
  const InodeId inode = stat("from", "sub").inode;
  die_after(20);
  EXPECT_FALSE(rename("from", "to"));
  live();
  EXPECT_EQ(standing(), 1U);
  EXPECT_EQ(error(other_->remove_directory("", "to")), ErrorCode::kDirectoryNotEmpty);
  EXPECT_EQ(standing(), 0U);
  EXPECT_EQ(stat("to", "sub").inode, inode);
  expect_at("to");
}

// Its new parent went away while it waited for its turn, and came back as one that nobody had made.
TEST_F(MoveOverNodesTest, OfTwoRenamesIntoEachOtherOneIsRefused) {
  fill("one");
  mkdir("", "two");
  bool started = false;
  before_each([&](FileCommand, const std::string& key) {
    if (key.starts_with("one/") && !std::exchange(started, true))
      start(other_->rename("", "two", "one", "y", RenameMode::kReplace));
  });
  get(volume_->rename("", "one", "two", "x", RenameMode::kReplace));
  live();
  wait_for_end();
  EXPECT_EQ(ended_[0].error().code(), ErrorCode::kNoSuchKey);
  expect_at("two/x");
  EXPECT_EQ(names(""), std::vector<std::string>{"two"});
}

// It was answered with an error, and ended by another node all the same.
TEST_F(MoveOverNodesTest, ARenameThatIsMadeIsNotAnsweredWithAnErrorThatPasses) {
  fill("from");
  int begun = 0;
  before_each([&](FileCommand, const std::string& key) {
    if (!key.starts_with("from/f") || ++begun != 5) return;
    for (std::uint32_t set = 0; set < sets(); ++set)
      cluster_->fake(set).fail_next(static_cast<cluster::CommandKind>(FileCommand::kMoveBegin),
                                    ErrorCode::kTooManyRequests);
  });
  EXPECT_TRUE(rename("from", "to"));
  live();
  expect_at("to");
  expect_gone("from");
}

// A node that was to stop waited for a rename of its own, and for those of others, for as long as they took.
TEST_F(MoveOverNodesTest, ANodeThatStopsLeavesItsRenamesToOthers) {
  fill("from");
  mkdir("", "mine");
  int begun = 0;
  before_each([&](FileCommand, const std::string& key) {
    if (!key.starts_with("from/f") || ++begun != 5) return;
    start(other_->rename("", "mine", "", "yours", RenameMode::kReplace));
    EXPECT_TRUE(ended_.empty());
    other_->stop_moving();
    volume_->stop_moving();
  });
  EXPECT_EQ(rename("from", "to").error().code(), ErrorCode::kCancelled);
  EXPECT_LE(static_cast<std::size_t>(begun), kMovedAtOnce);
  live();
  wait_for_end();
  EXPECT_EQ(ended_[0].error().code(), ErrorCode::kCancelled);
  EXPECT_EQ(standing(), 1U);
  const auto third = open_one();
  while (standing() != 0) wait_a_little();
  expect_at("to");
  run(third->close());
}

TEST_F(MoveOverNodesTest, ANodeThatStopsDoesNotWaitForItsTurn) {
  mkdir("", "mine");
  mv("mine", "from");  // from here on the leader grants at once
  LockPayload lock = hold_as_dead();
  runtime_.run_until([](MoveOverNodesTest_ANodeThatStopsDoesNotWaitForItsTurn_Test* self) -> Task<void> {
    self->start(self->volume_->rename("", "from", "", "to", RenameMode::kReplace));
    EXPECT_TRUE(self->ended_.empty());
    self->volume_->stop_moving();
    co_return;
  }(this));
  wait_for_end();
  EXPECT_EQ(ended_[0].error().code(), ErrorCode::kCancelled);
  // Nor has it waited until the other one's lease was over.
  lock.what = LockPayload::What::kTest;
  lock.session = {8, 8};
  lock.wanted.range.owner = 8;
  const auto kind = static_cast<cluster::CommandKind>(FileCommand::kLock);
  EXPECT_TRUE(decode<LockAnswer>(get(cluster_->fake(lock.set).query(kind, encode(lock))))->other);
}

TEST_F(MoveOverNodesTest, ALateMoverDropsNoDirectory) {
  mkdir("", "empty");
  FileTarget target;
  target.bucket = get(store_->head_bucket("bucket"))->id;
  target.epoch = get(store_->head_bucket("bucket"))->epoch;
  target.key = "empty/";
  cluster::Command command;
  command.kind = static_cast<cluster::CommandKind>(FileCommand::kRemoveDirectory);
  command.payload = encode(RenamePayload{.target = target, .to_key = {}, .move = {}, .mover = {5, 5}});
  EXPECT_EQ(error(cluster_->fake(set_of("empty/")).execute(std::move(command))), ErrorCode::kConflict);
  EXPECT_EQ(names(""), std::vector<std::string>{"empty"});
}

// It knew that the directory is there, and made the file in a directory that nobody had made.
TEST_F(MoveOverNodesTest, AnotherNodeKnowsSoonThatADirectoryIsGone) {
  mkdir("", "from");
  get(other_->make("from", "known", {.kind = Kind::kFile}));
  mv("from", "to");
  const MonotonicTime until = runtime_.now() + kDirectoryKnown;
  while (runtime_.now() < until) wait_a_little();
  EXPECT_EQ(error(other_->make("from", "new", {.kind = Kind::kFile})), ErrorCode::kNoSuchKey);
  get(other_->make("to", "new", {.kind = Kind::kFile}));
}

}  // namespace
}  // namespace flashstor::files
