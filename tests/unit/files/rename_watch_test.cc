#include "engine/files/rename_watch.h"

#include <optional>

#include "tests/unit/files/rename_meets_fixture.h"

namespace flashstor::files {
namespace {

/// Where one entry renames a directory.
class RenameMeetsSyncTest : public RenameMeetsOpenTest {
 protected:
  [[nodiscard]] std::uint32_t sets() const override { return 1; }
};

TEST_F(RenameMeetsSyncTest, ASyncBesideTheRenameOfItsDirectoryKeepsTheBytes) {
  mkdir("", "d");
  const auto file = create("d", "f");
  write(*file, 0, "first");
  async::Event renamed;
  async::Gate gate;
  Result<void> done;
  Result<void> synced;
  hold(FileCommand::kRenameDirectory, "d/", renamed);
  begin(gate, rename_into(volume_.get(), "d", "e", &done));
  write(*file, 5, " second");
  begin(gate, sync_into(file.get(), &synced));
  let_go(renamed);
  runtime_.run_until(gate.close());
  ASSERT_TRUE(done);
  ASSERT_TRUE(synced) << synced.error().describe();
  EXPECT_EQ(object("e/f"), "first second");
  get(file->release());
}

// Every open file below lost its bytes: the name that it may have was known of the rename of a file alone.
TEST_F(RenameMeetsSyncTest, FilesBelowADirectoryWhoseRenameGotNoAnswerAreFoundAtEitherName) {
  for (const bool made : {true, false}) {
    for (const RenameMode mode : {RenameMode::kReplace, RenameMode::kExchange}) {
      mkdir("", "d");
      if (mode == RenameMode::kExchange) mkdir("", "e");
      const auto file = create("d", "f");
      write(*file, 0, "first");
      const auto other = mode == RenameMode::kExchange ? create("e", "g") : nullptr;
      if (other) write(*other, 0, "other");
      const auto kind = static_cast<cluster::CommandKind>(FileCommand::kRenameDirectory);
      if (made) cluster_->fake(0).lose_answer(kind);
      if (!made) cluster_->fake(0).fail_next(kind, ErrorCode::kUnknownOutcome);
      EXPECT_FALSE(rename("d", "e", mode));
      write(*file, 5, " second");
      get(file->sync(false));
      if (other) get(other->sync(false));
      const std::string from = made ? "e" : "d";
      const std::string to = made ? "d" : "e";
      EXPECT_EQ(object(from + "/f"), "first second");
      if (other) EXPECT_EQ(object(to + "/g"), "other");
      get(file->release());
      if (other) get(other->release());
      get(volume_->remove(from, "f"));
      get(volume_->remove_directory("", from));
      if (!other) continue;
      get(volume_->remove(to, "g"));
      get(volume_->remove_directory("", to));
    }
  }
}

TEST_F(RenameMeetsSyncTest, AnOpenThatTheRenameOfItsDirectoryOvertakesIsOfTheNewName) {
  mkdir("", "d");
  put_file("d", "f", "old bytes");
  const InodeId inode = stat("d", "f").inode;
  async::Event found;
  async::Gate gate;
  Result<std::unique_ptr<OpenFileApi>> opened;
  hold(FileCommand::kLookup, "d/f", found);
  begin(gate, open_into(volume_.get(), {"d/f", inode}, &opened));
  mv("d", "e");
  let_go(found);
  runtime_.run_until(gate.close());
  ASSERT_TRUE(opened);
  write(**opened, 0, "NEW");
  get((*opened)->release());
  EXPECT_EQ(object("e/f"), "NEW bytes");
}

TEST(RenameWatchTest, TellsTheNamesOfAllChangesSinceTheLook) {
  RenameWatch watch;
  const auto change = [&watch](RenameWatch::Rename rename, bool made = true) {
    RenameWatch::Change one(watch, std::move(rename));
    if (made) one.sent();
  };
  change({.from = "a", .to = "before"});
  RenameWatch::Look look(watch);
  change({.from = "a", .to = "never"}, false);
  EXPECT_TRUE(look.moved("a").empty());
  change({.from = "a", .to = "d/b"});
  change({.from = "d/", .to = "e/"});
  change({.from = "e/b", .to = "c", .exchange = true});
  EXPECT_EQ(look.moved("a"), (std::vector<std::string>{"a", "d/b", "e/b", "c"}));
  EXPECT_TRUE(look.moved("a").empty());  // told already
  {
    RenameWatch::Change under_way(watch, {.from = "d/", .to = "e/"});
    EXPECT_FALSE(watch.changing("d/x"));
    under_way.sent();
    EXPECT_TRUE(watch.changing("d/x") && watch.changing("e/x") && watch.changing_above("d/x"));
    EXPECT_FALSE(watch.changing("d") || watch.changing("f"));
  }
  EXPECT_FALSE(watch.changing("d/x"));
}

// They were kept until no look was left, which never comes where many files are opened.
TEST(RenameWatchTest, ForgetsWhatEveryLookHasSeenOrCameAfter) {
  RenameWatch watch;
  std::optional<RenameWatch::Look> one(std::in_place, watch);
  std::optional<RenameWatch::Look> other;
  for (int n = 0; n < 100; ++n) {
    {
      RenameWatch::Change change(watch, {.from = "a", .to = "b"});
      change.sent();
    }
    std::optional<RenameWatch::Look>& next = n % 2 == 0 ? other : one;
    next.emplace(watch);
    (n % 2 == 0 ? one : other).reset();
    EXPECT_EQ(watch.remembered(), 0U);
  }
  other.emplace(watch);
  {
    RenameWatch::Change change(watch, {.from = "a", .to = "b"});
    change.sent();
  }
  EXPECT_EQ(other->moved("a").size(), 2U);
  EXPECT_EQ(watch.remembered(), 1U);  // the other look has not seen it
  EXPECT_EQ(one->moved("a").size(), 2U);
  EXPECT_EQ(watch.remembered(), 0U);
}

}  // namespace
}  // namespace flashstor::files
