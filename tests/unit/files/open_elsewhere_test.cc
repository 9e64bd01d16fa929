#include <algorithm>

#include "tests/unit/files/two_nodes_fixture.h"

namespace flashstor::files {
namespace {

/// One bucket on two nodes: `volume_` renames what the other has open. The other's kernel goes on with the
/// inode that it has.
class OpenElsewhereTest : public TwoNodesTest {
 protected:
  /// Open at the other node with "written before" in it, of which nothing is published.
  std::unique_ptr<OpenFileApi> open_dirty(const std::string& path,
                                          const std::string& text = "written before") {
    put_file(parent(path), base(path), "");
    auto file = get(other_->open({path, {}}, {.read = true, .write = true}));
    write(*file, 0, text);
    return file;
  }
  /// All that was written and what is written now is at `path`, at the next sync, the next close and in the
  /// open file.
  void expect_goes_on(std::unique_ptr<OpenFileApi> file, const std::string& path,
                      const std::string& text = "written before") {
    const InodeId inode = file->attributes().inode;
    get(file->sync(false));
    EXPECT_TRUE(object(path) == text);
    EXPECT_TRUE(read(*file, 0, text.size() + 1) == text);
    write(*file, text.size(), ", and after");
    EXPECT_EQ(file->attributes().size, text.size() + 11);
    get(file->flush());
    EXPECT_TRUE(object(path) == text + ", and after");
    EXPECT_EQ(stat(parent(path), base(path)).inode, inode);
    const auto again = get(volume_->open({path, inode}, {}));
    EXPECT_TRUE(read(*again, 0, text.size() + 100) == text + ", and after");
    get(again->release());
    get(file->release());
    EXPECT_EQ(orphans(), 0U);
  }
  void streamed(const std::string& from, const std::string& to) {
    std::string text;
    for (int n = 0; text.size() < (5U << 20); ++n) text += std::to_string(n) + " ";
    auto file = open_dirty(from, text);  // over kStageFromBytes
    write(*file, 100, "over");           // published: it is not behind what streamed
    text.replace(100, 4, "over");
    get(file->sync(false));
    const std::string more(3 << 20, 'm');
    write(*file, text.size(), more);  // streams anew
    mv(from, to);
    expect_goes_on(std::move(file), to, text + more);
    for (std::uint32_t set = 0; set < sets(); ++set) EXPECT_EQ(cluster_->fake(set).staged(), 0U);
    get(volume_->remove("", to));
  }

  std::size_t kept(Family family) {
    std::size_t count = 0;
    for (std::uint32_t set = 0; set < sets(); ++set) count += cluster_->fake(set).rows().rows(family).size();
    return count;
  }
  static Task<void> sync_into(OpenFileApi* file, Result<void>* out) { *out = co_await file->sync(false); }
};

TEST_F(OpenElsewhereTest, ARenameInTheSetKeepsWhatIsNotPublished) {
  const std::string to = name_for("from", false);
  auto file = open_dirty("from");
  mv("from", to);
  expect_goes_on(std::move(file), to);
  EXPECT_EQ(names(""), std::vector<std::string>{to});
}

TEST_F(OpenElsewhereTest, ARenameToAnotherSetKeepsWhatIsNotPublished) {
  const std::string to = name_for("from", true);
  auto file = open_dirty("from");
  mv("from", to);
  expect_goes_on(std::move(file), to);
  EXPECT_EQ(names(""), std::vector<std::string>{to});
}

TEST_F(OpenElsewhereTest, WhatHasStreamedToTheOldSetGoesAlong) {
  for (const bool other_set : {true, false}) streamed("from", name_for("from", other_set));
}

TEST_F(OpenElsewhereTest, AFileThatIsRenamedBeforeEachTryIsCaught) {
  std::string at = "from";
  const std::string near = name_for("from", false);
  auto file = open_dirty("from");
  bool busy = false;
  int renames = 0;
  const auto rename_it = [](Volume* volume, std::string from, std::string to, bool* on) -> Task<void> {
    *on = true;
    const auto done = co_await volume->rename("", from, "", to, RenameMode::kReplace);
    EXPECT_TRUE(done);
    *on = false;
  };
  cluster_->fake(set_of("from")).set_before_execute([&](const cluster::Command& command) {
    if (busy || command.kind != static_cast<cluster::CommandKind>(FileCommand::kPublish)) return;
    const std::string to = at == near ? "from" : near;
    ++renames;
    async::start_detached(rename_it(volume_.get(), std::exchange(at, to), to, &busy));
  });
  get(file->sync(false));
  EXPECT_GE(renames, 3);
  cluster_->fake(set_of("from")).set_before_execute({});
  expect_goes_on(std::move(file), at);
}

// The error was told once, and the next sync answered success over holes.
TEST_F(OpenElsewhereTest, WhatHasStreamedOutlivesAnErrorAfterItWasParkedAndAnotherMount) {
  for (const bool other_set : {true, false}) {
    const std::string to = name_for("from", other_set);
    const std::string text(3 << 20, 's');
    auto file = open_dirty("from", text);
    mv("from", to);
    // Parked at the first try; the second one fails.
    const auto publish = static_cast<cluster::CommandKind>(FileCommand::kPublish);
    int tries = 0;
    for (std::uint32_t set = 0; set < sets(); ++set)
      cluster_->fake(set).set_before_execute([&, set](const cluster::Command& command) {
        if (command.kind == publish && ++tries == 2)
          cluster_->fake(set).fail_next(publish, ErrorCode::kReadOnly);
      });
    EXPECT_EQ(error(file->sync(false)), ErrorCode::kReadOnly);
    for (std::uint32_t set = 0; set < sets(); ++set) cluster_->fake(set).set_before_execute({});
    EXPECT_EQ(orphans(), 1U);
    run(get(Volume::open(*store_, "bucket", {}, runtime_))->close());  // a third node mounts the bucket
    EXPECT_EQ(orphans(), 1U);
    EXPECT_TRUE(read(*file, 0, text.size() + 1) == text);
    expect_goes_on(std::move(file), to, text);
    get(volume_->remove("", to));
  }
}

TEST_F(OpenElsewhereTest, AnAdoptionWhoseAnswerWasLostIsNotDoneTwice) {
  const std::string to = name_for("from", false);
  const std::string text(3 << 20, 's');
  auto file = open_dirty("from", text);
  mv("from", to);
  const auto publish = static_cast<cluster::CommandKind>(FileCommand::kPublish);
  int tries = 0;
  cluster_->fake(set_of("from")).set_before_execute([&](const cluster::Command& command) {
    if (command.kind == publish && ++tries == 2) cluster_->fake(set_of("from")).lose_answer(publish);
  });
  EXPECT_EQ(error(file->sync(false)), ErrorCode::kUnknownOutcome);
  cluster_->fake(set_of("from")).set_before_execute({});
  expect_goes_on(std::move(file), to, text);
}

TEST_F(OpenElsewhereTest, ManyRenamesOneAfterTheOther) {
  auto file = open_dirty("a");
  std::string at = "a";
  for (const std::string to : {"b", "c", "d", "a", "e", "b", "f"}) {
    mv(at, to);
    at = to;
  }
  put_file("", "a", "another");
  put_file("", "d", "another");
  expect_goes_on(std::move(file), "f");
  EXPECT_EQ(object("a"), "another");
  EXPECT_EQ(object("d"), "another");
}

// The search looked at each name once, and the file went back to one behind it.
TEST_F(OpenElsewhereTest, AFileThatGoesBackWhileItIsFollowedIsFound) {
  const std::string other = name_for("from", true);
  auto file = open_dirty("from");
  mv("from", other);
  async::Event answered;
  cluster_->fake(set_of(other))
      .hold_answer(static_cast<cluster::CommandKind>(FileCommand::kForward), answered);
  Result<void> synced = fail(ErrorCode::kInternal);
  // Its name is asked for when it has gone back, and the answer comes when it has gone there again.
  const auto script = [](Volume* volume, OpenFileApi* open, std::string to, async::Event* answer,
                         Result<void>* out) -> Task<Result<void>> {
    async::Gate gate;
    co_await or_return(volume->rename("", to, "", "x", RenameMode::kReplace));
    gate.spawn(sync_into(open, out));
    co_await or_return(volume->rename("", "x", "", "from", RenameMode::kReplace));
    answer->set();
    co_await gate.close();
    co_return {};
  };
  run(script(volume_.get(), file.get(), other, &answered, &synced));
  EXPECT_TRUE(synced);
  expect_goes_on(std::move(file), "from");
}

TEST_F(OpenElsewhereTest, ADirectoryOverSets) {
  mkdir("", "d");
  std::vector<std::unique_ptr<OpenFileApi>> files;
  for (int n = 0; n < 12; ++n) files.push_back(open_dirty("d/f" + std::to_string(n)));
  // As the rename of a directory goes over sets: name by name.
  mkdir("", "e");
  for (int n = 0; n < 12; ++n) mv("d/f" + std::to_string(n), "e/f" + std::to_string(n));
  for (int n = 0; n < 12; ++n) expect_goes_on(std::move(files[n]), "e/f" + std::to_string(n));
}

TEST_F(OpenElsewhereTest, AnExchange) {
  const std::string near = name_for("from", false);
  auto one = open_dirty("from", "one");
  auto two = open_dirty(near, "two");
  mv("from", near, RenameMode::kExchange);
  expect_goes_on(std::move(one), near, "one");
  expect_goes_on(std::move(two), "from", "two");
}

TEST_F(OpenElsewhereTest, WhatIsReplacedOrRemovedIsStaleAndTouchesNothing) {
  for (const bool other_set : {false, true}) {
    const std::string name = name_for("victim", other_set);
    auto file = open_dirty("victim");
    put_file("", name, "winner");
    mv(name, "victim");
    EXPECT_EQ(error(file->sync(false)), ErrorCode::kStaleHandle);
    EXPECT_EQ(object("victim"), "winner");
    get(file->release());
    get(volume_->remove("", "victim"));
  }
  auto file = open_dirty("from");
  mv("from", "to");
  get(volume_->remove("", "to"));
  EXPECT_EQ(error(file->sync(false)), ErrorCode::kStaleHandle);
  get(file->release());
  file = open_dirty("from");
  mv("from", "to");
  put_object("to", "by S3");
  EXPECT_EQ(error(file->sync(false)), ErrorCode::kStaleHandle);
  EXPECT_EQ(object("to"), "by S3");
  get(file->release());
}

TEST_F(OpenElsewhereTest, OneOfTwoNamesIsUnlinked) {
  const std::string near = name_for("from", false);
  auto file = open_dirty("from");
  get(volume_->link({"from", stat("", "from").inode}, "", near));
  get(file->sync(false));
  EXPECT_EQ(object(near), "written before");
  write(*file, 0, "WRITTEN");
  get(volume_->remove("", "from"));
  expect_goes_on(std::move(file), near, "WRITTEN before");
}

// Between the two the file has both names: what was published at the old one then was at neither, or both
// stayed.
TEST_F(OpenElsewhereTest, ASyncBetweenTheStepsOfARenameToAnotherSet) {
  const std::string to = name_for("from", true);
  for (const FileCommand step : {FileCommand::kMovePlace, FileCommand::kMoveEnd}) {
    auto file = open_dirty("from");
    Result<void> synced = fail(ErrorCode::kInternal);
    for (std::uint32_t set = 0; set < sets(); ++set)
      cluster_->fake(set).set_before_execute([&, step](const cluster::Command& command) {
        if (command.kind == static_cast<cluster::CommandKind>(step))
          async::start_detached(sync_into(file.get(), &synced));
      });
    mv("from", to);
    for (std::uint32_t set = 0; set < sets(); ++set) cluster_->fake(set).set_before_execute({});
    expect_goes_on(std::move(file), to);
    EXPECT_TRUE(synced);
    EXPECT_EQ(names(""), std::vector<std::string>{to});
    EXPECT_EQ(intents(), 0U);
    get(volume_->remove("", to));
  }
}

TEST_F(OpenElsewhereTest, TheDeathOfWhoeverRenamesLosesNothing) {
  const std::string to = name_for("from", true);
  auto file = open_dirty("from");
  fail_end(set_of("from"));
  EXPECT_TRUE(rename("from", to));  // placed, and nobody goes on with it for now
  expect_goes_on(std::move(file), to);
  EXPECT_EQ(names(""), std::vector<std::string>{to});
  EXPECT_EQ(intents(), 0U);
}

TEST_F(OpenElsewhereTest, AttributesOfAnOpenFileAndItsUnlinkUnderTheNewName) {
  const std::string to = name_for("from", true);
  auto file = open_dirty("from");
  const InodeId inode = file->attributes().inode;
  mv("from", to);
  get(other_->set_attribute({to, inode}, "user.colour", "red", AttributeSetMode::kAny));
  AttributeChange change;
  change.mode = 0600;
  get(other_->change_attributes({to, inode}, change));
  get(file->sync(false));
  EXPECT_EQ(stat("", to).mode, 0600U);
  EXPECT_EQ(get(volume_->get_attribute({to, inode}, "user.colour")), "red");
  mv(to, "from");
  get(other_->remove("", "from"));
  write(*file, 0, "WRITTEN");
  get(file->sync(false));
  EXPECT_EQ(read(*file), "WRITTEN before");
  EXPECT_EQ(file->attributes().links, 0U);
  get(file->release());
  EXPECT_EQ(orphans(), 0U);
  EXPECT_TRUE(names("").empty());
}

TEST_F(OpenElsewhereTest, AWayThatWasSaidAnewIsForgottenOnce) {
  const std::string near = name_for("from", false);
  put_file("", "from", "x");
  mv("from", near);
  const std::size_t results = kept(Family::kResults);
  const std::size_t due = kept(Family::kDue);
  EXPECT_EQ(results, 1U);
  for (int n = 0; n < 3; ++n) {
    cluster_->fake(set_of("from")).rows().set_now(WallTime(std::chrono::seconds(1'800'000'000 + n)));
    mv(near, "from");
    mv("from", near);
  }
  EXPECT_EQ(kept(Family::kResults), results);
  EXPECT_EQ(kept(Family::kDue), due);
  run(volume_->close());
  cluster_->set_spans_nodes(false);
  open();
  put_file("", "else", "x");
  mv("else", name_for("else", false));
  EXPECT_EQ(kept(Family::kResults), results);  // nobody else can have it open
}

/// Where one entry renames a directory.
class OpenInDirectoryElsewhereTest : public OpenElsewhereTest {
 protected:
  [[nodiscard]] std::uint32_t sets() const override { return 1; }
};

TEST_F(OpenInDirectoryElsewhereTest, ARenameOfTheDirectory) {
  mkdir("", "d");
  mkdir("d", "sub");
  auto file = open_dirty("d/sub/f");
  mv("d", "e");
  expect_goes_on(std::move(file), "e/sub/f");
}

TEST_F(OpenInDirectoryElsewhereTest, RenamesOfDirectoriesAndFilesAndAnotherOfTheSameName) {
  mkdir("", "d");
  auto file = open_dirty("d/f");
  auto other = open_dirty("d/other");
  mv("d", "e");
  mv("e/f", "e/g");
  mkdir("", "d");
  put_file("d", "f", "another");
  mv("d", "h");
  expect_goes_on(std::move(other), "e/other");
  mv("e", "d");
  mv("d", "i");
  expect_goes_on(std::move(file), "i/g");
  EXPECT_EQ(object("h/f"), "another");
}

TEST_F(OpenInDirectoryElsewhereTest, ANameThatVeryManyDirectoriesHad) {
  mkdir("", "work");
  auto file = open_dirty("work/f");
  mv("work", "first");
  for (int n = 0; n < 40; ++n) {
    mkdir("", "work");
    mv("work", "job" + std::to_string(n));
  }
  expect_goes_on(std::move(file), "first/f");
}

TEST_F(OpenInDirectoryElsewhereTest, AFileThatMayBeAtMoreNamesThanAreLookedAtKeepsItsBytes) {
  mkdir("", "work");
  auto file = open_dirty("work/f");
  mv("work", "first");
  for (int n = 0; n < 100; ++n) {
    mkdir("", "work");
    mv("work", "job" + std::to_string(n));
  }
  EXPECT_EQ(error(file->sync(false)), ErrorCode::kBusy);
  mv("first", "work");
  expect_goes_on(std::move(file), "work/f");
}

TEST_F(OpenInDirectoryElsewhereTest, AnExchangeOfDirectories) {
  mkdir("", "d");
  mkdir("", "e");
  auto one = open_dirty("d/f", "one");
  auto two = open_dirty("e/f", "two");
  mv("d", "e", RenameMode::kExchange);
  expect_goes_on(std::move(one), "e/f", "one");
  expect_goes_on(std::move(two), "d/f", "two");
}

TEST_F(OpenInDirectoryElsewhereTest, InABucketWithVersions) {
  run(store_->set_versioning("bucket", objects::Versioning::kEnabled));
  mkdir("", "d");
  auto file = open_dirty("d/f");
  get(file->sync(false));
  write(*file, 0, "WRITTEN");
  mv("d", "e");
  mv("e/f", "e/g");
  expect_goes_on(std::move(file), "e/g", "WRITTEN before");
}

}  // namespace
}  // namespace flashstor::files
