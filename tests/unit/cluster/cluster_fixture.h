#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "engine/async/uv_runtime.h"
#include "engine/cluster/cluster.h"
#include "engine/cluster/topology.h"
#include "engine/storage/row_store_rocksdb.h"
#include "engine/storage/xl_storage.h"
#include "tests/unit/cluster/set_fixture.h"

namespace flashstor::cluster {

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

  Result<std::unique_ptr<storage::RowStore>> open_rows(const std::string& path) {
    return storage::open_rocksdb_rows(path, resources_);
  }
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
      drive_options.open_rows = [this](const std::string& rows) { return open_rows(rows); };
      drive_options.salt_seed = 42;
      drive_options.segment_bytes = 4 << 20;
      auto opened = storage::XlStorage::open(std::move(drive_options));
      if (!opened) return std::unexpected(std::move(opened).error());
      return std::unique_ptr<storage::StorageApi>(std::move(*opened));
    };
    options.open_rows = [this](const std::string& rows) { return open_rows(rows); };
    auto opened = runtime_.run_until(Cluster::open(std::move(options)));
    if (!opened) return std::unexpected(std::move(opened).error());
    cluster_ = std::move(*opened);
    return {};
  }
  void close() {
    EXPECT_EQ(runtime_.run_until(cluster_->close()), 0U) << "a drive hangs";
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

}  // namespace flashstor::cluster
