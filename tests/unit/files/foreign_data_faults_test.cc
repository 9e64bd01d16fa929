#include <chrono>
#include <string>

#include "engine/objects/store_parts.h"
#include "tests/unit/files/foreign_data_fixture.h"

namespace flashstor::files {
namespace {

/// What becomes of references that were taken across sets when the command that uses them does not end well.
class ForeignDataFaultsTest : public ForeignDataTest {
 protected:
  static constexpr auto kPublish = static_cast<cluster::CommandKind>(FileCommand::kPublish);
  static constexpr auto kRename = static_cast<cluster::CommandKind>(FileCommand::kRename);
  /// As after everything that is under way has had its time.
  void sweep() {
    const WallTime now = runtime_.wall_now();
    const objects::StoreParts parts{*store_};
    for (std::uint32_t set = 0; set < sets(); ++set)
      cluster_->fake(set).rows().set_now(now + std::chrono::hours(1));
    for (std::uint32_t set = 0; set < sets(); ++set)
      static_cast<void>(runtime_.run_until(parts.sweep_taken(set, now + std::chrono::hours(1))));
    static_cast<void>(runtime_.run_until(parts.forget_referrers(now + std::chrono::hours(48))));
    for (std::uint32_t set = 0; set < sets(); ++set) cluster_->fake(set).rows().set_now(now);
  }
  /// The names that the bytes had first go: only what was taken keeps them.
  void forget_first_names() {
    for (const std::string& key : first_)
      while (!version_of(key, 0).empty()) remove_version(key, version_of(key, 0));
  }
  static Task<void> rename_it(Volume* volume, std::string from, std::string to) {
    EXPECT_TRUE(co_await volume->rename("", from, "", to, RenameMode::kReplace));
  }
  testing::FakeSet& home() { return cluster_->fake(set_of("file")); }
};

TEST_F(ForeignDataFaultsTest, AnAnswerThatIsLostLeavesThemTaken) {
  const auto file = open_to_write("file");
  write(*file, bytes_.size(), "more");
  home().lose_answer(kPublish);
  EXPECT_EQ(error(file->sync(false)), ErrorCode::kUnknownOutcome);
  EXPECT_EQ(object("file"), bytes_ + "more");
  EXPECT_GT(taken(), 0U);
  sweep();
  EXPECT_EQ(taken(), 0U);
  forget_first_names();
  EXPECT_EQ(object("file"), bytes_ + "more");
  EXPECT_EQ(due(), 0U);
  get(file->sync(false));
  get(file->release());
  EXPECT_EQ(object("file"), bytes_ + "more");
  remove_everything();
}

TEST_F(ForeignDataFaultsTest, SoDoesThatOfARename) {
  const std::string to = name_for("file", false);
  home().lose_answer(kRename);
  EXPECT_FALSE(rename("file", to));
  sweep();
  EXPECT_EQ(taken(), 0U);
  forget_first_names();
  EXPECT_EQ(object(to), bytes_);
  EXPECT_EQ(due(), 0U);
  remove_everything();
}

TEST_F(ForeignDataFaultsTest, WhatTheCommandNeverUsedIsGivenBack) {
  const std::string to = name_for("file", false);
  int tries = 0;
  home().set_before_execute([&](const cluster::Command& command) {
    if (command.kind == kRename && ++tries == 2) home().fail_next(kRename, ErrorCode::kUnknownOutcome);
  });
  EXPECT_FALSE(rename("file", to));
  home().set_before_execute({});
  EXPECT_GT(taken(), 0U);
  sweep();
  EXPECT_EQ(taken(), 0U);
  EXPECT_EQ(object("file"), bytes_);
  remove_everything();
}

// It was taken for used where the entry was to be seen: what the version that went with it had taken was
// never given back.
TEST_F(ForeignDataFaultsTest, ThoseOfAVersionThatIsNotDecidedYetStayAsTheyAre) {
  for (const bool voided : {true, false}) {
    const auto file = open_to_write("file");
    write(*file, bytes_.size(), "more");
    home().leave_undecided(kPublish);
    EXPECT_EQ(error(file->sync(false)), ErrorCode::kUnknownOutcome);
    const std::size_t before = taken();
    sweep();
    EXPECT_EQ(taken(), before);
    home().decide(voided);
    sweep();
    EXPECT_EQ(taken(), 0U);
    get(file->sync(false));
    get(file->release());
    EXPECT_EQ(object("file"), bytes_ + "more");
  }
  remove_everything();
}

// Holding all names it was found, and nobody knew before for which name to take references: EOPNOTSUPP.
TEST_F(ForeignDataFaultsTest, AFileThatIsRenamedBeforeEachTryIsCaught) {
  run(volume_->close());
  cluster_->set_spans_nodes(true);
  open();
  const auto other = get(Volume::open(*store_, "bucket", {}, runtime_));
  const auto file = get(other->open({"file", {}}, {.read = true, .write = true}));
  write(*file, bytes_.size(), "more");
  std::string at = "file";
  const std::string near = name_for("file", false);
  const std::uint32_t set = set_of("file");
  bool busy = false;
  int renames = 0;
  cluster_->fake(set).set_before_execute([&](const cluster::Command& command) {
    if (busy || command.kind != kPublish) return;
    const std::string to = at == near ? "file" : near;
    ++renames;
    busy = true;
    async::start_detached(rename_it(volume_.get(), std::exchange(at, to), to));
    busy = false;
  });
  get(file->sync(false));
  EXPECT_GT(renames, 3);
  cluster_->fake(set).set_before_execute({});
  EXPECT_EQ(object(at), bytes_ + "more");
  get(file->release());
  run(other->close());
  sweep();
  remove_everything();
}

/// A command that uses references is held up; a leader whose clock is ahead refuses its referrer meanwhile;
/// then the command comes to one whose clock is right, before its deadline. It was done: its bytes were
/// freed.
class RefusedForeignDataTest : public ForeignDataFaultsTest {
 protected:
  void hold(FileCommand kind, std::uint32_t set) {
    cluster_->fake(set).set_before_execute([this, kind, set](const cluster::Command& command) {
      if (command.kind != static_cast<cluster::CommandKind>(kind) || referrers_of(command).empty()) return;
      held_ = command;
      fail_next(kind, set);
    });
  }
  static std::vector<Uuid> referrers_of(const cluster::Command& command) {
    std::vector<Uuid> referrers;
    for (const cluster::LockName& lock : command.locks)
      if (const auto one = objects::parse_referrer_key(std::string_view(lock.name).substr(1));
          one && lock.name[0] == static_cast<char>(Family::kIntents))
        referrers.push_back(*one);
    return referrers;
  }
  void expect_refused(std::uint32_t set) {
    cluster_->fake(set).set_before_execute({});
    ASSERT_FALSE(referrers_of(held_).empty()) << "what becomes of the referrer is not locked";
    const WallTime now = runtime_.wall_now();
    const objects::StoreParts parts{*store_};
    cluster_->fake(set).rows().set_now(now + std::chrono::hours(1));
    for (std::uint32_t at = 0; at < sets(); ++at)
      EXPECT_TRUE(runtime_.run_until(parts.sweep_taken(at, now + std::chrono::hours(1))));
    cluster_->fake(set).rows().set_now(now);
    EXPECT_EQ(error(cluster_->fake(set).execute(held_)), ErrorCode::kTimeout);
    EXPECT_EQ(due(), 0U);
  }

  cluster::Command held_;
};

TEST_F(RefusedForeignDataTest, APublish) {
  const auto file = open_to_write("file");
  write(*file, bytes_.size(), "more");
  hold(FileCommand::kPublish, set_of("file"));
  EXPECT_EQ(error(file->sync(false)), ErrorCode::kUnknownOutcome);
  expect_refused(set_of("file"));
  EXPECT_EQ(object("file"), bytes_);
  get(file->release());
  EXPECT_EQ(object("file"), bytes_ + "more");
}

TEST_F(RefusedForeignDataTest, ARename) {
  const std::string to = name_for("file", false);
  hold(FileCommand::kRename, set_of("file"));
  EXPECT_FALSE(rename("file", to));
  expect_refused(set_of("file"));
  EXPECT_EQ(object("file"), bytes_);
}

// The node that renames dies, so that nobody refuses the rename itself.
TEST_F(RefusedForeignDataTest, ARenameIntoAnotherSet) {
  const std::string to = name_for("file", true);
  hold(FileCommand::kMovePlace, set_of(to));
  fail_next(FileCommand::kMoveSettle, set_of(to));
  EXPECT_FALSE(rename("file", to));
  expect_refused(set_of(to));
  EXPECT_EQ(error(volume_->lookup("", to)), ErrorCode::kNoSuchKey);
  EXPECT_EQ(object("file"), bytes_);
}

}  // namespace
}  // namespace flashstor::files
