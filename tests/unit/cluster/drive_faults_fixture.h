#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "tests/unit/cluster/cluster_fixture.h"

namespace flashstor::cluster {

/// Four drives in directories, which a test takes away, empties or damages.
class DriveFaults : public ClusterTest {
 protected:
  using State = storage::DriveInfo::State;
  [[nodiscard]] storage::DriveInfo info(int slot) { return set().status().drives[slot]; }
  /// Has the keeper look until `done`.
  bool looks_until(const std::function<bool()>& done) {
    for (int i = 0; i < 3000 && !done(); ++i) {
      runtime_.run_until(cluster_->keeper(0)->look_now());
      turn();
    }
    return done();
  }
  void turn() {
    runtime_.run_until([](async::UvRuntime* loop) -> Task<void> {
      co_await async::sleep_for(*loop, Milliseconds(5));
    }(&runtime_));
  }
  [[nodiscard]] raft::Membership members() {
    return set().group().core(*set().group().leader())->membership();
  }
  [[nodiscard]] bool votes(int slot) {
    return set().group().leader() && set().group().is_open(slot) &&
           members().is_voter(set().group().member(slot).id) && members().voters.size() == 4;
  }
  void fill_with_data() {
    for (int i = 0; i < 40; ++i)
      put("k" + std::to_string(i), std::string(4096, static_cast<char>('a' + i % 26)));
    ASSERT_TRUE(runtime_.run_until(put_large_task("large", large_)).has_value());
  }
  /// As `admin info` calls it healthy.
  [[nodiscard]] bool healed() {
    const SetStatus status = set().status();
    return status.settled && status.heal_queue == 0 && status.can_write &&
           std::ranges::all_of(status.drives, [](const auto& one) { return one.state == State::kOnline; });
  }
  /// Everything can be read from these two alone.
  void expect_read_with(int one, int other) {
    for (int slot = 0; slot < 4; ++slot)
      if (slot != one && slot != other) runtime_.run_until(set().fail_drive(slot, "pulled"));
    for (int i = 0; i < 40; ++i)
      EXPECT_EQ(get("k" + std::to_string(i)), std::string(4096, static_cast<char>('a' + i % 26)));
    EXPECT_EQ(get("large"), large_);
  }
  /// Everything can be read from this drive and one other.
  void expect_whole_on(int slot) {
    ASSERT_TRUE(looks_until([&] { return healed(); }));
    int spared = 1;
    for (int other = 0; other < 4 && spared < 3; ++other) {
      if (other == slot) continue;
      runtime_.run_until(set().fail_drive(other, "pulled"));
      ++spared;
    }
    for (int i = 0; i < 40; ++i)
      EXPECT_EQ(get("k" + std::to_string(i)), std::string(4096, static_cast<char>('a' + i % 26)));
    EXPECT_EQ(get("large"), large_);
  }
  void empty(int number) {
    for (const auto& entry : std::filesystem::directory_iterator(drive(number)))
      std::filesystem::remove_all(entry.path());
  }
  void damage_index(int number) {
    for (const auto& entry : std::filesystem::directory_iterator(drive(number) + "/rows")) {
      const std::string name = entry.path().filename().string();
      if (!name.starts_with("MANIFEST")) continue;
      std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(40);
      file.put('\x5a').put('\x5a').put('\x5a');
    }
  }
  [[nodiscard]] std::size_t shard_files(int number) const {
    std::size_t files = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(drive(number) + "/shards"))
      files += entry.is_regular_file() ? 1 : 0;
    return files;
  }
  Task<Result<CommandResult>> remove_task(std::string key) {
    Command command;
    command.kind = kRemove;
    command.request_id = Uuid::make(random_);
    command.payload = key;
    command.locks.push_back({.name = lock_name(Family::kVersions, key), .exclusive = true});
    co_return co_await set().execute(std::move(command));
  }
  void wait_for_scan() {
    const std::uint64_t before = set().heal_status().scans;
    ASSERT_TRUE(runtime_.run_until(set().query(kScanQuery, "")));
    for (int i = 0; i < 2000 && set().heal_status().scans == before; ++i) turn();
    ASSERT_GT(set().heal_status().scans, before);
  }
  std::string large_ = std::string(5'000'000, 'L');
};

}  // namespace flashstor::cluster
