#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>

#include "cli/compare.h"
#include "cli/multipart.h"
#include "cli/part_file.h"
#include "cli/progress.h"
#include "cli/put_arguments.h"
#include "cli/transfer_pool.h"
#include "cli/transfers.h"
#include "cli/walk.h"

namespace flashstor::cli {
namespace {

std::string fresh_folder(const std::string& name) {
  const std::string folder = testing::TempDir() + "flashctl-" + name;
  std::filesystem::remove_all(folder);
  EXPECT_TRUE(make_folders(folder));
  return folder;
}

TEST(PartPlan, NeverMoreThanTenThousandParts) {
  const PartPlan plan = PartPlan::of(100 * limits::kMiB + 1, 16 * limits::kMiB);
  EXPECT_EQ(plan.count(), 7);
  EXPECT_EQ(plan.offset_of(7), 96 * limits::kMiB);
  EXPECT_EQ(plan.size_of(7), 4 * limits::kMiB + 1);
  EXPECT_EQ(plan.size_of(1), 16 * limits::kMiB);
  for (const std::uint64_t bytes : {limits::kMaxPutBytes, limits::kMaxObjectBytes}) {
    const PartPlan large = PartPlan::of(bytes, 16 * limits::kMiB);
    EXPECT_LE(large.count(), 10'000);
    EXPECT_EQ(large.offset_of(large.count()) + large.size_of(large.count()), bytes);
  }
}

TEST(TransferPool, RunsAllAndWaits) {
  std::atomic<int> done{0};
  TransferPool pool(4);
  for (int i = 0; i < 3000; ++i) pool.submit([&] { ++done; });
  pool.drain();
  EXPECT_EQ(done, 3000);
  pool.submit([&] { ++done; });
  pool.drain();
  EXPECT_EQ(done, 3001);
}

TEST(PartFile, GoesOnWhereItStopped) {
  const std::string name = fresh_folder("part") + "/object";
  const PartPlan plan{10, 4};
  {
    auto part = PartFile::open(name, "etag 1", plan).value();
    EXPECT_FALSE(part->has(1));
    ASSERT_TRUE(part->write(4, "efgh"));
    ASSERT_TRUE(part->mark(2));
    EXPECT_EQ(PartFile::open(name, "etag 1", plan).error().code(), ErrorCode::kBusy);
  }
  {
    auto part = PartFile::open(name, "etag 1", plan).value();
    EXPECT_FALSE(part->has(1));
    EXPECT_TRUE(part->has(2));
    ASSERT_TRUE(part->write(0, "abcd"));
    ASSERT_TRUE(part->write(8, "ij"));
    ASSERT_TRUE(part->mark(1));
    ASSERT_TRUE(part->mark(3));
    ASSERT_TRUE(part->finish());
  }
  EXPECT_EQ(read_whole(name, 100), "abcdefghij");
  EXPECT_FALSE(std::filesystem::exists(name + ".part"));
}

TEST(PartFile, ForgetsAnotherObjectsBytes) {
  const std::string name = fresh_folder("part-other") + "/object";
  const PartPlan plan{10, 4};
  {
    auto part = PartFile::open(name, "etag 1", plan).value();
    ASSERT_TRUE(part->mark(2));
  }
  EXPECT_FALSE(PartFile::open(name, "etag 2", plan).value()->has(2));
}

Entry entry(std::string name, std::uint64_t size, int changed_s = 0) {
  Entry result{std::move(name), {}, {}};
  result.object.size = size;
  result.object.modified = WallTime(std::chrono::seconds(changed_s));
  return result;
}

TEST(Compare, TellsEveryKind) {
  const auto differences =
      compare_entries({entry("same", 1), entry("a", 1), entry("size", 1), entry("newer", 1, 50)},
                      {entry("size", 2), entry("b", 1), entry("same", 1, 9), entry("newer", 1, 40)});
  ASSERT_EQ(differences.size(), 4U);
  EXPECT_EQ(differences[0].name, "a");
  EXPECT_EQ(differences[0].kind, Difference::Kind::kOnlyFirst);
  EXPECT_EQ(differences[1].kind, Difference::Kind::kOnlySecond);
  EXPECT_EQ(differences[2].kind, Difference::Kind::kNewer);
  EXPECT_EQ(differences[3].kind, Difference::Kind::kSize);
  EXPECT_TRUE(compare_entries({}, {}).empty());
}

TEST(Walk, FilesBelowAFolder) {
  const std::string folder = fresh_folder("walk");
  ASSERT_TRUE(make_folders(folder + "/b/c"));
  ASSERT_TRUE(write_private(folder + "/b/c/2", "two"));
  ASSERT_TRUE(write_private(folder + "/a", "1"));
  std::filesystem::create_symlink(folder + "/a", folder + "/link");
  std::filesystem::create_directory_symlink(folder, folder + "/loop");
  Output output;
  std::vector<std::string> names;
  ASSERT_TRUE(walk_files(output, folder, [&](const Entry& found) -> Result<bool> {
    names.push_back(found.name + ":" + std::to_string(found.object.size));
    return true;
  }));
  EXPECT_EQ(names, (std::vector<std::string>{"a:1", "b/c/2:3", "link:1"}));
  EXPECT_EQ(walk_files(output, folder + "/none", {}).error().code(), ErrorCode::kNotFound);
}

TEST(ProgressLine, FitsTheTerminal) {
  EXPECT_EQ(
      progress_line(100, 512 << 20, 1 << 30, 128 << 20, 1, 2),
      "[=====================>                     ]  50%  512.0 MiB / 1.0 GiB  128.0 MiB/s  ETA 4s  (1/2)");
  for (std::size_t columns = 1; columns < 120; ++columns)
    EXPECT_LT(progress_line(columns, 3, 7, 1, 1, 2).size(), columns) << columns;
}

TEST(ProgressCounter, CountsRepeatsOnce) {
  Output output;
  Progress progress(output);
  const auto counter = progress_counter(progress);
  for (const std::uint64_t sent : {10U, 20U, 5U, 20U, 30U}) counter(sent);
  EXPECT_EQ(progress.done_bytes(), 30U);
}

TEST(PutArguments, SortsHeadersFromMetadata) {
  PutArguments arguments;
  arguments.metadata = {"Cache-Control=no-cache", "Color=blue=ish"};
  arguments.tags = "a=1&b=x%26y";
  const auto options = arguments.options();
  ASSERT_TRUE(options);
  EXPECT_EQ(options->system.at("cache-control"), "no-cache");
  EXPECT_EQ(options->metadata.at("color"), "blue=ish");
  EXPECT_EQ(options->tagging, "a=1&b=x%26y");
  EXPECT_FALSE(parse_tags("a"));
  EXPECT_FALSE(parse_tags("=b"));
}

TEST(ContentType, ByEnding) {
  EXPECT_EQ(content_type_of("a/b.JPG"), "image/jpeg");
  EXPECT_EQ(content_type_of("Makefile"), "application/octet-stream");
}

}  // namespace
}  // namespace flashstor::cli
