#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/async/uv_runtime.h"
#include "engine/storage/row_store_memory.h"
#include "engine/storage/xl_storage.h"
#include "tests/unit/storage/temp_directory.h"

namespace flashstor::storage {

/// Forwards to a store that outlives it, so that a memory index survives the drive's stop as a directory
/// would.
class SharedRows final : public RowStore {
 public:
  using Look = std::function<void(std::span<const RowChangeView>)>;
  /// `before_write` looks at what is written, and may hold it back.
  explicit SharedRows(std::shared_ptr<RowStoreMemory> inner, const Look* before_write = nullptr)
      : inner_(std::move(inner)), before_write_(before_write) {}
  Result<std::optional<std::string>> get(Family family, std::string_view key, ReadTier tier) override {
    return inner_->get(family, key, tier);
  }
  using RowStore::write;
  Result<void> write(std::span<const RowChangeView> changes, bool may_wait) override {
    if (before_write_ != nullptr && *before_write_) (*before_write_)(changes);
    return inner_->write(changes, may_wait);
  }
  std::unique_ptr<RowIterator> iterate(Family family, std::string_view lower, std::string_view upper,
                                       ReadTier tier) override {
    return inner_->iterate(family, lower, upper, tier);
  }
  Result<void> flush() override { return inner_->flush(); }
  Result<void> verify() override { return inner_->verify(); }
  Result<void> checkpoint(const std::string& path) override { return inner_->checkpoint(path); }
  [[nodiscard]] Usage usage() const override { return inner_->usage(); }

 private:
  std::shared_ptr<RowStoreMemory> inner_;
  const Look* before_write_;
};

/// A formatted drive in a temporary directory, with a memory index, that can be stopped cleanly or not.
class DriveFixture : public testing::Test {
 protected:
  DriveFixture() { EXPECT_TRUE(format_drive(*io_, directory_.path(), format_)); }
  ~DriveFixture() override {
    if (drive_ != nullptr) stop();
  }

  template <class T>
  T run(Task<T> task) {
    return runtime_.run_until(std::move(task));
  }

  RecoveredState start() {
    XlStorageOptions options = options_;
    options.path = directory_.path();
    options.io = io_.get();
    options.salt_seed = ++seed_;
    options.open_rows = [this](const std::string&) -> Result<std::unique_ptr<RowStore>> {
      return std::make_unique<SharedRows>(rows_, &before_write_);
    };
    auto opened = XlStorage::open(options);
    EXPECT_TRUE(opened) << opened.error().describe();
    drive_ = std::move(*opened);
    auto state = run(drive_->recover());
    recover_error_ = state ? "" : state.error().describe();
    return state ? *state : RecoveredState{};
  }
  void stop() {
    const auto closed = run(drive_->close());
    EXPECT_TRUE(closed) << closed.error().describe();
    drive_.reset();
  }
  /// As SIGKILL and a power cut: the log as it was synced, the index as it was flushed.
  void crash() {
    drive_.reset();
    rows_->crash();
  }

  static LogEntry entry_of(std::uint64_t index, std::uint64_t term, const EntryBody& body) {
    return {term, index, 0, Buffer::copy_of(encode_entry(body))};
  }
  static EntryBody put(std::string key, std::string value) {
    EntryBody body;
    body.changes = {{Family::kVersions, std::move(key), std::move(value)}};
    return body;
  }
  static DataRecord record_of(DataId id, std::uint64_t length, Geometry geometry = {2, 2}) {
    DataRecord record;
    record.id = id;
    record.ref = {id, 0, geometry, DataPlace::kLog, length};
    record.shard = 1;
    record.bytes = Buffer::allocate(shard_bytes_of(record.ref));
    for (std::size_t i = 0; i < record.bytes.size(); ++i)
      record.bytes.writable()[i] = static_cast<std::byte>((i * 7 + id.low) & 0xff);
    return record;
  }
  Result<void> append(AppendBatch batch) { return run(drive_->append(std::move(batch))); }
  Result<void> apply(std::vector<LogEntry> entries) { return run(drive_->apply(std::move(entries))); }
  /// Appends and applies one entry, with its data if any.
  void commit(std::uint64_t index, const EntryBody& body, std::vector<DataRecord> data = {}) {
    AppendBatch batch;
    batch.entries.push_back(entry_of(index, 1, body));
    batch.data = std::move(data);
    const auto appended = append(batch);
    ASSERT_TRUE(appended) << appended.error().describe();
    const auto applied = apply(batch.entries);
    ASSERT_TRUE(applied) << applied.error().describe();
  }
  std::optional<std::string> row(std::string key) {
    auto got = run(drive_->get_row(Family::kVersions, std::move(key)));
    EXPECT_TRUE(got);
    return got ? *got : std::nullopt;
  }

  async::UvRuntime runtime_;
  TempDirectory directory_;
  std::shared_ptr<FileIo> io_ = make_posix_file_io();
  DriveFormat format_{{1, 1}, 0, 0, 1, {2, 2}, {{2, 1}, {2, 2}}};
  std::shared_ptr<RowStoreMemory> rows_ = std::make_shared<RowStoreMemory>();
  SharedRows::Look before_write_;
  XlStorageOptions options_{.segment_bytes = 1 << 20};
  std::unique_ptr<XlStorage> drive_;
  std::string recover_error_;
  std::uint64_t seed_ = 0;
};

}  // namespace flashstor::storage
