#include "engine/cluster/cluster.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "engine/async/gather.h"
#include "engine/async/uv_runtime.h"
#include "engine/cluster/topology.h"
#include "engine/storage/row_store_rocksdb.h"
#include "engine/storage/xl_storage.h"
#include "tests/unit/cluster/set_fixture.h"

namespace flashstor::cluster {
namespace {

/// Real drives in a directory of the test's own.
class ClusterTest : public ::testing::Test {
 protected:
  ClusterTest() {
    add_test_planners(registry_);
    std::string pattern = (std::filesystem::temp_directory_path() / "flashstor-cluster-XXXXXX").string();
    root_ = mkdtemp(pattern.data());
    for (int i = 1; i <= 4; ++i) std::filesystem::create_directory(drive(i));
  }
  ~ClusterTest() override {
    if (cluster_) close();
    std::filesystem::remove_all(root_);
  }
  [[nodiscard]] std::string drive(int number) const { return root_ + "/d" + std::to_string(number); }

  Result<void> open(std::vector<std::string> paths = {}) {
    ClusterOptions options;
    options.drives = paths.empty() ? expand_drives({root_ + "/d{1...4}"}).value() : std::move(paths);
    options.loops = {&runtime_};
    options.pool = &pool_;
    options.registry = &registry_;
    options.io = io_.get();
    options.open_drive = [this](const std::string& path) -> Result<std::unique_ptr<storage::StorageApi>> {
      storage::XlStorageOptions drive_options;
      drive_options.path = path;
      drive_options.io = io_.get();
      drive_options.open_rows = [this](const std::string& rows) {
        return storage::open_rocksdb_rows(rows, resources_);
      };
      drive_options.salt_seed = 42;
      drive_options.segment_bytes = 4 << 20;
      auto opened = storage::XlStorage::open(std::move(drive_options));
      if (!opened) return std::unexpected(std::move(opened).error());
      return std::unique_ptr<storage::StorageApi>(std::move(*opened));
    };
    auto opened = runtime_.run_until(Cluster::open(std::move(options)));
    if (!opened) return std::unexpected(std::move(opened).error());
    cluster_ = std::move(*opened);
    return {};
  }
  void close() {
    runtime_.run_until(cluster_->close());
    cluster_.reset();
  }
  ErasureSet& set() { return cluster_->erasure_set(0); }

  Task<Result<CommandResult>> put_task(std::string key, std::string bytes) {
    Command command;
    command.kind = kPut;
    command.request_id = Uuid::make(random_);
    command.payload = key;
    command.locks.push_back({.name = lock_name(Family::kVersions, key), .exclusive = true});
    command.data = {
        .id = Uuid::make(random_), .geometry = {2, 2}, .place = DataPlace::kLog, .length = bytes.size()};
    command.bytes = BufferChain(Buffer::copy_of(bytes));
    co_return co_await set().execute(std::move(command));
  }
  Task<Result<CommandResult>> put_large_task(std::string key, std::string bytes) {
    auto stage = co_await or_return(set().stage(Uuid::make(random_), {2, 2}, bytes.size()));
    co_await or_return(stage->write(BufferChain(Buffer::copy_of(bytes))));
    Command command;
    command.kind = kPut;
    command.request_id = Uuid::make(random_);
    command.payload = key;
    command.locks.push_back({.name = lock_name(Family::kVersions, key), .exclusive = true});
    command.data = co_await or_return(stage->finish());
    co_return co_await set().execute(std::move(command));
  }
  static Task<Result<std::string>> get_task(ErasureSet* set, std::string key) {
    std::optional<std::string> row;
    co_await or_return(set->with_rows([&row, &key](RowView& rows) { return read_row(rows, key, row); }));
    if (!row) co_return fail(ErrorCode::kNoSuchKey);
    ByteReader in(*row);
    const DataRef data = storage::decode_data_ref(in);
    std::string out;
    for (std::uint64_t at = 0; at < data.length; at += kMaxReadBytes)
      out += (co_await or_return(set->read(data, at, kMaxReadBytes))).flatten().view();
    co_return out;
  }
  static Task<Result<void>> read_row(RowView& rows, const std::string& key, std::optional<std::string>& out) {
    out = co_await or_return(rows.get(Family::kVersions, key));
    co_return Result<void>();
  }
  std::string get(const std::string& key) {
    const auto value = runtime_.run_until(get_task(&set(), key));
    return value ? *value : "error " + value.error().describe();
  }
  void put(const std::string& key, const std::string& bytes) {
    const auto done = runtime_.run_until(put_task(key, bytes));
    ASSERT_TRUE(done.has_value()) << done.error().describe();
  }

  std::string root_;
  async::UvRuntime runtime_;
  async::ThreadPool pool_{2, "test-pool"};
  base::SeededRandom random_{11};
  CommandRegistry registry_;
  std::unique_ptr<storage::FileIo> io_ = storage::make_posix_file_io();
  storage::RowStoreResources resources_{storage::RowStoreResources::Options{}};
  std::unique_ptr<Cluster> cluster_;
};

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

TEST_F(ClusterTest, SwappedForeignAndTooFewDrivesAreRefusedInWords) {
  ASSERT_TRUE(open().has_value());
  close();
  const auto swapped = open({drive(2), drive(1), drive(3), drive(4)});
  ASSERT_FALSE(swapped.has_value());
  EXPECT_EQ(swapped.error().code(), ErrorCode::kDriveForeign);
  EXPECT_NE(swapped.error().message().find("swapped"), std::string::npos);
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
