#include "tests/unit/files/rename_meets_fixture.h"

namespace flashstor::files {
namespace {

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

// The open kept the old name alone.
TEST_F(RenameMeetsOpenTest, AnOpenThatWaitsForARenameWithoutAnAnswerFindsItsFile) {
  const std::string to = name_for("from", false);
  put_file("", "from", "old bytes");
  const InodeId inode = stat("", "from").inode;
  async::Event renamed;
  async::Gate gate;
  Result<std::unique_ptr<OpenFileApi>> opened;
  Result<void> done;
  hold(FileCommand::kRename, "from", renamed);
  cluster_->fake(set_of("from")).lose_answer(static_cast<cluster::CommandKind>(FileCommand::kRename));
  async::Event found;
  hold(FileCommand::kLookup, "from", found);
  begin(gate, open_into(volume_.get(), {"from", inode}, &opened));
  begin(gate, rename_into(volume_.get(), "from", to, &done));
  let_go(found);
  let_go(renamed);
  runtime_.run_until(gate.close());
  EXPECT_FALSE(done);
  ASSERT_TRUE(opened) << opened.error().describe();
  write(**opened, 0, "NEW");
  get((*opened)->sync(false));
  get((*opened)->release());
  EXPECT_EQ(object(to), "NEW bytes");
}

// A save by rename beside whoever opens the file: it was told that the file is stale, though nothing had
// happened to it yet.
TEST_F(RenameMeetsOpenTest, AnOpenBeforeTheCommandThatReplacesTheFileHasIt) {
  for (const bool across : {false, true}) {
    const std::string saved = name_for("conf", across);
    put_file("", "conf", "old");
    put_file("", saved, "new");
    const InodeId inode = stat("", "conf").inode;
    async::Event at_once;
    at_once.set();
    async::Event found;
    async::Gate gate;
    Result<std::unique_ptr<OpenFileApi>> opened = fail(ErrorCode::kInternal);
    Result<void> done = fail(ErrorCode::kInternal);
    hold(FileCommand::kLookup, "conf", at_once);  // of the old name
    hold(FileCommand::kLookup, "conf", found);
    begin(gate, rename_into(volume_.get(), saved, "conf", &done));
    begin(gate, open_into(volume_.get(), {"conf", inode}, &opened));
    let_go(found);
    runtime_.run_until(gate.close());
    EXPECT_TRUE(done);
    ASSERT_TRUE(opened) << opened.error().describe();
    EXPECT_EQ(object("conf"), "new");
    EXPECT_EQ(read(**opened), "old");
    write(**opened, 0, "OLD");
    get((*opened)->sync(false));
    EXPECT_EQ(read(**opened), "OLD");
    get((*opened)->release());
    EXPECT_EQ(object("conf"), "new");
    EXPECT_EQ(orphans(), 0U);
    get(volume_->remove("", "conf"));
  }
}

// The rename had seen before it waited that the file was not open.
TEST_F(RenameMeetsOpenTest, AnOpenWhileTheRenameThatReplacesTheFileWaitsHasIt) {
  for (const bool across : {false, true}) {
    const std::string saved = name_for("conf", across);
    put_file("", "conf", "old");
    const InodeId inode = stat("", "conf").inode;
    const auto file = create("", saved);
    write(*file, 0, "new");
    async::Event published;
    async::Gate gate;
    Result<std::unique_ptr<OpenFileApi>> opened = fail(ErrorCode::kInternal);
    Result<void> synced = fail(ErrorCode::kInternal);
    Result<void> done = fail(ErrorCode::kInternal);
    hold(FileCommand::kPublish, saved, published);
    begin(gate, sync_into(file.get(), &synced));
    begin(gate, rename_into(volume_.get(), saved, "conf", &done));
    begin(gate, open_into(volume_.get(), {"conf", inode}, &opened));
    let_go(published);
    runtime_.run_until(gate.close());
    EXPECT_TRUE(synced && done);
    ASSERT_TRUE(opened) << opened.error().describe();
    EXPECT_EQ(read(**opened), "old");
    write(**opened, 0, "OLD");
    get((*opened)->sync(false));
    get((*opened)->release());
    get(file->release());
    EXPECT_EQ(object("conf"), "new");
    EXPECT_EQ(orphans(), 0U);
    get(volume_->remove("", "conf"));
  }
}

TEST_F(RenameMeetsOpenTest, AnOpenBeforeTheCommandThatRemovesTheFileHasIt) {
  put_file("", "conf", "old");
  const InodeId inode = stat("", "conf").inode;
  async::Event claimed;
  async::Gate gate;
  Result<std::unique_ptr<OpenFileApi>> opened = fail(ErrorCode::kInternal);
  Result<void> done = fail(ErrorCode::kInternal);
  auto file = get(volume_->open({"conf", inode}, {.read = true, .write = true}));
  write(*file, 0, "new");
  hold(FileCommand::kPublish, "conf", claimed);  // the removal waits for this turn
  Result<void> closed = fail(ErrorCode::kInternal);
  const auto release_into = [](OpenFileApi* open, Result<void>* out) -> Task<void> {
    *out = co_await open->release();
  };
  begin(gate, release_into(file.get(), &closed));
  begin(gate, remove_into(volume_.get(), "conf", &done));
  begin(gate, open_into(volume_.get(), {"conf", inode}, &opened));
  let_go(claimed);
  runtime_.run_until(gate.close());
  EXPECT_TRUE(closed && done);
  ASSERT_TRUE(opened) << opened.error().describe();
  EXPECT_EQ(read(**opened), "new");
  get((*opened)->release());
  EXPECT_TRUE(names("").empty());
  EXPECT_EQ(orphans(), 0U);
}

// A kernel asks for the name again when it is told that the file is stale, once: with one save after the
// other it was overtaken again.
TEST_F(RenameMeetsOpenTest, WhoIsToldThatAFileWasReplacedOpensTheNextBeforeThatIsReplaced) {
  put_file("", "conf", "zero");
  put_file("", "one", "one");
  put_file("", "two", "two");
  const InodeId inode = stat("", "conf").inode;
  const InodeId next = stat("", "one").inode;
  async::Event answer;
  async::Gate gate;
  Result<std::unique_ptr<OpenFileApi>> opened = fail(ErrorCode::kInternal);
  Result<void> one = fail(ErrorCode::kInternal);
  Result<void> two = fail(ErrorCode::kInternal);
  InodeId seen;
  const auto open_twice = [](Runtime* loop, Volume* volume, InodeId before, InodeId* now,
                             Result<std::unique_ptr<OpenFileApi>>* out) -> Task<void> {
    const auto stale = co_await volume->open({"conf", before}, {.read = true});
    EXPECT_TRUE(!stale && stale.error().code() == ErrorCode::kStaleHandle);
    co_await async::sleep_for(*loop, Milliseconds(1));  // the way to the kernel and back
    const auto there = co_await volume->lookup("", "conf");
    if (there) *now = there->inode;
    *out = co_await volume->open({"conf", *now}, {.read = true});
  };
  async::Event found;
  hold(FileCommand::kLookup, "conf", found);
  begin(gate, open_twice(&runtime_, volume_.get(), inode, &seen, &opened));
  hold(set_of("one") == set_of("conf") ? FileCommand::kRename : FileCommand::kMovePlace, "conf", answer);
  begin(gate, rename_into(volume_.get(), "one", "conf", &one));
  let_go(found);
  begin(gate, rename_into(volume_.get(), "two", "conf", &two));
  let_go(answer);
  runtime_.run_until(gate.close());
  EXPECT_TRUE(one && two);
  EXPECT_EQ(seen, next);
  ASSERT_TRUE(opened) << opened.error().describe();
  EXPECT_EQ(read(**opened), "one");
  EXPECT_EQ(object("conf"), "two");
  get((*opened)->release());
  EXPECT_EQ(orphans(), 0U);
}

// Each had one file's turn and waited for the other's, for ever: one had given its first turn away to publish
// what streamed.
TEST_F(RenameMeetsOpenTest, TwoOppositeRenamesOverSetsOfAFileThatStreamsEnd) {
  std::string x = "from";
  std::string y = name_for("from", true);
  put_file("", x, "");
  put_file("", y, "");
  if (stat("", y).inode < stat("", x).inode) std::swap(x, y);
  const auto first = get(volume_->open({x, {}}, {.read = true, .write = true}));
  const auto second = get(volume_->open({y, {}}, {.read = true, .write = true}));
  const std::string text(3 << 20, 's');
  write(*first, 0, text);  // streams
  write(*second, 0, "second");
  async::Event published;
  async::Gate gate;
  Result<void> synced = fail(ErrorCode::kInternal);
  Result<void> there = fail(ErrorCode::kInternal);
  Result<void> back;
  hold(FileCommand::kPublish, y, published);
  begin(gate, sync_into(second.get(), &synced));
  begin(gate, rename_into(volume_.get(), x, y, &there));
  begin(gate, rename_into(volume_.get(), y, x, &back));
  let_go(published);
  runtime_.run_until(gate.close());
  EXPECT_TRUE(synced && there);
  EXPECT_FALSE(back);  // what it found there was replaced meanwhile
  EXPECT_TRUE(object(y) == text);
  EXPECT_EQ(read(*second), "second");
  get(first->release());
  get(second->release());
  EXPECT_EQ(orphans(), 0U);
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

}  // namespace
}  // namespace flashstor::files
