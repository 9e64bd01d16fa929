#include "engine/storage/drive_tools.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "engine/storage/row_store_rocksdb.h"
#include "tests/unit/storage/drive_fixture.h"

namespace flashstor::storage {
namespace {

/// A drive with the real index, some data in its log and one shard file.
class DriveToolsTest : public DriveFixture {
 protected:
  DriveToolsTest() { options_.open_rows = nullptr; }
  OpenRows read_only() {
    return [this](const std::string& path) { return open_rocksdb_rows_read_only(path, resources_); };
  }
  void fill() {
    XlStorageOptions options = options_;
    options.path = directory_.path();
    options.io = io_.get();
    options.open_rows = [this](const std::string& path) { return open_rocksdb_rows(path, resources_); };
    auto opened = XlStorage::open(options);
    ASSERT_TRUE(opened);
    drive_ = std::move(*opened);
    ASSERT_TRUE(run(drive_->recover()));
    for (std::uint64_t i = 1; i <= 10; ++i) {
      EntryBody body = put("k" + std::to_string(i), "v");
      const DataRecord record = record_of({9, i}, 3000);
      body.data = record.ref;
      commit(i, body, {record});
    }
    file_ = {{8, 1}, 0, {2, 2}, DataPlace::kFile, 10'000};
    DataRef opening = file_;
    opening.length = 0;
    ASSERT_TRUE(run(drive_->stage_open(opening, 0, 0)));
    ASSERT_TRUE(run(drive_->stage_append(file_.id, Buffer::copy_of(std::string(8192, 'x')), 8192)));
    ASSERT_TRUE(run(drive_->stage_finish(file_.id, file_.length)));
    EntryBody body = put("file", "v");
    body.data = file_;
    commit(11, body);
  }
  void damage(const std::string& path, std::uint64_t offset) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(offset));
    const auto byte = static_cast<char>(file.get() ^ 1);
    file.seekp(static_cast<std::streamoff>(offset));
    file.put(byte);
    ASSERT_TRUE(file.good());
  }
  DriveReport verify() {
    auto report = verify_drive(*io_, directory_.path(), read_only(), {});
    EXPECT_TRUE(report) << report.error().describe();
    return report ? *report : DriveReport{};
  }
  RowStoreResources resources_{{}};
  DataRef file_;
};

TEST_F(DriveToolsTest, AGoodDriveVerifies) {
  fill();
  EXPECT_EQ(verify_drive(*io_, directory_.path(), read_only(), {}).error().code(), ErrorCode::kBusy)
      << "a node uses it";
  EXPECT_TRUE(inspect_drive_json(*io_, directory_.path(), read_only()).bool_or("in_use"));
  stop();
  const DriveReport report = verify();
  EXPECT_TRUE(report.good()) << to_json(report).dump();
  EXPECT_EQ(report.inline_shards, 10U);
  EXPECT_EQ(report.shard_files, 1U);
  EXPECT_EQ(report.bytes, 10 * shard_bytes_of(record_of({9, 1}, 3000).ref) + 8192);
  const Json seen = inspect_drive_json(*io_, directory_.path(), read_only());
  EXPECT_EQ(seen.get("index").uint_or("applied_index"), 11U) << seen.dump();
  EXPECT_EQ(seen.get("index").get("rows").uint_or("versions"), 11U);
  EXPECT_EQ(seen.string_or("condition"), "formatted");
  const Json& format = seen.get("format");  // counts from 1, as everything that people read
  EXPECT_EQ(format.uint_or("pool"), 1U) << seen.dump();
  EXPECT_EQ(format.uint_or("set"), 1U);
  EXPECT_EQ(format.uint_or("slot"), 2U);
  std::uint64_t rows = 0;
  ASSERT_TRUE(dump_drive(*io_, directory_.path(), read_only(), "versions", [&](const Json&) { ++rows; }));
  EXPECT_EQ(rows, 11U);
  rows = 0;
  ASSERT_TRUE(dump_drive(*io_, directory_.path(), read_only(), "log", [&](const Json&) { ++rows; }));
  EXPECT_GT(rows, 11U);
  EXPECT_FALSE(dump_drive(*io_, directory_.path(), read_only(), "nothing", [](const Json&) {}));
}

TEST_F(DriveToolsTest, DamageInAFileIsFound) {
  fill();
  stop();
  const std::string path = directory_.path() + "/shards/00/" + file_.id.to_text();
  damage(path, 5000);
  DriveReport report = verify();
  EXPECT_EQ(report.problem_count, 1U);
  damage(path, 5000);
  EXPECT_TRUE(verify().good());
  damage(path, std::filesystem::file_size(path) - 1);
  EXPECT_EQ(verify().problem_count, 1U) << "its footer";
}

TEST_F(DriveToolsTest, DamageInTheLogIsFoundAndReadAsCorrupt) {
  fill();
  const DataRecord record = record_of({9, 3}, 3000);
  std::uint64_t offset = 0;
  {
    auto row = drive_->rows()->get(Family::kInline, record.id.to_bytes(), ReadTier::kAny);
    ASSERT_TRUE(row && *row);
    offset = decode_data_position(**row, record.id)->at.offset;
  }
  stop();
  damage(directory_.path() + "/log/00000001.seg", offset + 10);
  const DriveReport report = verify();
  EXPECT_GE(report.problem_count, 1U);
}

TEST_F(DriveToolsTest, DamageInTheIndexIsFound) {
  fill();
  stop();
  for (const auto& entry : std::filesystem::directory_iterator(directory_.path() + "/rows"))
    if (entry.path().extension() == ".sst") {
      damage(entry.path().string(), 20);
      break;
    }
  EXPECT_GE(verify().problem_count, 1U);
}

TEST_F(DriveToolsTest, WhatIsNoDriveIsSaid) {
  TempDirectory empty;
  EXPECT_FALSE(verify_drive(*io_, empty.path(), read_only(), {}));
  EXPECT_EQ(inspect_drive_json(*io_, empty.path(), read_only()).string_or("condition"), "empty");
  EXPECT_EQ(inspect_drive_json(*io_, "/nowhere", read_only()).string_or("condition"), "missing");
}

}  // namespace
}  // namespace flashstor::storage
