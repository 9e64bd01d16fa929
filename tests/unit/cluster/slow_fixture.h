#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "engine/cluster/limits.h"
#include "tests/sim/sim_runtime.h"
#include "tests/unit/cluster/set_fixture.h"

namespace flashstor::cluster {

/// A set of four drives in memory in virtual time, any of which a test can freeze.
class SlowDrives : public ::testing::Test {
 protected:
  static constexpr std::uint32_t kDrives = 4;
  using MakeDrive = std::unique_ptr<storage::StorageApi> (*)(std::shared_ptr<testing::MemoryDisk> disk,
                                                             std::uint32_t slot);
  static std::unique_ptr<storage::StorageApi> make_drive(std::shared_ptr<testing::MemoryDisk> disk,
                                                         std::uint32_t slot) {
    return std::make_unique<testing::MemoryStorage>(std::move(disk), slot);
  }
  explicit SlowDrives(MakeDrive make = make_drive) {
    add_test_planners(registry_);
    SetParts parts;
    parts.info.drives = kDrives;
    parts.info.default_parity = 2;
    parts.home = &runtime_;
    parts.registry = &registry_;
    parts.described.resize(kDrives);
    for (std::uint32_t slot = 0; slot < kDrives; ++slot) {
      disks_.push_back(std::make_shared<testing::MemoryDisk>());
      parts.drives.push_back(make(disks_[slot], slot));
    }
    set_ = std::make_unique<ErasureSet>(std::move(parts));
    EXPECT_TRUE(runtime_.run_until(set_->open()).has_value());
  }
  ~SlowDrives() override {
    thaw();
    world_.run_for(std::chrono::seconds(1));
    runtime_.run_until(set_->close());
  }
  /// A slot that does not lead.
  [[nodiscard]] std::uint32_t follower() { return *set_->group().leader() == 0 ? 1 : 0; }
  void thaw() {
    runtime_.enter([this] {
      for (const auto& disk : disks_) {
        disk->frozen = false;
        disk->thaw.notify_all();
      }
    });
  }
  /// Begins what nobody waits for.
  void begin(Task<void> work) {
    runtime_.enter([&] { async::start_detached(std::move(work)); });
  }
  Command command(const std::string& key) {
    Command command;
    command.kind = kPut;
    command.request_id = Uuid::make(random_);
    command.payload = key;
    command.locks.push_back({.name = lock_name(Family::kVersions, key), .exclusive = true});
    return command;
  }
  Task<Result<CommandResult>> put(std::string key) {
    Command put = command(key);
    put.data = {.id = Uuid::make(random_), .geometry = {2, 2}, .place = DataPlace::kLog, .length = 5};
    put.bytes = BufferChain(Buffer::copy_of("hello"));
    co_return co_await set_->execute(std::move(put));
  }
  Task<Result<CommandResult>> put_large(std::string key, std::size_t stripes) {
    auto stage = co_await or_return(set_->stage(Uuid::make(random_), {2, 2}, 0));
    for (std::size_t i = 0; i < stripes; ++i)
      co_await or_return(
          stage->write(BufferChain(Buffer::copy_of(std::string(flashstor::limits::kStripeBytes, 'x')))));
    Command put = command(key);
    put.data = co_await or_return(stage->finish());
    co_return co_await set_->execute(std::move(put));
  }
  [[nodiscard]] Nanoseconds now() { return runtime_.now().time_since_epoch(); }

  sim::SimWorld world_{3};
  sim::SimRuntime runtime_{world_};
  base::SeededRandom random_{7};
  CommandRegistry registry_;
  std::vector<std::shared_ptr<testing::MemoryDisk>> disks_;
  std::unique_ptr<ErasureSet> set_;
};

}  // namespace flashstor::cluster
