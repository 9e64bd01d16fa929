#include <algorithm>
#include <set>

#include "tests/unit/files/many_sets_fixture.h"

namespace flashstor::files {
namespace {

TEST_F(ManySetsTest, ARenameIntoAnotherSetKeepsBytesInodeAndAttributes) {
  const std::string to = name_for("from", true);
  put_object("from", std::string(300'000, 'x') + "end");
  const InodeId inode = stat("", "from").inode;
  mv("from", to);
  EXPECT_EQ(error(volume_->lookup("", "from")), ErrorCode::kNoSuchKey);
  EXPECT_EQ(stat("", to).inode, inode);
  EXPECT_EQ(object(to), std::string(300'000, 'x') + "end");
  EXPECT_EQ(intents(), 0U);
  EXPECT_EQ(due(), 0U);  // no bytes moved and none went
  mv(to, "from");        // and back
  EXPECT_EQ(object("from"), std::string(300'000, 'x') + "end");
  get(volume_->remove("", "from"));
  EXPECT_EQ(due(), 1U);
}

TEST_F(ManySetsTest, ARenameReplacesWhatLiesInTheOtherSet) {
  const std::string to = name_for("from", true);
  put_file("", "from", "new");
  put_file("", to, "old");
  const auto reader = get(volume_->open({to, {}}, {}));
  EXPECT_EQ(rename("from", to, RenameMode::kNoReplace).error().code(), ErrorCode::kExists);
  EXPECT_EQ(object("from"), "new");
  EXPECT_EQ(intents(), 0U);
  mv("from", to);
  EXPECT_EQ(object(to), "new");
  EXPECT_EQ(read(*reader), "old");  // lives until its last close
  get(reader->release());
  EXPECT_EQ(names(""), (std::vector<std::string>{to}));
}

TEST_F(ManySetsTest, AFileThatIsWrittenGoesOnUnderItsNewName) {
  const std::string to = name_for("from", true);
  const auto file = create("", "from");
  const std::string streamed(3 << 20, 's');
  write(*file, 0, streamed);  // on its way to the drives of the old name's set
  mv("from", to);
  write(*file, streamed.size(), "more");
  get(file->sync(false));
  EXPECT_EQ(object(to), streamed + "more");
  mv(to, "from");
  write(*file, 0, "S");
  get(file->release());
  EXPECT_EQ(object("from"), "S" + streamed.substr(1) + "more");
}

TEST_F(ManySetsTest, EveryWayOverSetsAndBackAndForth) {
  std::set<std::string> wanted;
  for (int n = 0; n < 20; ++n) {
    const std::string text = "text" + std::to_string(n);
    put_file("", "a" + std::to_string(n), text);
    for (const std::string step : {"b", "c", "d"})
      mv((step == "b" ? "a" : step == "c" ? "b" : "c") + std::to_string(n), step + std::to_string(n));
    EXPECT_EQ(object("d" + std::to_string(n)), text);
    wanted.insert("d" + std::to_string(n));
  }
  const auto found = names("");
  EXPECT_EQ(std::set<std::string>(found.begin(), found.end()), wanted);
  EXPECT_EQ(intents(), 0U);
}

TEST_F(ManySetsTest, ACrashAtAnyStepEndsInOneName) {
  struct Step {
    FileCommand kind;
    bool at_source;
    bool moved;  ///< Which name it is after the crash.
  };
  int number = 0;
  for (const Step step : {Step{FileCommand::kMovePlace, false, false},
                          {FileCommand::kMoveEnd, true, true},
                          {FileCommand::kMoveForget, false, true}}) {
    const std::string from = "from" + std::to_string(number++);
    const std::string to = name_for(from, true);
    put_file("", from, "bytes of " + from);
    put_file("", to, "old");
    const std::uint32_t set = set_of(step.at_source ? from : to);
    if (step.kind == FileCommand::kMoveEnd)
      fail_end(set);
    else
      fail_next(step.kind, set);
    // Nor can the rename that is answered with an error clean up behind itself.
    if (!step.moved) fail_next(FileCommand::kMoveSettle, set);
    static_cast<void>(rename(from, to));
    reopen();
    EXPECT_EQ(intents(), 0U) << number;
    const auto found = names("");
    EXPECT_EQ(std::ranges::count(found, from), step.moved ? 0 : 1) << number;
    EXPECT_EQ(object(step.moved ? to : from), "bytes of " + from) << number;
    if (!step.moved) EXPECT_EQ(object(to), "old");
    get(volume_->remove("", to));
  }
}

// The other node ended the rename as refused and forgot that; then the new name was made all the same, and
// both stayed.
TEST_F(ManySetsTest, ARenameThatAnotherNodeSettlesMeanwhileEndsInOneName) {
  const std::string to = name_for("from", true);
  put_file("", "from", "bytes");
  std::unique_ptr<Volume> other;
  const auto open_other = [](objects::ObjectStore* store, Runtime* runtime,
                             std::unique_ptr<Volume>* out) -> Task<void> {
    auto opened = co_await Volume::open(*store, "bucket", {}, *runtime);
    if (opened) *out = std::move(*opened);
  };
  cluster_->fake(set_of(to)).set_before_execute([&](const cluster::Command& command) {
    if (command.kind == static_cast<cluster::CommandKind>(FileCommand::kMovePlace) && other == nullptr)
      async::start_detached(open_other(store_.get(), &runtime_, &other));
  });
  EXPECT_TRUE(rename("from", to));  // refused once, and made then
  ASSERT_NE(other, nullptr);
  EXPECT_EQ(names(""), std::vector<std::string>{to});
  EXPECT_EQ(object(to), "bytes");
  EXPECT_EQ(intents(), 0U);
  run(other->close());
}

// The set of the old name had just lost its leader: the rename was answered, and both names stayed.
TEST_F(ManySetsTest, ARenameIsAnsweredOnceTheOldNameIsGone) {
  const std::string to = name_for("from", true);
  put_file("", "from", "bytes");
  for (int failure = 0; failure < 2; ++failure) fail_next(FileCommand::kMoveEnd, set_of("from"));
  EXPECT_TRUE(rename("from", to));
  EXPECT_EQ(names(""), std::vector<std::string>{to});
  EXPECT_EQ(intents(), 0U);
}

TEST_F(ManySetsTest, WhoeverMeetsAnUnfinishedRenameSettlesIt) {
  const std::string to = name_for("from", true);
  put_file("", "from", "bytes");
  fail_end(set_of("from"));
  EXPECT_TRUE(rename("from", to));  // placed, not ended: both names show the file
  EXPECT_EQ(object(to), "bytes");
  EXPECT_EQ(error(volume_->remove("", "from")), ErrorCode::kNoSuchKey);
  EXPECT_EQ(intents(), 0U);
  EXPECT_EQ(names(""), (std::vector<std::string>{to}));
}

// The rename was made and answered an error: what was written went to the old name, or nowhere.
TEST_F(ManySetsTest, AFileThatIsOpenGoesOnWhereARenameWasMadeWithoutAnAnswer) {
  for (const bool end_fails : {false, true}) {
    const std::string to = name_for("from", true);
    const auto file = create("", "from");
    write(*file, 0, "written");
    if (end_fails)
      fail_end(set_of("from"));
    else
      cluster_->fake(set_of(to)).lose_answer(static_cast<cluster::CommandKind>(FileCommand::kMovePlace));
    EXPECT_TRUE(rename("from", to));
    get(file->sync(false));
    EXPECT_EQ(object(to), "written");
    get(file->release());
    reopen();
    EXPECT_EQ(names(""), std::vector<std::string>{to});
    EXPECT_EQ(intents(), 0U);
    get(volume_->remove("", to));
  }
}

// The change was acknowledged at the old name, which went then.
TEST_F(ManySetsTest, AttributesThatAreSetWhileAFileMovesAreNotAnsweredAndLost) {
  const std::string to = name_for("from", true);
  put_file("", "from", "bytes");
  const InodeId inode = stat("", "from").inode;
  bool answered = false;
  Result<Attributes> changed = fail(ErrorCode::kInternal);
  const auto change_mode = [](Volume* volume, FileRef file, Result<Attributes>* out,
                              bool* end) -> Task<void> {
    AttributeChange change;
    change.mode = 0600;
    *out = co_await volume->change_attributes(std::move(file), change);
    *end = true;
  };
  cluster_->fake(set_of(to)).set_before_execute([&](const cluster::Command& command) {
    if (command.kind == static_cast<cluster::CommandKind>(FileCommand::kMovePlace))
      async::start_detached(change_mode(volume_.get(), {"from", inode}, &changed, &answered));
  });
  mv("from", to);
  for (int i = 0; i < 3000 && !answered; ++i)
    runtime_.run_until(
        [](Runtime* loop) -> Task<void> { co_await async::sleep_for(*loop, Milliseconds(1)); }(&runtime_));
  ASSERT_TRUE(answered);
  if (changed) EXPECT_EQ(stat("", to).mode, 0600U);
  if (!changed) EXPECT_TRUE(is_lost(changed.error().code())) << changed.error().describe();
}

// Each rename of another file that ended meanwhile used up one of its tries: EBUSY after eight.
TEST_F(ManySetsTest, WhoMeetsAFileThatIsMovingWaitsForThatOne) {
  const std::string to = name_for("from", true);
  put_file("", "from", "bytes");
  async::Event go;
  cluster_->fake(set_of("from")).hold_answer(static_cast<cluster::CommandKind>(FileCommand::kMoveBegin), go);
  std::vector<Result<void>> ended;
  const auto note = [](Task<Result<void>> task, std::vector<Result<void>>* out) -> Task<void> {
    auto done = co_await std::move(task);
    out->push_back(std::move(done));
  };
  runtime_.run_until([](Volume* volume, std::string target, decltype(note) run,
                        std::vector<Result<void>>* out) -> Task<void> {
    async::start_detached(run(volume->rename("", "from", "", target, RenameMode::kReplace), out));
    async::start_detached(run(volume->remove("", "from"), out));
    co_return;
  }(volume_.get(), to, note, &ended));
  for (int n = 0; n < 2 * kMaxStaleRetries; ++n) {
    const std::string other = "other" + std::to_string(n);
    put_file("", other, "x");
    std::string away = other + "x";
    while (set_of(away) == set_of(other)) away += "x";
    mv(other, away);
  }
  EXPECT_TRUE(ended.empty());
  runtime_.run_until([](Runtime* loop, async::Event* event, std::vector<Result<void>>* out) -> Task<void> {
    event->set();
    while (out->size() < 2) co_await async::sleep_for(*loop, Milliseconds(1));
  }(&runtime_, &go, &ended));
  EXPECT_NE(ended[0].has_value(), ended[1].has_value());
  for (const auto& each : ended)
    if (!each) EXPECT_EQ(each.error().code(), ErrorCode::kNoSuchKey);
}

TEST_F(ManySetsTest, OneOfTwoRenamesOfAFileWins) {
  const std::string one = name_for("from", true);
  put_file("", "from", "bytes");
  std::vector<Result<void>> results;
  const auto both = [](Volume* volume, std::string first, std::string second,
                       std::vector<Result<void>>* out) -> Task<Result<void>> {
    async::Gate gate;
    const auto go = [](Volume* volume, std::string to, std::vector<Result<void>>* seen) -> Task<void> {
      seen->push_back(co_await volume->rename("", "from", "", to, RenameMode::kReplace));
    };
    gate.spawn(go(volume, std::move(first), out));
    gate.spawn(go(volume, std::move(second), out));
    co_await gate.close();
    co_return {};
  };
  run(both(volume_.get(), one, "else", &results));
  ASSERT_EQ(results.size(), 2U);
  EXPECT_NE(results[0].has_value(), results[1].has_value());
  EXPECT_EQ(names("").size(), 1U);
}

TEST_F(ManySetsTest, ADirectoryWithEntriesInAnySetIsNotEmpty) {
  mkdir("", "d");
  for (int n = 0; n < 6; ++n) {
    put_file("d", "f" + std::to_string(n), "x");
    EXPECT_EQ(error(volume_->remove_directory("", "d")), ErrorCode::kDirectoryNotEmpty) << n;
    get(volume_->remove("d", "f" + std::to_string(n)));
  }
  get(volume_->remove_directory("", "d"));
  put_object("e/below", "x");  // implied, wherever its keys lie
  EXPECT_EQ(error(volume_->make("", "e", {.kind = Kind::kFile})), ErrorCode::kExists);
  put_file("", "f", "x");
  EXPECT_EQ(rename("f", "e").error().code(), ErrorCode::kIsDirectory);
}

TEST_F(ManySetsTest, HardLinksAndExchangeStayInOneSet) {
  const std::string to = name_for("from", true);
  const std::string near = name_for("from", false);
  put_file("", "from", "x");
  put_file("", to, "y");
  EXPECT_EQ(rename("from", to, RenameMode::kExchange).error().code(), ErrorCode::kCrossDevice);
  EXPECT_EQ(error(volume_->link({"from", {}}, "", to)), ErrorCode::kCrossDevice);
  get(volume_->link({"from", stat("", "from").inode}, "", near));
  EXPECT_EQ(rename("from", to).error().code(), ErrorCode::kCrossDevice);
  EXPECT_EQ(object(to), "y");
}

/// A bucket that keeps versions.
class VersionedVolumeTest : public VolumeTest {
 protected:
  void SetUp() override {
    VolumeTest::SetUp();
    run(store_->set_versioning("bucket", objects::Versioning::kEnabled));
  }
  std::size_t versions_of(const std::string& key) {
    return get(store_->list_versions({.bucket = "bucket", .prefix = key})).versions.size();
  }
};

TEST_F(VersionedVolumeTest, HardLinksShareBytesAndKeepTheHistoryOfEach) {
  put_file("", "one", "first");
  get(volume_->link({"one", stat("", "one").inode}, "", "two"));
  const auto file = get(volume_->open({"two", {}}, {.read = true, .write = true}));
  write(*file, 0, "SECOND");
  get(file->release());
  EXPECT_EQ(object("one"), "SECOND");
  EXPECT_EQ(object("two"), "SECOND");
  EXPECT_GE(versions_of("one"), 2U);
  get(volume_->remove("", "one"));
  EXPECT_EQ(stat("", "two").links, 1U);
  EXPECT_EQ(read_file("two"), "SECOND");
}

TEST_F(VersionedVolumeTest, ADirectoryMovesAndItsHistoryStays) {
  put_object("d/a", "old");
  put_object("d/a", "new");
  put_object("d/sub/b", "below");
  mv("d", "e");
  EXPECT_EQ(object("e/a"), "new");
  EXPECT_EQ(object("e/sub/b"), "below");
  EXPECT_EQ(names(""), (std::vector<std::string>{"e"}));
  EXPECT_GE(versions_of("d/a"), 2U);
  put_object("d/a", "again");
  EXPECT_EQ(object("d/a"), "again");
}

TEST_F(VersionedVolumeTest, ADirectoryOverTheLimitOfOneEntryMovesWhole) {
  for (std::size_t n = 0; n < kMaxMovedVersions + 5; ++n) put_object("d/" + std::to_string(n), "x");
  mv("d", "e");
  EXPECT_EQ(names("e").size(), kMaxMovedVersions + 5);
  EXPECT_EQ(names(""), (std::vector<std::string>{"e"}));
}

// Both went on with whatever stood there: half of it came to the one name, half to the other.
TEST_F(VersionedVolumeTest, OfTwoRenamesThatTakeSeveralStepsOneMovesAll) {
  for (std::size_t n = 0; n < kMaxMovedVersions + 5; ++n) put_object("d/" + std::to_string(n), "x");
  std::optional<Result<void>> other;
  const auto second = [](Volume* volume, std::optional<Result<void>>* out) -> Task<void> {
    *out = co_await volume->rename("", "d", "", "f", RenameMode::kReplace);
  };
  int steps = 0;
  cluster_->fake(0).set_before_execute([&](const cluster::Command& command) {
    if (command.kind == static_cast<cluster::CommandKind>(FileCommand::kRenameDirectory) && ++steps == 2)
      async::start_detached(second(volume_.get(), &other));
  });
  mv("d", "e");
  cluster_->fake(0).set_before_execute({});
  ASSERT_TRUE(other);
  EXPECT_EQ(other->error().code(), ErrorCode::kNoSuchKey);
  EXPECT_EQ(names("e").size(), kMaxMovedVersions + 5);
  EXPECT_EQ(names(""), (std::vector<std::string>{"e"}));
}

// The mount ended it, and it was renamed back: the step that came late moved it again.
TEST_F(VersionedVolumeTest, AStepThatComesLateMovesNothing) {
  for (std::size_t n = 0; n < kMaxMovedVersions + 5; ++n) put_object("d/" + std::to_string(n), "x");
  bool back = false;
  const auto mount_and_back = [](objects::ObjectStore* store, Runtime* runtime, bool* done) -> Task<void> {
    auto other = co_await Volume::open(*store, "bucket", {}, *runtime);
    if (!other) co_return;
    *done = (co_await (*other)->rename("", "e", "", "d", RenameMode::kReplace)).has_value();
    static_cast<void>(co_await (*other)->close());
  };
  int steps = 0;
  cluster_->fake(0).set_before_execute([&](const cluster::Command& command) {
    if (command.kind == static_cast<cluster::CommandKind>(FileCommand::kRenameDirectory) && ++steps == 2)
      async::start_detached(mount_and_back(store_.get(), &runtime_, &back));
  });
  mv("d", "e");
  cluster_->fake(0).set_before_execute({});
  EXPECT_TRUE(back);
  EXPECT_EQ(names("d").size(), kMaxMovedVersions + 5);
  EXPECT_EQ(names(""), (std::vector<std::string>{"d"}));
}

TEST_F(VersionedVolumeTest, AnUnlinkedFileIsWrittenUntilItsLastRelease) {
  const auto file = create("", "f");
  write(*file, 0, "still here");
  get(file->sync(false));
  get(volume_->remove("", "f"));
  write(*file, 6, "HERE");
  get(file->sync(false));
  EXPECT_EQ(read(*file), "still HERE");
  get(file->release());
  EXPECT_TRUE(names("").empty());
}

}  // namespace
}  // namespace flashstor::files
