#include <cstdlib>

#include "tests/unit/files/two_nodes_fixture.h"

namespace flashstor::files {
namespace {

/// A file that both nodes have open. A node went on showing what it had found at its first open, also to who
/// had got a lock, until its last close; and what it published cut off what the other had appended.
class SeenElsewhereTest : public TwoNodesTest {
 protected:
  void SetUp() override {
    TwoNodesTest::SetUp();
    put_file("", "f", "0123456789");
    here_ = open_at(*volume_);
    there_ = open_at(*other_);
  }
  void TearDown() override {
    get(here_->release());
    get(there_->release());
    TwoNodesTest::TearDown();
  }
  std::unique_ptr<OpenFileApi> open_at(Volume& volume, bool append = false) {
    return get(volume.open({"f", {}}, {.read = true, .write = true, .append = append}));
  }
  void publish(OpenFileApi& file, std::uint64_t offset, const std::string& text) {
    write(file, offset, text);
    get(file.sync(false));
  }
  void cut(OpenFileApi& file, Volume& volume, std::uint64_t size) {
    AttributeChange change;
    change.size = size;
    get(volume.change_attributes({"f", file.attributes().inode}, change));
  }
  std::uint64_t size_seen(OpenFileApi& file) { return runtime_.run_until(file.look()).size; }
  void lock(Volume& volume, OpenFileApi& file, LockRange::Type type) {
    LockRange range;
    range.type = type;
    range.owner = &volume == volume_.get() ? 1 : 2;
    get(volume.lock({"f", file.attributes().inode}, range, true, nullptr));
  }
  std::unique_ptr<OpenFileApi> here_;
  std::unique_ptr<OpenFileApi> there_;
};

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

TEST_F(SeenElsewhereTest, AppendsFollowEachOther) {
  const auto here = open_at(*volume_, true);
  const auto there = open_at(*other_, true);
  for (int turn = 0; turn < 6; ++turn) publish(turn % 2 == 0 ? *here : *there, 0, std::to_string(turn));
  EXPECT_EQ(object("f"), "0123456789012345");
  get(here->release());
  get(there->release());
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

}  // namespace
}  // namespace flashstor::files
