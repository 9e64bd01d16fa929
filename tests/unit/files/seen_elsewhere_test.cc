#include <cstdlib>

#include "tests/unit/files/seen_elsewhere_fixture.h"

namespace flashstor::files {
namespace {

constexpr auto kVersionQuery = static_cast<cluster::CommandKind>(objects::ObjectCommand::kGetVersion);

TEST_F(SeenElsewhereTest, WhatItLooksLikeNow) {
  publish(*here_, 10, " and more");
  EXPECT_EQ(size_seen(*there_), 19U);
  EXPECT_EQ(read(*there_), "0123456789 and more");
  cut(*here_, *volume_, 4);
  EXPECT_EQ(get(other_->attributes({"f", there_->attributes().inode})).size, 4U);
  EXPECT_EQ(read(*there_), "0123");
  publish(*there_, 1, "x");
  EXPECT_EQ(size_seen(*here_), 4U);
  EXPECT_EQ(read(*here_), "0x23");
}

TEST_F(SeenElsewhereTest, AtAnotherOpen) {
  publish(*here_, 2, "two");
  const auto again = open_at(*other_);
  EXPECT_EQ(read(*again), "01two56789");
  get(again->release());
  put_file("", "g", "another file");
  mv("g", "f");
  EXPECT_EQ(error(other_->open({"f", there_->attributes().inode}, {})), ErrorCode::kStaleHandle);
  EXPECT_EQ(read(*there_), "01two56789");
}

// The kernel knows the new size from the name and reads up to it.
TEST_F(SeenElsewhereTest, WhoWasToldOfItByTheName) {
  publish(*here_, 10, " and more");
  EXPECT_EQ(get(other_->lookup("", "f")).size, 19U);
  EXPECT_EQ(read(*there_), "0123456789 and more");
}

TEST_F(SeenElsewhereTest, UnderALock) {
  publish(*here_, 0, "          ");
  for (int turn = 0; turn < 20; ++turn) {
    Volume& volume = turn % 2 == 0 ? *volume_ : *other_;
    OpenFileApi& file = turn % 2 == 0 ? *here_ : *there_;
    lock(volume, file, LockRange::Type::kExclusive);
    const int count = std::atoi(read(file).c_str());
    EXPECT_EQ(count, turn);
    write(file, 0, std::to_string(count + 1));  // is published when the lock is given back
    lock(volume, file, LockRange::Type::kUnlock);
  }
  EXPECT_EQ(object("f"), "20        ");
}

TEST_F(SeenElsewhereTest, WhatIsNotPublishedStaysOverIt) {
  write(*there_, 8, "EIGHT");
  publish(*here_, 0, "ZERO");
  EXPECT_EQ(size_seen(*there_), 13U);
  EXPECT_EQ(read(*there_), "01234567EIGHT");
  get(there_->sync(false));
  EXPECT_EQ(object("f"), "ZERO4567EIGHT");
  EXPECT_EQ(read(*there_), "ZERO4567EIGHT");
}

TEST_F(SeenElsewhereTest, WhoKnowsAnOlderSizeCutsNothingOff) {
  write(*there_, 0, "zero");
  publish(*here_, 10, " appended");
  get(there_->sync(false));
  EXPECT_EQ(object("f"), "zero456789 appended");
  EXPECT_EQ(there_->attributes().size, 19U);
}

TEST_F(SeenElsewhereTest, NorDoesHePutBackWhatWasCutOff) {
  write(*there_, 0, "z");
  cut(*here_, *volume_, 3);
  get(here_->sync(false));
  get(there_->sync(false));
  EXPECT_EQ(object("f"), "z12");
  EXPECT_EQ(there_->attributes().size, 3U);
}

TEST_F(SeenElsewhereTest, ATruncateCutsWhatItHasNotSeen) {
  write(*there_, 0, "z");
  publish(*here_, 10, " appended");
  cut(*there_, *other_, 10);
  get(there_->sync(false));
  EXPECT_EQ(object("f"), "z123456789");
}

// A fold, which is made of what was read before, went over what another node published meanwhile.
TEST_F(SeenElsewhereTest, AFoldLeavesWhatIsPublishedWhileItIsMade) {
  std::string text(2000, 'a');
  publish(*here_, 0, text);
  size_seen(*there_);
  for (std::size_t at = 0; at < text.size(); at += 2) {
    write(*here_, at, "b");
    text[at] = 'b';
  }
  write(*there_, 101, "theirs");
  text.replace(101, 6, "theirs");
  const auto kind = static_cast<cluster::CommandKind>(FileCommand::kPublish);
  int publishes = 0;
  Result<void> synced = fail(ErrorCode::kInternal);
  const auto sync_into = [](OpenFileApi* file, Result<void>* out) -> Task<void> {
    *out = co_await file->sync(false);
  };
  cluster_->fake(set_of("f")).set_before_execute([&](const cluster::Command& command) {
    if (command.kind == kind && ++publishes == 2)  // the first made the list long
      async::start_detached(sync_into(there_.get(), &synced));
  });
  get(here_->sync(false));
  cluster_->fake(set_of("f")).set_before_execute({});
  EXPECT_TRUE(synced);
  EXPECT_GE(publishes, 4);  // it is folded after all
  EXPECT_EQ(object("f"), text);
  EXPECT_EQ(read(*here_), text);
}

// A kernel keeps its pages of a file whose time and size are those that it was told.
TEST_F(SeenElsewhereTest, BytesThatAreMergedHaveATimeThatNobodyWasTold) {
  write(*there_, 8, "e");
  const WallTime told_there = there_->attributes().modified;
  publish(*here_, 0, "z");
  const WallTime told_here = here_->attributes().modified;
  EXPECT_FALSE(here_->attributes().merged);
  get(there_->sync(false));
  EXPECT_EQ(object("f"), "z1234567e9");
  EXPECT_NE(there_->attributes().modified, told_there);
  EXPECT_NE(there_->attributes().modified, told_here);
  EXPECT_TRUE(there_->attributes().merged);
  size_seen(*here_);
  EXPECT_TRUE(here_->attributes().merged);
}

TEST_F(SeenElsewhereTest, SoHaveTheBytesOfEachStepOfAPublish) {
  const std::string text(store_->options().inline_bytes + 1, 't');
  write(*here_, 100, text);
  write(*here_, 0, "z");
  const auto kind = static_cast<cluster::CommandKind>(FileCommand::kPublish);
  std::vector<WallTime> told;
  const auto look = [](OpenFileApi* file, std::vector<WallTime>* out) -> Task<void> {
    out->push_back((co_await file->look()).modified);
  };
  cluster_->fake(set_of("f")).set_before_execute([&](const cluster::Command& command) {
    if (command.kind == kind) async::start_detached(look(there_.get(), &told));
  });
  get(here_->sync(false));
  cluster_->fake(set_of("f")).set_before_execute({});
  run([](OpenFileApi* file, std::vector<WallTime>* out) -> Task<Result<void>> {
    out->push_back((co_await file->look()).modified);
    co_return {};
  }(there_.get(), &told));
  ASSERT_EQ(told.size(), 3U);
  EXPECT_NE(told[0], told[1]);
  EXPECT_NE(told[1], told[2]);
}

// It was taken for another node's publish, and told.
TEST_F(SeenElsewhereTest, AnAnswerOlderThanWhatWasPublishedHereIsNotNews) {
  async::Event answer;
  cluster_->fake(set_of("f")).hold_answer(static_cast<cluster::CommandKind>(FileCommand::kLookup), answer);
  const auto script = [](Volume* volume, OpenFileApi* file, async::Event* late,
                         Attributes* seen) -> Task<Result<void>> {
    async::Gate gate;
    gate.spawn([](Volume* at, Attributes* out) -> Task<void> {
      if (auto found = co_await at->lookup("", "f")) *out = *found;
    }(volume, seen));
    co_await or_return(file->write(10, BufferChain(Buffer::copy_of("more"))));
    co_await or_return(file->sync(false));
    late->set();
    co_await gate.close();
    co_return {};
  };
  Attributes seen;
  run(script(volume_.get(), here_.get(), &answer, &seen));
  EXPECT_EQ(seen.size, 14U);
  publish(*there_, 0, "z");
  EXPECT_EQ(get(volume_->lookup("", "f")).revision, there_->attributes().revision);
}

TEST_F(SeenElsewhereTest, AFileThatIsKnownToBeReplacedIsNotOpened) {
  write(*there_, 0, "z");
  put_file("", "g", "another file");
  mv("g", "f");
  EXPECT_EQ(error(there_->sync(false)), ErrorCode::kStaleHandle);
  EXPECT_EQ(error(other_->open({"f", there_->attributes().inode}, {})), ErrorCode::kStaleHandle);
}

TEST_F(SeenElsewhereTest, ExtendedAttributes) {
  const InodeId inode = here_->attributes().inode;
  get(volume_->set_attribute({"f", inode}, "user.x", "one", AttributeSetMode::kAny));
  EXPECT_EQ(get(other_->get_attribute({"f", inode}, "user.x")), "one");
  get(volume_->remove_attribute({"f", inode}, "user.x"));
  EXPECT_TRUE(get(other_->list_attributes({"f", inode})).empty());
}

// An open found the file open with what an older answer had said, and took that.
TEST_F(SeenElsewhereTest, AnOpenThatMeetsAnOlderOne) {
  get(there_->release());
  async::Event first;
  async::Event second;
  for (async::Event* answer : {&first, &second})
    cluster_->fake(set_of("f")).hold_answer(static_cast<cluster::CommandKind>(FileCommand::kLookup), *answer);
  const auto open_into = [](Volume* volume, std::unique_ptr<OpenFileApi>* out) -> Task<void> {
    if (auto opened = co_await volume->open({"f", {}}, {})) *out = std::move(*opened);
  };
  std::unique_ptr<OpenFileApi> older;
  run([](Task<void> early, Task<void> late, OpenFileApi* writer, async::Event* one,
         async::Event* two) -> Task<Result<void>> {
    async::Gate gate;
    gate.spawn(std::move(early));
    co_await or_return(writer->write(10, BufferChain(Buffer::copy_of(" and more"))));
    co_await or_return(writer->sync(false));
    gate.spawn(std::move(late));
    one->set();
    two->set();
    co_await gate.close();
    co_return {};
  }(open_into(other_.get(), &older), open_into(other_.get(), &there_), here_.get(), &first, &second));
  EXPECT_EQ(read(*there_), "0123456789 and more");
  get(older->release());
}

// The whole range was unlocked.
TEST_F(SeenElsewhereTest, ALockThatIsNotGivenLeavesTheOlderOne) {
  cluster_->set_remote(true);
  LockRange range{.type = LockRange::Type::kShared, .start = 10, .end = 19, .owner = 1};
  const FileRef file{"f", here_->attributes().inode};
  get(volume_->lock(file, range, false, nullptr));
  range = {.type = LockRange::Type::kExclusive, .start = 0, .end = 99, .owner = 1};
  cluster_->fake(set_of("f")).fail_next(kVersionQuery, ErrorCode::kReadOnly);
  EXPECT_EQ(error(volume_->lock(file, range, false, nullptr)), ErrorCode::kReadOnly);
  const auto stands_in_the_way = [&](std::uint64_t at) {
    const LockRange wanted{.type = LockRange::Type::kExclusive, .start = at, .end = at, .owner = 2};
    return get(other_->test_lock(file, wanted)).type;
  };
  EXPECT_EQ(stands_in_the_way(9), LockRange::Type::kUnlock);
  EXPECT_EQ(stands_in_the_way(10), LockRange::Type::kShared);
  EXPECT_EQ(stands_in_the_way(19), LockRange::Type::kShared);
  EXPECT_EQ(stands_in_the_way(20), LockRange::Type::kUnlock);
}

// A file that is being written does not wait for its set, but for what somebody was told of.
TEST_F(SeenElsewhereTest, WhatIsKnownIsReadWhereTheSetCannotBeAsked) {
  publish(*here_, 0, "z");
  EXPECT_EQ(get(other_->lookup("", "f")).size, 10U);
  cluster_->set_remote(true);
  cluster_->fake(set_of("f")).fail_next(kVersionQuery, ErrorCode::kReadOnly);
  EXPECT_EQ(read(*there_), "0123456789");
  publish(*here_, 10, "more");
  EXPECT_EQ(get(other_->lookup("", "f")).size, 14U);
  cluster_->fake(set_of("f")).fail_next(kVersionQuery, ErrorCode::kReadOnly);
  EXPECT_EQ(error(there_->read(0, 14)), ErrorCode::kReadOnly);
}

}  // namespace
}  // namespace flashstor::files
