#include <algorithm>
#include <string>

#include "tests/unit/files/foreign_data_fixture.h"

namespace flashstor::files {
namespace {

TEST_F(ForeignDataTest, ItIsRenamedWithinItsSet) {
  const std::string to = name_for("file", false);
  mv("file", to);
  EXPECT_EQ(object(to), bytes_);
  EXPECT_EQ(error(volume_->lookup("", "file")), ErrorCode::kNoSuchKey);
  mv(to, "file");
  EXPECT_EQ(object("file"), bytes_);
  EXPECT_EQ(taken(), 0U);
  remove_everything();
}

TEST_F(ForeignDataTest, ItIsAppendedToAndItsOldVersionStays) {
  const std::string old_id = version_of("file", 0);
  const auto file = open_to_write("file");
  write(*file, bytes_.size(), "more");
  get(file->sync(false));
  EXPECT_EQ(object("file"), bytes_ + "more");
  write(*file, 0, "X");
  get(file->sync(false));  // revises the version that the first one made
  get(file->release());
  EXPECT_EQ(object("file"), "X" + bytes_.substr(1) + "more");
  const auto versions = get(store_->list_versions({.bucket = "bucket", .prefix = "file"})).versions;
  EXPECT_EQ(std::ranges::count(versions, "file", &objects::ListedVersion::key), 2);
  EXPECT_EQ(version_of("file", 1), old_id);
  EXPECT_EQ(taken(), 0U);
  remove_everything();
}

// A set drops what was staged for a command that it refuses.
TEST_F(ForeignDataTest, WhatStreamsIntoItIsKept) {
  const std::string streamed(3 << 20, 's');
  const auto file = open_to_write("file");
  write(*file, bytes_.size(), streamed);
  get(file->sync(false));
  write(*file, bytes_.size() + streamed.size(), streamed);
  get(file->sync(false));
  get(file->release());
  EXPECT_EQ(object("file"), bytes_ + streamed + streamed);
  EXPECT_EQ(taken(), 0U);
  remove_everything();
}

TEST_F(ForeignDataTest, ItIsReadAndWrittenAfterItsLastNameIsGone) {
  const auto file = open_to_write("file");
  get(volume_->remove("", "file"));
  EXPECT_EQ(read(*file), bytes_);
  write(*file, bytes_.size(), "more");
  get(file->sync(false));
  EXPECT_EQ(read(*file), bytes_ + "more");
  get(file->release());
  EXPECT_EQ(orphans(), 0U);
  EXPECT_EQ(taken(), 0U);
  remove_everything();
}

TEST_F(ForeignDataTest, ItIsReplacedByARenameWhileItIsOpen) {
  const std::string from = name_for("file", false);
  bring(from);  // both sides of the rename share across sets
  const auto reader = get(volume_->open({"file", {}}, {}));
  mv(from, "file");
  EXPECT_EQ(read(*reader), bytes_);
  EXPECT_EQ(object("file"), bytes_);
  get(reader->release());
  const std::string far = name_for("file", true);
  put_object(far, "over sets");
  const auto again = get(volume_->open({"file", {}}, {}));
  mv(far, "file");
  EXPECT_EQ(read(*again), bytes_);
  get(again->release());
  EXPECT_EQ(orphans(), 0U);
  EXPECT_EQ(taken(), 0U);
  remove_everything();
}

TEST_F(ForeignDataTest, ItGetsAnotherNameAndBothAreWritten) {
  const std::string other = name_for("file", false);
  get(volume_->link({"file", {}}, "", other));
  const auto file = open_to_write(other);
  write(*file, bytes_.size(), "more");
  get(file->sync(false));
  get(file->release());
  EXPECT_EQ(object("file"), bytes_ + "more");
  EXPECT_EQ(object(other), bytes_ + "more");
  EXPECT_EQ(taken(), 0U);
  remove_everything();
}

// Where all of it lies in one set too: what the versions of a file shared was never freed.
TEST_F(ForeignDataTest, WhatVersionsOfAFileShareGoesWithTheLastOfThem) {
  put_object("home", bytes_);
  const std::string other = name_for("home", false);
  get(volume_->link({"home", {}}, "", other));
  const auto file = open_to_write(other);
  write(*file, bytes_.size(), "more");
  get(file->sync(false));
  get(file->release());
  std::string third = "third";  // in their set, whose files with several names stay in it
  while (set_of(third) != set_of("home")) third += "x";
  mv("home", third);
  EXPECT_EQ(object(third), bytes_ + "more");
  EXPECT_EQ(object(other), bytes_ + "more");
  remove_everything();
}

// With the voided version went the note that the one before it has the data too: it was freed with the last
// of those that share it, and the file lost its bytes.
TEST_F(ForeignDataTest, AVersionThatIsVoidedTakesNoReferenceOfAnotherAlong) {
  put_object("home", bytes_);
  const std::string other = name_for("home", false);
  get(volume_->link({"home", {}}, "", other));
  const auto file = open_to_write("home");
  write(*file, bytes_.size(), "more");
  cluster_->fake(set_of("home")).void_next(static_cast<cluster::CommandKind>(FileCommand::kPublish));
  EXPECT_EQ(error(file->sync(false)), ErrorCode::kWriteQuorum);
  const std::size_t due_before = due();
  while (!version_of(other, 0).empty()) remove_version(other, version_of(other, 0));
  EXPECT_EQ(due(), due_before);
  get(file->sync(false));
  get(file->release());
  EXPECT_EQ(object("home"), bytes_ + "more");
  remove_everything();
}

// It became the null version with the bytes of the one before, of which nothing said that two have them.
TEST_F(ForeignDataTest, TheFirstWriteAfterVersionsWereSuspendedLeavesTheVersionBefore) {
  put_object("home", bytes_);
  const std::string kept = version_of("home", 0);
  run(store_->set_versioning("bucket", objects::Versioning::kSuspended));
  const auto file = open_to_write("home");
  write(*file, bytes_.size(), "more");
  get(file->sync(false));
  write(*file, 0, "X");
  get(file->sync(false));
  get(file->release());
  const std::size_t due_before = due();
  EXPECT_EQ(version_of("home", 1), kept);
  remove_version("home", kept);
  EXPECT_EQ(due(), due_before);
  EXPECT_EQ(object("home"), "X" + bytes_.substr(1) + "more");
  remove_everything();
}

TEST_F(ForeignDataTest, ARenameThatFailedIsMadeWhenItIsTriedAgain) {
  const std::string to = name_for("file", false);
  fail_next(FileCommand::kRename, set_of("file"));
  static_cast<void>(rename("file", to));
  EXPECT_TRUE(rename("file", to));
  EXPECT_EQ(object(to), bytes_);
  for (const std::string& key : first_) remove_version(key, {});  // a delete marker
  EXPECT_EQ(object(to), bytes_);
  remove_everything();
}

}  // namespace
}  // namespace flashstor::files
