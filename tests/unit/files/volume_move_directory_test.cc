#include <algorithm>
#include <set>

#include "engine/async/gather.h"
#include "tests/unit/files/many_sets_fixture.h"

namespace flashstor::files {
namespace {

/// A directory whose names lie in three sets.
class MoveDirectoryTest : public ManySetsTest {
 protected:
  static constexpr int kFiles = 24;

  void fill(const std::string& directory) {
    mkdir("", directory);
    mkdir(directory, "sub");
    for (int n = 0; n < kFiles; ++n) {
      put_file(directory, file(n), "file " + std::to_string(n));
      put_file(directory + "/sub", file(n), "below " + std::to_string(n));
    }
    put_object(directory + "/implied/deep/object", std::string(200'000, 'x'));
  }
  static std::string file(int n) { return "f" + std::to_string(n); }
  void expect_at(const std::string& directory) {
    std::set<std::string> wanted{"sub", "implied"};
    for (int n = 0; n < kFiles; ++n) wanted.insert(file(n));
    const auto found = names(directory);
    EXPECT_EQ(std::set<std::string>(found.begin(), found.end()), wanted);
    EXPECT_EQ(names(directory + "/sub").size(), static_cast<std::size_t>(kFiles));
    for (int n = 0; n < kFiles; ++n) {
      EXPECT_EQ(object(directory + "/" + file(n)), "file " + std::to_string(n));
      EXPECT_EQ(object(directory + "/sub/" + file(n)), "below " + std::to_string(n));
    }
    EXPECT_EQ(object(directory + "/implied/deep/object"), std::string(200'000, 'x'));
  }
  void expect_gone(const std::string& directory) {
    EXPECT_EQ(error(volume_->lookup("", directory)), ErrorCode::kNoSuchKey);
    EXPECT_EQ(intents(), 0U);
  }
  /// After `commands` of a rename, the one that writes its intent among them, every further one fails, as
  /// when the process dies.
  void die_after(int commands) {
    left_ = commands;
    begun_ = false;
    for (std::uint32_t set = 0; set < sets(); ++set)
      cluster_->fake(set).set_before_execute([this, set](const cluster::Command& command) {
        begun_ =
            begun_ || command.kind == static_cast<cluster::CommandKind>(FileCommand::kDirectoryMoveBegin);
        if (begun_ && left_-- <= 0) cluster_->fake(set).fail_next(command.kind, ErrorCode::kUnknownOutcome);
      });
  }
  void live() {
    for (std::uint32_t set = 0; set < sets(); ++set) cluster_->fake(set).set_before_execute({});
  }
  void wait_for_moves() {
    for (int i = 0; i < 2000 && intents() != 0; ++i)
      runtime_.run_until(
          [](Runtime* loop) -> Task<void> { co_await async::sleep_for(*loop, Milliseconds(1)); }(&runtime_));
    EXPECT_EQ(intents(), 0U);
  }
  /// Two renames at once, and what came of each.
  std::vector<Result<void>> both(const std::string& from, const std::string& to,
                                 const std::string& other_from, const std::string& other_to) {
    const auto go = [](Volume* volume, std::string old_name, std::string new_name) -> Task<Result<void>> {
      co_return co_await volume->rename("", old_name, "", new_name, RenameMode::kReplace);
    };
    std::vector<Task<Result<void>>> renames;
    renames.push_back(go(volume_.get(), from, to));
    renames.push_back(go(volume_.get(), other_from, other_to));
    return runtime_.run_until(async::gather(std::move(renames)));
  }
  int left_ = 0;
  bool begun_ = false;
};

TEST_F(MoveDirectoryTest, KeepsWhatIsBelowIt) {
  fill("from");
  const InodeId inode = stat("", "from").inode;
  const InodeId below = stat("from/sub", "f3").inode;
  const auto open = create("from", "open");
  write(*open, 0, "written before, ");
  mv("from", "to");
  expect_gone("from");
  write(*open, 16, "and after");
  get(open->flush());
  get(open->release());
  EXPECT_EQ(object("to/open"), "written before, and after");
  get(volume_->remove("to", "open"));
  expect_at("to");
  EXPECT_EQ(stat("", "to").inode, inode);
  EXPECT_EQ(stat("to/sub", "f3").inode, below);
  mkdir("to", "deep");
  EXPECT_EQ(rename("to", "to").has_value(), true);
  EXPECT_EQ(error(volume_->rename("", "to", "to/deep", "x", RenameMode::kReplace)),
            ErrorCode::kInvalidArgument);
}

TEST_F(MoveDirectoryTest, WhatLiesAtTheNewNameDecides) {
  fill("from");
  mkdir("", "empty");
  mkdir("", "full");
  put_file("full", "f", "x");
  put_file("", "file", "x");
  EXPECT_EQ(rename("from", "full").error().code(), ErrorCode::kDirectoryNotEmpty);
  EXPECT_EQ(rename("from", "file").error().code(), ErrorCode::kNotDirectory);
  EXPECT_EQ(rename("from", "empty", RenameMode::kNoReplace).error().code(), ErrorCode::kExists);
  EXPECT_EQ(rename("from", "empty", RenameMode::kExchange).error().code(), ErrorCode::kCrossDevice);
  expect_at("from");
  const InodeId inode = stat("", "from").inode;
  mv("from", "empty");
  expect_at("empty");
  expect_gone("from");
  EXPECT_EQ(stat("", "empty").inode, inode);
}

TEST_F(MoveDirectoryTest, AFileThatCannotGoAlongHoldsAllBack) {
  fill("from");
  // Every second one or so would come to lie in another set than its second name.
  for (int n = 0, i = 0; n < kFiles; ++n) {
    std::string name;
    do name = "l" + std::to_string(i++);
    while (set_of("from/" + name) != set_of("from/" + file(n)));
    get(volume_->link({"from/" + file(n), stat("from", file(n)).inode}, "from", name));
  }
  const auto before = names("from");
  EXPECT_EQ(rename("from", "to").error().code(), ErrorCode::kCrossDevice);
  EXPECT_EQ(names("from"), before);
  EXPECT_EQ(error(volume_->lookup("", "to")), ErrorCode::kNoSuchKey);
  EXPECT_EQ(intents(), 0U);
}

TEST_F(MoveDirectoryTest, ADeathAtAnyMomentIsGoneOnWithByTheNextMount) {
  for (const int commands : {0, 1, 2, 3, 5, 20, 50, 100, 150}) {
    const std::string from = "from" + std::to_string(commands);
    const std::string to = "to" + std::to_string(commands);
    fill(from);
    die_after(commands);
    EXPECT_FALSE(rename(from, to)) << commands;
    live();
    reopen();
    wait_for_moves();
    // Before its row is at the new name it is as if nothing had been.
    const bool moved = runtime_.run_until(volume_->lookup("", to)).has_value();
    if (commands == 0) EXPECT_FALSE(moved);
    if (commands >= 20) EXPECT_TRUE(moved);
    expect_at(moved ? to : from);
    expect_gone(moved ? from : to);
  }
}

// They were replaced by what the rename brought: acknowledged, and gone.
TEST_F(MoveDirectoryTest, WhatSomebodyPutAtANewNameMeanwhileStaysAndSoDoesTheOldOne) {
  fill("from");
  die_after(12);
  EXPECT_FALSE(rename("from", "to"));
  live();
  for (int n = 0; n < kFiles; ++n) put_object("to/" + file(n), "newer");
  reopen();
  wait_for_moves();
  for (int n = 0; n < kFiles; ++n) {
    EXPECT_EQ(object("to/" + file(n)), "newer");
    EXPECT_EQ(object("to/sub/" + file(n)), "below " + std::to_string(n));
  }
  const auto left = names("from");
  EXPECT_FALSE(left.empty());
  for (const std::string& name : left) EXPECT_EQ(object("from/" + name), "file " + name.substr(1));
}

TEST_F(MoveDirectoryTest, ARetryAfterAnErrorGoesOn) {
  fill("from");
  die_after(40);
  EXPECT_FALSE(rename("from", "to"));
  live();
  mv("from", "to");
  expect_at("to");
  expect_gone("from");
}

// A directory made at the old name while a rename of it waits for the next mount is another one.
TEST_F(MoveDirectoryTest, ADirectoryMadeAtTheOldNameSinceStays) {
  fill("from");
  const InodeId inode = stat("", "from").inode;
  fail_next(FileCommand::kDirectoryMoveEnd, set_of("from/"));
  EXPECT_FALSE(rename("from", "to"));
  mkdir("", "from");
  reopen();
  wait_for_moves();
  EXPECT_EQ(stat("", "to").inode, inode);
  EXPECT_NE(stat("", "from").inode, inode);
  expect_at("to");
}

TEST_F(MoveDirectoryTest, OfTwoDirectoriesThatAreRenamedToOneNameOneWins) {
  fill("one");
  fill("two");
  mkdir("", "to");
  const auto results = both("one", "to", "two", "to");
  EXPECT_NE(results[0].has_value(), results[1].has_value());
  expect_at("to");
  expect_at(results[0] ? "two" : "one");
  expect_gone(results[0] ? "one" : "two");
}

TEST_F(MoveDirectoryTest, TwoRenamesOfOneDirectoryEndInOneName) {
  fill("from");
  const auto results = both("from", "one", "from", "two");
  EXPECT_NE(results[0].has_value(), results[1].has_value());
  expect_gone("from");
  const auto left = names("");
  ASSERT_EQ(left.size(), 1U);
  expect_at(left.front());
}

TEST_F(MoveDirectoryTest, WhereSeveralNodesMayMountItIsLeftToThePrograms) {
  fill("from");
  run(volume_->close());
  cluster_->set_spans_nodes(true);
  open();
  EXPECT_EQ(rename("from", "to").error().code(), ErrorCode::kCrossDevice);
  expect_at("from");
}

TEST_F(MoveDirectoryTest, KeepsTheHistoryAtTheOldNames) {
  run(store_->set_versioning("bucket", objects::Versioning::kEnabled));
  fill("from");
  mv("from", "to");
  expect_at("to");
  expect_gone("from");
  const auto history = get(store_->list_versions({.bucket = "bucket", .prefix = "from/f3"}));
  EXPECT_GE(history.versions.size(), 2U);
}

}  // namespace
}  // namespace flashstor::files
