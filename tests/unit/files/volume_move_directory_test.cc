#include "tests/unit/files/move_directory_fixture.h"

namespace flashstor::files {
namespace {

constexpr std::size_t kUuidBytes = 16;

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
  for (const int names : {0, 1, 20}) {
    fill("one");
    fill("two");
    mkdir("", "to");
    const auto results = both("one", "to", "two", "to", names);
    EXPECT_TRUE(results[0]) << names;
    EXPECT_FALSE(results[1]) << names;
    expect_at("to");
    expect_at("two");
    expect_gone("one");
    mv("to", "was" + std::to_string(2 * names));
    mv("two", "was" + std::to_string(2 * names + 1));
  }
}

TEST_F(MoveDirectoryTest, TwoRenamesOfOneDirectoryEndInOneName) {
  for (const int names : {0, 1, 20}) {
    fill("from");
    const auto results = both("from", "one", "from", "two", names);
    EXPECT_TRUE(results[0]) << names;
    EXPECT_FALSE(results[1]) << names;
    expect_gone("from");
    expect_gone("two");
    expect_at("one");
    mv("one", "was" + std::to_string(names));
  }
}

// Between the look at the new name and the rename: it would have been replaced.
TEST_F(MoveDirectoryTest, WhatSomebodyPutsAtItsNewNameHoldsItBack) {
  fill("from");
  const auto put = [](objects::ObjectStore* store) -> Task<Result<void>> {
    objects::BufferSource source(Buffer::copy_of("acknowledged"));
    objects::PutRequest request;
    request.bucket = "bucket";
    request.key = "to/";
    request.body = &source;
    co_await or_return(store->put_object(std::move(request)));
    co_return {};
  };
  before_each([&](FileCommand, const std::string& key) {
    if (key == "from/" && ended_.empty()) start(put(store_.get()));
  });
  EXPECT_EQ(rename("from", "to").error().code(), ErrorCode::kDirectoryNotEmpty);
  live();
  EXPECT_EQ(object("to/"), "acknowledged");
  expect_at("from");
  EXPECT_EQ(intents(), 0U);
}

TEST_F(MoveDirectoryTest, DataOfAnotherSetGoesAlongWhereVersionsAreKept) {
  run(store_->set_versioning("bucket", objects::Versioning::kEnabled));
  fill("from");
  std::string name;
  for (int n = 0; name.empty() || set_of("from/" + name) == set_of("far") ||
                  set_of("from/" + name) != set_of("to/" + name);
       ++n)
    name = "x" + std::to_string(n);
  put_object("far", std::string(300'000, 'x'));
  mv("far", "from/" + name);
  EXPECT_TRUE(rename("from", "to"));
  EXPECT_EQ(object("to/" + name), std::string(300'000, 'x'));
  get(volume_->remove("to", name));
  expect_at("to");
  expect_gone("from");
}

// A name that cannot go along stays, is told of once, and holds up nothing.
TEST_F(MoveDirectoryTest, ANameThatCannotGoAlongIsTheMatterOfItsOwnRename) {
  fill("from");
  die_after(20);
  EXPECT_FALSE(rename("from", "to"));
  live();
  for (std::uint32_t set = 0; set < sets(); ++set)
    for (const FileCommand kind : {FileCommand::kMoveBegin, FileCommand::kRename})
      cluster_->fake(set).fail_next(static_cast<cluster::CommandKind>(kind), ErrorCode::kNotPermitted);
  EXPECT_TRUE(rename("to", "third"));
  EXPECT_EQ(standing(), 0U);
  EXPECT_FALSE(names("from").empty());
  EXPECT_FALSE(names("third").empty());
}

// An error left half of it under the old name, and the next rename took only the other half along.
TEST_F(MoveDirectoryTest, WhatAnErrorLeftBehindGoesAlongWithTheNextRename) {
  fill("from");
  die_after(40);
  EXPECT_FALSE(rename("from", "to"));
  live();
  mv("to", "third");
  expect_at("third");
  expect_gone("from");
  expect_gone("to");
}

// Whoever sent it was given up long ago, and another rename has the same names.
TEST_F(MoveDirectoryTest, ALateEndOfAnotherRenameEndsNothing) {
  fill("from");
  const InodeId inode = stat("", "from").inode;
  die_after(20);
  EXPECT_FALSE(rename("from", "to"));
  live();
  RenamePayload late;
  late.target.bucket = get(store_->head_bucket("bucket"))->id;
  late.target.epoch = get(store_->head_bucket("bucket"))->epoch;
  late.target.key = "from/";
  late.target.inode = inode;
  late.to_key = "to/";
  late.move = {5, 5};
  cluster::Command command;
  command.kind = static_cast<cluster::CommandKind>(FileCommand::kDirectoryMoveEnd);
  command.payload = encode(late);
  get(cluster_->fake(set_of("from/")).execute(std::move(command)));
  reopen();
  wait_for_moves();
  expect_at("to");
  expect_gone("from");
}

// Rows of the time before renames had names.
TEST_F(MoveDirectoryTest, AnIntentWithoutAUuidIsGoneOnWith) {
  fill("from");
  const InodeId inode = stat("", "from").inode;
  die_after(20);
  EXPECT_FALSE(rename("from", "to"));
  live();
  RenamePayload old;
  old.target.bucket = get(store_->head_bucket("bucket"))->id;
  old.target.key = "from/";
  old.target.inode = inode;
  old.to_key = "to/";
  std::string bytes = encode(old);
  bytes.resize(bytes.size() - 2 * kUuidBytes - 3);  // all that came since
  const std::string key = std::string(kDirectoryMoves) + old.target.bucket.to_bytes() + old.target.key;
  cluster_->fake(set_of("from/")).rows().apply({{Family::kIntents, key, bytes}});
  reopen();
  wait_for_moves();
  expect_at("to");
  expect_gone("from");
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
