#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "engine/async/uv_runtime.h"
#include "engine/base/codec.h"
#include "engine/cluster/placement.h"
#include "engine/cluster/set.h"
#include "tests/support/memory_storage.h"

namespace flashstor::cluster {

inline constexpr CommandKind kPut = 1;
inline constexpr CommandKind kRemove = 2;
inline constexpr CommandKind kPutIfAbsent = 3;

/// A tiny object layer: a key of kVersions holds the reference to its bytes. An overwritten value goes, and
/// its data becomes due, when the new one is confirmed; the old row is kept behind it as key + "\1".
inline void add_test_planners(CommandRegistry& registry) {
  const auto put = [](RowView& rows, const Command& command) -> Task<Result<Plan>> {
    const std::string key = command.payload;
    const auto old = co_await or_return(rows.get(Family::kVersions, key));
    if (old && command.kind == kPutIfAbsent) co_return fail(ErrorCode::kPreconditionFailed);
    ByteWriter value;
    storage::encode_data_ref(value, command.data);
    Plan plan;
    plan.changes.push_back({.family = Family::kVersions, .key = key, .value = value.take()});
    plan.on_void.push_back({.family = Family::kVersions, .key = key, .value = old});
    if (old) {
      ByteReader in(*old);
      plan.on_confirm.push_back(free_later(storage::decode_data_ref(in), rows.now()));
    }
    plan.response = "put " + key;
    co_return plan;
  };
  registry.add_planner(kPut, put);
  registry.add_planner(kPutIfAbsent, put);
  registry.add_planner(kRemove, [](RowView& rows, const Command& command) -> Task<Result<Plan>> {
    const auto old = co_await or_return(rows.get(Family::kVersions, command.payload));
    Plan plan;
    plan.write = old.has_value();
    plan.changes.push_back({.family = Family::kVersions, .key = command.payload, .value = std::nullopt});
    if (old) {
      ByteReader in(*old);
      plan.changes.push_back(free_later(storage::decode_data_ref(in), rows.now()));
    }
    co_return plan;
  });
}

inline Task<Result<void>> read_row(RowView& rows, const std::string& key, std::optional<std::string>& out) {
  out = co_await or_return(rows.get(Family::kVersions, key));
  co_return Result<void>();
}
/// The data that the row of `key` names. Errors: kNoSuchKey; those of reading rows.
inline Task<Result<DataRef>> find_data(SetApi* set, std::string key) {
  std::optional<std::string> row;
  co_await or_return(set->with_rows([&row, &key](RowView& rows) { return read_row(rows, key, row); }));
  if (!row) co_return fail(ErrorCode::kNoSuchKey);
  ByteReader in(*row);
  co_return storage::decode_data_ref(in);
}

/// A set of drives in memory on a loop of its own, which a test can stop, damage and start again.
class SetTest : public ::testing::Test {
 protected:
  explicit SetTest(std::uint32_t drives = 4) : drives_(drives) {
    add_test_planners(registry_);
    for (std::uint32_t slot = 0; slot < drives; ++slot)
      disks_.push_back(std::make_shared<testing::MemoryDisk>());
  }
  ~SetTest() override {
    if (set_) stop();
  }

  [[nodiscard]] Geometry geometry() const {
    const std::uint8_t m = default_parity(drives_);
    return {.data_shards = static_cast<std::uint8_t>(drives_ - m), .parity_shards = m};
  }

  Result<void> try_start(std::vector<std::uint32_t> missing = {}) {
    SetParts parts;
    parts.info.drives = drives_;
    parts.info.default_parity = geometry().parity_shards;
    parts.home = &runtime_;
    parts.registry = &registry_;
    parts.described.resize(drives_);
    for (std::uint32_t slot = 0; slot < drives_; ++slot) {
      const bool gone = std::ranges::find(missing, slot) != missing.end();
      parts.drives.push_back(gone ? nullptr : std::make_unique<testing::MemoryStorage>(disks_[slot], slot));
    }
    set_ = std::make_unique<ErasureSet>(std::move(parts));
    return runtime_.run_until(set_->open());
  }
  void start(std::vector<std::uint32_t> missing = {}) {
    const auto opened = try_start(std::move(missing));
    ASSERT_TRUE(opened.has_value()) << opened.error().describe();
  }
  void stop() {
    runtime_.run_until(set_->close());
    set_.reset();
  }
  /// Stops without leaving anything in order: what was not flushed is lost.
  void kill() {
    for (const auto& disk : disks_) disk->fail_appends = true;
    runtime_.run_until([](SetTest* self) -> Task<void> {
      for (std::uint32_t slot = 0; slot < self->drives_; ++slot)
        co_await self->set_->fail_drive(slot, "killed");
    }(this));
    std::vector<std::map<std::uint64_t, testing::MemoryDisk::Deferred>> deferred;
    std::vector<std::uint64_t> flushed;
    for (const auto& disk : disks_) {
      disk->crash();
      disk->fail_appends = false;
    }
    stop();
  }

  Task<Result<CommandResult>> put_task(std::string key, std::string bytes, CommandKind kind = kPut) {
    Command command;
    command.kind = kind;
    command.request_id = Uuid::make(random_);
    command.payload = key;
    command.locks.push_back({.name = lock_name(Family::kVersions, key), .exclusive = true});
    command.data = {
        .id = Uuid::make(random_), .geometry = geometry(), .place = DataPlace::kLog, .length = bytes.size()};
    command.bytes = BufferChain(Buffer::copy_of(bytes));
    return set_->execute(std::move(command));
  }
  Result<CommandResult> put(const std::string& key, const std::string& bytes, CommandKind kind = kPut) {
    return runtime_.run_until(put_task(key, bytes, kind));
  }
  Result<CommandResult> put_large(const std::string& key, const std::string& bytes) {
    return runtime_.run_until(put_large_task(key, bytes));
  }
  Task<Result<CommandResult>> put_large_task(std::string key, std::string bytes) {
    auto stage = co_await or_return(set_->stage(Uuid::make(random_), geometry(), 0));
    for (std::size_t at = 0; at < bytes.size(); at += 300'000)
      co_await or_return(
          stage->write(BufferChain(Buffer::copy_of(std::string_view(bytes).substr(at, 300'000)))));
    Command command;
    command.kind = kPut;
    command.request_id = Uuid::make(random_);
    command.payload = key;
    command.locks.push_back({.name = lock_name(Family::kVersions, key), .exclusive = true});
    command.data = co_await or_return(stage->finish());
    co_return co_await set_->execute(std::move(command));
  }
  Result<CommandResult> remove(const std::string& key) {
    Command command;
    command.kind = kRemove;
    command.request_id = Uuid::make(random_);
    command.payload = key;
    command.locks.push_back({.name = lock_name(Family::kVersions, key), .exclusive = true});
    return runtime_.run_until(set_->execute(std::move(command)));
  }
  static Task<Result<std::string>> get_task(ErasureSet* set, std::string key) {
    const DataRef data = co_await or_return(find_data(set, key));
    std::string out;
    for (std::uint64_t at = 0; at < data.length; at += kMaxReadBytes)
      out += (co_await or_return(set->read(data, at, kMaxReadBytes))).flatten().view();
    co_return out;
  }
  Result<std::string> get(const std::string& key) { return runtime_.run_until(get_task(set_.get(), key)); }
  std::string get_or_error(const std::string& key) {
    auto value = get(key);
    return value ? *value : "error " + std::string(base::name_of(value.error().code()));
  }
  DataRef ref_of(const std::string& key) { return runtime_.run_until(find_data(set_.get(), key)).value(); }
  std::vector<std::string> list(const std::string& prefix) {
    std::vector<std::string> keys;
    const auto done = runtime_.run_until(list_task(set_.get(), prefix, &keys));
    EXPECT_TRUE(done.has_value());
    return keys;
  }
  static Task<Result<void>> list_task(ErasureSet* set, std::string prefix, std::vector<std::string>* keys) {
    co_return co_await set->with_rows([&prefix, keys](RowView& rows) {
      return rows.scan(
          Family::kVersions, prefix, prefix + "\xff",
          [keys](std::string_view key, std::string_view) -> ScanStep {
            keys->emplace_back(key);
            return {};
          },
          [keys] { keys->clear(); });
    });
  }
  /// Lets the loop turn for a while.
  void turn(Milliseconds time) {
    runtime_.run_until([](async::UvRuntime* loop, Milliseconds wait) -> Task<void> {
      co_await async::sleep_for(*loop, wait);
    }(&runtime_, time));
  }

  std::uint32_t drives_;
  async::UvRuntime runtime_;
  base::SeededRandom random_{7};
  CommandRegistry registry_;
  std::vector<std::shared_ptr<testing::MemoryDisk>> disks_;
  std::unique_ptr<ErasureSet> set_;
};

}  // namespace flashstor::cluster
