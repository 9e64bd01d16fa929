#include "engine/files/rename_watch.h"

#include "tests/unit/files/many_sets_fixture.h"

namespace flashstor::files {
namespace {

/// Opens, writes and syncs that a rename or an unlink of the same volume meets. Answers of sets are held
/// back, so that the one is between its steps while the other goes on.
class RenameMeetsOpenTest : public ManySetsTest {
 protected:
  void hold(FileCommand kind, const std::string& key, async::Event& until) {
    cluster_->fake(set_of(key)).hold_answer(static_cast<cluster::CommandKind>(kind), until);
  }
  void begin(async::Gate& gate, Task<void> task) {
    const auto spawn = [](async::Gate* into, Task<void> what) -> Task<void> {
      into->spawn(std::move(what));
      co_return;
    };
    runtime_.run_until(spawn(&gate, std::move(task)));
  }
  void let_go(async::Event& answer) {
    const auto set = [](async::Event* event) -> Task<void> {
      event->set();
      co_return;
    };
    runtime_.run_until(set(&answer));
  }
  static Task<void> open_into(Volume* volume, FileRef file, Result<std::unique_ptr<OpenFileApi>>* out) {
    *out = co_await volume->open(std::move(file), {.read = true, .write = true});
  }
  static Task<void> rename_into(Volume* volume, std::string from, std::string to, Result<void>* out) {
    *out = co_await volume->rename("", from, "", to, RenameMode::kReplace);
  }
  static Task<void> remove_into(Volume* volume, std::string name, Result<void>* out) {
    *out = co_await volume->remove("", name);
  }
  static Task<void> sync_into(OpenFileApi* file, Result<void>* out) { *out = co_await file->sync(false); }
  /// The row has been read and the open is not made yet when the rename begins and ends.
  void open_overtaken_by(const std::string& from, const std::string& to) {
    put_file("", from, "old bytes");
    const InodeId inode = stat("", from).inode;
    async::Event found;
    async::Gate gate;
    Result<std::unique_ptr<OpenFileApi>> opened;
    hold(FileCommand::kLookup, from, found);
    begin(gate, open_into(volume_.get(), {from, inode}, &opened));
    mv(from, to);
    let_go(found);
    runtime_.run_until(gate.close());
    ASSERT_TRUE(opened) << opened.error().describe();
    write(**opened, 0, "NEW");
    get((*opened)->sync(false));
    EXPECT_EQ(object(to), "NEW bytes");
    write(**opened, 4, "BYTES");
    get((*opened)->flush());
    get((*opened)->release());
    EXPECT_EQ(object(to), "NEW BYTES");
    EXPECT_EQ(names(""), std::vector<std::string>{to});
  }
};

TEST_F(RenameMeetsOpenTest, AnOpenThatARenameOvertakesIsOfTheNewName) {
  open_overtaken_by("from", name_for("from", false));
}

TEST_F(RenameMeetsOpenTest, AnOpenThatARenameToAnotherSetOvertakesIsOfTheNewName) {
  open_overtaken_by("from", name_for("from", true));
}

TEST_F(RenameMeetsOpenTest, AnOpenWaitsForTheRenameThatIsUnderWay) {
  const std::string to = name_for("from", false);
  put_file("", "from", "old bytes");
  const InodeId inode = stat("", "from").inode;
  async::Event found;
  async::Event renamed;
  async::Gate gate;
  Result<std::unique_ptr<OpenFileApi>> opened;
  Result<void> done;
  hold(FileCommand::kLookup, "from", found);
  begin(gate, open_into(volume_.get(), {"from", inode}, &opened));
  hold(FileCommand::kRename, "from", renamed);
  begin(gate, rename_into(volume_.get(), "from", to, &done));
  let_go(found);
  runtime_.run_until(
      [](Runtime* loop) -> Task<void> { co_await async::sleep_for(*loop, Milliseconds(1)); }(&runtime_));
  let_go(renamed);
  runtime_.run_until(gate.close());
  ASSERT_TRUE(done && opened);
  write(**opened, 0, "NEW");
  get((*opened)->release());
  EXPECT_EQ(object(to), "NEW bytes");
}

TEST_F(RenameMeetsOpenTest, AnOpenThatAnUnlinkOvertakesFindsNothing) {
  put_file("", "f", "bytes");
  const InodeId inode = stat("", "f").inode;
  async::Event found;
  async::Gate gate;
  Result<std::unique_ptr<OpenFileApi>> opened;
  hold(FileCommand::kLookup, "f", found);
  begin(gate, open_into(volume_.get(), {"f", inode}, &opened));
  get(volume_->remove("", "f"));
  let_go(found);
  runtime_.run_until(gate.close());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), ErrorCode::kStaleHandle);
}

TEST_F(RenameMeetsOpenTest, AFileThatIsRemovedWhileACreateFindsItIsMadeAnew) {
  put_file("", "f", "bytes");
  async::Event found;
  async::Gate gate;
  Result<VolumeApi::Created> created;
  // The lookup of the making, then that of the opening.
  async::Event at_once;
  at_once.set();
  hold(FileCommand::kLookup, "f", at_once);
  hold(FileCommand::kLookup, "f", found);
  const auto create_into = [](Volume* volume, Result<VolumeApi::Created>* out) -> Task<void> {
    *out = co_await volume->create("", "f", {}, {.read = true, .write = true}, false);
  };
  begin(gate, create_into(volume_.get(), &created));
  get(volume_->remove("", "f"));
  let_go(found);
  runtime_.run_until(gate.close());
  ASSERT_TRUE(created) << created.error().describe();
  write(*created->file, 0, "new");
  get(created->file->release());
  EXPECT_EQ(object("f"), "new");
}

TEST_F(RenameMeetsOpenTest, AFileWhoseRenameGotNoAnswerIsFoundAtEitherName) {
  const std::string to = name_for("from", false);
  const auto file = create("", "from");
  write(*file, 0, "written before");
  cluster_->fake(set_of("from")).lose_answer(static_cast<cluster::CommandKind>(FileCommand::kRename));
  EXPECT_FALSE(rename("from", to));
  get(file->sync(false));
  EXPECT_EQ(object(to), "written before");
  get(file->release());
}

// Its bytes were neither in a buffer nor in the row: holes were read.
TEST_F(RenameMeetsOpenTest, AReadBesideThePublishOfWhatHasStreamedWaitsForIt) {
  const std::string text(3 << 20, 's');
  const auto file = create("", "f");
  write(*file, 0, text);
  async::Event published;
  async::Gate gate;
  Result<void> synced;
  Result<BufferChain> bytes;
  const auto read_into = [](OpenFileApi* from, Result<BufferChain>* out) -> Task<void> {
    *out = co_await from->read(0, 3 << 20);
  };
  hold(FileCommand::kPublish, "f", published);
  begin(gate, sync_into(file.get(), &synced));
  begin(gate, read_into(file.get(), &bytes));
  let_go(published);
  runtime_.run_until(gate.close());
  ASSERT_TRUE(synced && bytes);
  EXPECT_TRUE(std::move(*bytes).flatten().view() == text);
  get(file->release());
}

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
    if (made) one.made();
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
    EXPECT_TRUE(watch.changing("d/x") && watch.changing("e/x") && watch.changing_above("d/x"));
    EXPECT_FALSE(watch.changing("d") || watch.changing("f"));
  }
  EXPECT_FALSE(watch.changing("d/x"));
}

}  // namespace
}  // namespace flashstor::files
