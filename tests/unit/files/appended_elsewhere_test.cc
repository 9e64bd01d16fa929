#include "tests/unit/files/seen_elsewhere_fixture.h"

namespace flashstor::files {
namespace {

using AppendedElsewhereTest = SeenElsewhereTest;

TEST_F(AppendedElsewhereTest, AppendsFollowEachOther) {
  const auto here = open_at(*volume_, true);
  const auto there = open_at(*other_, true);
  for (int turn = 0; turn < 6; ++turn) publish(turn % 2 == 0 ? *here : *there, 0, std::to_string(turn));
  EXPECT_EQ(object("f"), "0123456789012345");
  get(here->release());
  get(there->release());
}

// Each took the end that it knew: their bytes lay over each other.
TEST_F(AppendedElsewhereTest, AppendsOfBothBeforeEitherIsPublishedFollowEachOther) {
  const auto here = open_at(*volume_, true);
  const auto there = open_at(*other_, true);
  write(*here, 0, "A");
  write(*there, 0, "B");
  write(*here, 0, "aa");
  write(*there, 0, "bb");
  write(*there_, 0, "z");
  get(here->sync(false));
  EXPECT_EQ(read(*there), "z123456789Bbb");
  get(there->sync(false));
  EXPECT_EQ(object("f"), "z123456789AaaBbb");
  EXPECT_EQ(read(*there), "z123456789AaaBbb");
  write(*there, 0, "C");
  cut(*here, *volume_, 2);
  get(here->sync(false));
  get(there->sync(false));
  EXPECT_EQ(object("f"), "z1C");
  EXPECT_EQ(size_seen(*here_), 3U);
  EXPECT_EQ(read(*here_), "z1C");
  get(here->release());
  get(there->release());
}

TEST_F(AppendedElsewhereTest, SoDoLongOnes) {
  for (const std::size_t size : {std::size_t{1000}, store_->options().inline_bytes + 1000, 3UL << 20}) {
    cut(*here_, *volume_, 10);
    get(here_->sync(false));
    const auto here = open_at(*volume_, true);
    const auto there = open_at(*other_, true);
    const std::string a(size, 'a');
    const std::string b(size, 'b');
    std::string both = "0123456789";
    both.append(a).append(b);
    write(*here, 0, a);
    write(*there, 0, b.substr(0, 100));
    write(*there, 0, b.substr(100));
    get(here->sync(false));
    get(there->sync(false));
    EXPECT_TRUE(object("f") == both);
    EXPECT_TRUE(read(*there, 0, 8U << 20) == both);
    write(*there, 0, "end");
    get(there->sync(false));
    EXPECT_TRUE(object("f") == both + "end");
    get(here->release());
    get(there->release());
  }
  for (std::uint32_t set = 0; set < sets(); ++set) EXPECT_EQ(cluster_->fake(set).staged(), 0U);
  EXPECT_EQ(orphans(), 0U);
}

TEST_F(AppendedElsewhereTest, AnAppendWhoseAnswerWasLostIsThereOnce) {
  const auto kind = static_cast<cluster::CommandKind>(FileCommand::kPublish);
  for (const bool others : {false, true}) {
    const auto here = open_at(*volume_, true);
    const auto there = open_at(*other_, true);
    write(*here, 0, "A");
    cluster_->fake(set_of("f")).lose_answer(kind);
    EXPECT_EQ(error(here->sync(false)), ErrorCode::kUnknownOutcome);
    write(*here, 0, "a");
    if (others) publish(*there, 0, "B");
    get(here->sync(false));
    EXPECT_EQ(object("f"), others ? "0123456789AaABa" : "0123456789Aa");
    EXPECT_EQ(read(*here), object("f"));
    get(here->release());
    get(there->release());
  }
}

// It cut off what another node had appended in between.
TEST_F(AppendedElsewhereTest, ATruncateWhoseAnswerWasLostIsNotDoneAgain) {
  const auto kind = static_cast<cluster::CommandKind>(FileCommand::kPublish);
  const auto there = open_at(*other_, true);
  cluster_->fake(set_of("f")).lose_answer(kind);
  AttributeChange change;
  change.size = 3;
  EXPECT_EQ(error(volume_->change_attributes({"f", here_->attributes().inode}, change)),
            ErrorCode::kUnknownOutcome);
  publish(*there, 0, "more");
  get(here_->sync(false));
  EXPECT_EQ(object("f"), "012more");
  EXPECT_EQ(size_seen(*here_), 7U);
  // One that was not made is.
  cluster_->fake(set_of("f")).fail_next(kind, ErrorCode::kUnknownOutcome);
  EXPECT_EQ(error(volume_->change_attributes({"f", here_->attributes().inode}, change)),
            ErrorCode::kUnknownOutcome);
  get(here_->sync(false));
  EXPECT_EQ(object("f"), "012");
  get(there->release());
}

TEST_F(AppendedElsewhereTest, AHoleBehindWhatAnotherCutMakesNothingLonger) {
  cut(*there_, *other_, 5);
  get(there_->sync(false));
  get(here_->allocate(AllocateKind::kPunchHole, 3, 4));
  EXPECT_EQ(object("f"), std::string("012\0\0", 5));
}

}  // namespace
}  // namespace flashstor::files
