#include <fstream>

#include "engine/async/gather.h"
#include "tests/unit/cluster/cluster_fixture.h"

namespace flashstor::cluster {
namespace {

TEST_F(ClusterTest, FormatsEmptyDrivesAndFindsThemAgain) {
  const auto first = open();
  ASSERT_TRUE(first.has_value()) << first.error().describe();
  EXPECT_TRUE(cluster_->first_start());
  const Uuid deployment = cluster_->deployment_id();
  put("a", "hello");
  const std::string large(5'000'000, 'x');
  const auto done = runtime_.run_until(put_large_task("large", large));
  ASSERT_TRUE(done.has_value()) << done.error().describe();
  EXPECT_EQ(get("a"), "hello");
  EXPECT_EQ(get("large"), large);
  close();
  const auto second = open();
  ASSERT_TRUE(second.has_value()) << second.error().describe();
  EXPECT_FALSE(cluster_->first_start());
  EXPECT_EQ(cluster_->deployment_id(), deployment);
  EXPECT_EQ(get("a"), "hello");
  EXPECT_EQ(get("large"), large);
  put("b", "more");
  EXPECT_EQ(get("b"), "more");
}

TEST_F(ClusterTest, StartsWithoutOneDriveAndHealsItWhenItIsBack) {
  ASSERT_TRUE(open().has_value());
  put("a", "hello");
  close();
  std::filesystem::rename(drive(3), root_ + "/away");
  const auto degraded = open();
  ASSERT_TRUE(degraded.has_value()) << degraded.error().describe();
  EXPECT_EQ(get("a"), "hello");
  for (int i = 0; i < 30; ++i) put("k" + std::to_string(i), std::string(4096, 'a'));
  const std::string large(3'000'000, 'y');
  ASSERT_TRUE(runtime_.run_until(put_large_task("large", large)).has_value());
  EXPECT_NE(set().status().drives[2].state, storage::DriveInfo::State::kOnline);
  close();
  std::filesystem::rename(root_ + "/away", drive(3));
  ASSERT_TRUE(open().has_value());
  const auto healed = runtime_.run_until(set().heal_now());
  ASSERT_TRUE(healed.has_value()) << healed.error().describe();
  EXPECT_EQ(set().heal_status().queued, 0U);
  EXPECT_EQ(set().heal_status().healed, 31U);
  runtime_.run_until(set().fail_drive(0, "pulled"));
  runtime_.run_until(set().fail_drive(1, "pulled"));
  EXPECT_EQ(get("large"), large);
  EXPECT_EQ(get("k29"), std::string(4096, 'a'));
}

TEST_F(ClusterTest, SwappedAndTooFewDrivesAreNamed) {
  ASSERT_TRUE(open().has_value());
  put("a", "hello");
  close();
  // Two of four in the wrong place: named, kept out and left as they are; the others still give what is
  // there.
  const auto swapped = open({drive(2), drive(1), drive(3), drive(4)});
  ASSERT_TRUE(swapped.has_value()) << swapped.error().describe();
  for (const int slot : {0, 1}) {
    const storage::DriveInfo info = set().status().drives[slot];
    EXPECT_EQ(info.state, storage::DriveInfo::State::kForeign);
    EXPECT_NE(info.error.find("swapped"), std::string::npos) << info.error;
  }
  EXPECT_EQ(get("a"), "hello");
  EXPECT_FALSE(runtime_.run_until(put_task("b", "x")).has_value());
  close();
  const auto fewer = open({drive(1), drive(2)});
  ASSERT_FALSE(fewer.has_value());
  EXPECT_EQ(fewer.error().code(), ErrorCode::kDriveForeign);
  for (int i = 1; i <= 3; ++i) std::filesystem::rename(drive(i), root_ + "/gone" + std::to_string(i));
  const auto alone = open();
  ASSERT_FALSE(alone.has_value());
  EXPECT_EQ(alone.error().code(), ErrorCode::kReadQuorum);
  EXPECT_NE(alone.error().message().find(drive(2)), std::string::npos);
}

TEST_F(ClusterTest, ADirectoryWithOtherFilesIsNotFormatted) {
  std::ofstream(drive(2) + "/holiday.jpg") << "x";
  const auto refused = open();
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), ErrorCode::kDriveForeign);
  EXPECT_NE(refused.error().message().find("holiday.jpg"), std::string::npos);
  EXPECT_TRUE(std::filesystem::is_empty(drive(1)));
}

TEST_F(ClusterTest, ManyWritersAtOnce) {
  ASSERT_TRUE(open().has_value());
  std::vector<Task<Result<CommandResult>>> writers;
  for (int i = 0; i < 200; ++i) writers.push_back(put_task("k" + std::to_string(i), std::string(4096, 'w')));
  for (const auto& result : runtime_.run_until(async::gather(std::move(writers))))
    ASSERT_TRUE(result.has_value()) << result.error().describe();
  for (int i = 0; i < 200; ++i) ASSERT_EQ(get("k" + std::to_string(i)), std::string(4096, 'w'));
}

}  // namespace
}  // namespace flashstor::cluster
