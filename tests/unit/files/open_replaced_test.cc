#include "tests/unit/files/two_nodes_fixture.h"

namespace flashstor::files {
namespace {

/// A file that is open at `volume_` and is replaced or removed through other doors: S3, and the mount of
/// another node. What nobody uses is freed meanwhile, as after the grace. Nothing is read before, so that
/// nothing comes from memory.
class OpenReplacedTest : public TwoNodesTest {
 protected:
  void TearDown() override {
    TwoNodesTest::TearDown();
    EXPECT_EQ(pinned(), 0U);
  }
  std::unique_ptr<OpenFileApi> open_file(const std::string& path, OpenMode mode = {}) {
    return get(volume_->open({path, {}}, mode));
  }
  void delete_object(const std::string& key) {
    run([](objects::ObjectStore* store, std::string name) -> Task<Result<void>> {
      objects::DeleteRequest request;
      request.bucket = "bucket";
      request.key = std::move(name);
      co_await or_return(store->delete_object(std::move(request)));
      co_return {};
    }(store_.get(), key));
  }
  std::size_t free_all() {
    std::size_t freed = 0;
    for (std::uint32_t set = 0; set < sets(); ++set)
      freed += cluster_->fake(set).free_due(WallTime(std::chrono::seconds(2'000'000'000)));
    return freed;
  }
  std::size_t pinned() {
    std::size_t count = 0;
    for (std::uint32_t set = 0; set < sets(); ++set) count += cluster_->fake(set).pinned();
    return count;
  }
  /// `file` shows `text` on after the grace, until its close, after which it is freed.
  void expect_reads_on(std::unique_ptr<OpenFileApi> file, const std::string& text) {
    free_all();
    EXPECT_EQ(read(*file), text);
    get(file->release());
    file.reset();
    EXPECT_GT(free_all(), 0U);
  }
};

TEST_F(OpenReplacedTest, WhatS3OverwritesIsReadUntilTheClose) {
  put_file("", "f", "before");
  auto file = open_file("f");
  put_object("f", "by S3");
  EXPECT_EQ(free_all(), 0U);
  expect_reads_on(std::move(file), "before");
  EXPECT_EQ(read_file("f"), "by S3");
}

TEST_F(OpenReplacedTest, WhatS3RemovesIsReadUntilTheClose) {
  put_object("f", "by S3");
  auto file = open_file("f");
  auto again = open_file("f");
  delete_object("f");
  get(file->release());
  file.reset();
  EXPECT_EQ(free_all(), 0U) << "it is open a second time";
  expect_reads_on(std::move(again), "by S3");
}

TEST_F(OpenReplacedTest, WhatAnotherNodeUnlinksOrRenamesOverIsReadUntilTheClose) {
  put_file("", "f", "before");
  auto file = open_file("f");
  get(other_->remove("", "f"));
  expect_reads_on(std::move(file), "before");
  for (const bool other_set : {false, true}) {
    const std::string from = name_for("f", other_set);
    put_file("", "f", "victim");
    file = open_file("f");
    put_file("", from, "winner");
    get(other_->rename("", from, "", "f", RenameMode::kReplace));
    expect_reads_on(std::move(file), "victim");
    EXPECT_EQ(read_file("f"), "winner");
    get(volume_->remove("", "f"));
    EXPECT_EQ(free_all(), 1U);
  }
}

TEST_F(OpenReplacedTest, BytesInAnotherSetThanTheName) {
  put_file("", "from", "before");
  const std::string to = name_for("from", true);
  mv("from", to);
  auto file = open_file(to);
  put_object(to, "by S3");
  expect_reads_on(std::move(file), "before");
}

TEST_F(OpenReplacedTest, WhatIsPublishedAnewIsKeptAndWhatItReplacedIsNot) {
  put_file("", "f", "before");
  auto file = open_file("f", {.read = true, .write = true});
  write(*file, 0, "BEFORE");
  get(file->sync(false));
  EXPECT_EQ(pinned(), 1U);
  EXPECT_EQ(free_all(), 1U) << "nobody shows the first bytes any more";
  write(*file, 6, ", and after");
  get(file->sync(false));
  EXPECT_EQ(pinned(), 2U);
  put_object("f", "by S3");
  expect_reads_on(std::move(file), "BEFORE, and after");
}

TEST_F(OpenReplacedTest, WhatAnotherNodePublishesKeepsWhatIsStillShownHere) {
  put_file("", "f", "before");
  auto file = open_file("f", {.read = true, .write = true});
  const auto there = get(other_->open({"f", {}}, {.read = true, .write = true}));
  write(*there, 0, "BEF");
  get(there->sync(false));
  write(*there, 3, "ORE");
  get(there->sync(false));
  EXPECT_EQ(free_all(), 0U);
  EXPECT_EQ(read(*file), "before");
  write(*file, 6, ", and after");
  get(file->sync(false));
  EXPECT_EQ(free_all(), 1U);
  EXPECT_EQ(read(*file), "BEFORE, and after");
  get(there->release());
  get(file->release());
}

// A file that S3 wrote in parts has very many slices; some data is in it more than once.
TEST_F(OpenReplacedTest, ASliceThatTheFileHasSeveralTimesIsPinnedOnce) {
  put_file("", "f", "0123456789");
  auto file = open_file("f", {.read = true, .write = true});
  for (const std::uint64_t at : {2U, 5U, 8U}) write(*file, at, "x");  // one piece of data, three slices
  get(file->sync(false));
  EXPECT_EQ(pinned(), 2U);
  EXPECT_EQ(read(*file), "01x34x67x9");
  put_object("f", "by S3");
  expect_reads_on(std::move(file), "01x34x67x9");
}

}  // namespace
}  // namespace flashstor::files
