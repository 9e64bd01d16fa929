#include <fstream>
#include <functional>

#include "tests/unit/cluster/cluster_fixture.h"

// Drives that go, come back, are emptied, replaced or damaged while the set runs, and between two runs.
namespace flashstor::cluster {
namespace {

using State = storage::DriveInfo::State;

class DriveFaults : public ClusterTest {
 protected:
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

TEST_F(DriveFaults, ADriveThatFailedIsTakenBackAndCatchesUp) {
  ASSERT_TRUE(open().has_value());
  put("before", "x");
  for (int slot = 0; slot < 4; ++slot) {
    runtime_.run_until(set().fail_drive(slot, "its cable was pulled"));
    EXPECT_NE(info(slot).error.find("cable"), std::string::npos) << info(slot).error;
    put("without " + std::to_string(slot), "y");
    ASSERT_TRUE(looks_until([&] { return info(slot).state == State::kOnline && votes(slot); })) << slot;
  }
  fill_with_data();
  wait_for_scan();
  expect_whole_on(2);
}

TEST_F(DriveFaults, AScanThatWasAskedForIsMadeByWhoeverLeads) {
  ASSERT_TRUE(open().has_value());
  fill_with_data();
  for (const char* depth : {"", "deep"}) {
    ASSERT_TRUE(looks_until([&] { return healed(); }));
    const auto before = set().heal_status();
    ASSERT_TRUE(runtime_.run_until(set().query(kScanQuery, depth)));
    runtime_.run_until(set().fail_drive(static_cast<int>(*set().group().leader()), "its cable was pulled"));
    for (int i = 0; i < 2000 && set().heal_status().scans == before.scans; ++i) turn();
    EXPECT_GT(set().heal_status().scans, before.scans) << depth;
    EXPECT_EQ(set().heal_status().deep_scans > before.deep_scans, *depth != '\0');
  }
}

TEST_F(DriveFaults, AnEmptiedDriveIsFilledAsANewMemberWhileTheSetGoesOn) {
  ASSERT_TRUE(open().has_value());
  fill_with_data();
  const Uuid before = info(2).drive_id;
  empty(3);
  ASSERT_TRUE(looks_until([&] { return info(2).state != State::kOnline; }));
  put("meanwhile", "z");
  ASSERT_TRUE(looks_until([&] { return info(2).state == State::kOnline && votes(2); }));
  EXPECT_NE(info(2).drive_id, before);
  EXPECT_FALSE(members().is_voter(3)) << "the drive that was replaced may not come back as if nothing was";
  EXPECT_EQ(get("meanwhile"), "z");
  wait_for_scan();
  EXPECT_GE(set().heal_status().scan_found, 41U);
  put("after", "w");
  expect_whole_on(2);
}

TEST_F(DriveFaults, AFilledDriveIsNotCalledHealedBeforeItVotesAndHoldsItsShards) {
  ASSERT_TRUE(open().has_value());
  fill_with_data();
  const Uuid old = info(2).drive_id;
  empty(3);
  const auto filled = [&] { return info(2).state == State::kOnline && info(2).drive_id != old; };
  ASSERT_TRUE(looks_until(filled)) << info(2).error;
  EXPECT_FALSE(healed()) << "it is only filled with rows";
  // Nobody asks for a scan or for healing.
  ASSERT_TRUE(looks_until([&] { return healed(); }));
  EXPECT_TRUE(votes(2));
  expect_read_with(2, 3);
}

// A row of the queue for each slice, written and taken out again on every drive, was half of what it cost.
TEST_F(DriveFaults, WhatAFilledDriveLacksIsHealedByItsScanPastTheQueue) {
  ASSERT_TRUE(open().has_value());
  fill_with_data();
  ASSERT_TRUE(looks_until([&] { return healed(); }));
  empty(3);
  ASSERT_TRUE(looks_until([&] { return info(2).state != State::kOnline; }));
  std::uint64_t most = 0;
  ASSERT_TRUE(looks_until([&] {
    most = std::max(most, set().status().heal_queue);
    return healed();
  })) << info(2).error;
  EXPECT_EQ(most, 1U) << "only that the scan is owed";
  EXPECT_GE(set().heal_status().healed, 41U);
  EXPECT_EQ(set().heal_status().queued, 0U) << "of the slices before the scan none is left";
  expect_read_with(2, 3);
}

TEST_F(DriveFaults, WhatLacksMoreThanAFilledDrivesShardIsHealedOnTheOtherDriveToo) {
  ASSERT_TRUE(open().has_value());
  fill_with_data();
  ASSERT_TRUE(looks_until([&] { return healed() && shard_files(2) == 1; }));
  for (const auto& entry : std::filesystem::recursive_directory_iterator(drive(2) + "/shards"))
    if (entry.is_regular_file()) std::filesystem::remove(entry.path());
  empty(3);
  ASSERT_TRUE(looks_until([&] { return info(2).state != State::kOnline; }));
  ASSERT_TRUE(looks_until([&] { return healed(); })) << info(2).error;
  EXPECT_EQ(shard_files(2), 1U);
  expect_read_with(1, 2);
}

TEST_F(DriveFaults, TheScanThatAFilledDriveIsOwedSurvivesARestart) {
  ASSERT_TRUE(open().has_value());
  fill_with_data();
  empty(3);
  ASSERT_TRUE(looks_until([&] { return votes(2) || set().status().heal_queue > 0; })) << info(2).error;
  close();
  ASSERT_TRUE(open().has_value());
  ASSERT_TRUE(looks_until([&] { return healed(); }));
  expect_read_with(2, 3);
}

TEST_F(DriveFaults, AReplacedDriveIsKnownAfterARestartAndTheOldOneIsNot) {
  ASSERT_TRUE(open().has_value());
  fill_with_data();
  close();
  std::filesystem::rename(drive(3), root_ + "/old");
  std::filesystem::create_directory(drive(3));
  ASSERT_TRUE(open().has_value());
  ASSERT_TRUE(looks_until([&] { return info(2).state == State::kOnline && votes(2); })) << info(2).error;
  const Uuid fresh = info(2).drive_id;
  const auto told = [&] { return storage::inspect_drive(*io_, drive(1)).format->set_drives[2] == fresh; };
  ASSERT_TRUE(looks_until(told)) << "the others must say which drive belongs there";
  close();
  ASSERT_TRUE(open().has_value());
  EXPECT_EQ(info(2).state, State::kOnline) << info(2).error;
  EXPECT_EQ(info(2).drive_id, fresh);
  wait_for_scan();
  expect_whole_on(2);
  close();
  std::filesystem::rename(drive(3), root_ + "/new");
  std::filesystem::rename(root_ + "/old", drive(3));
  ASSERT_TRUE(open().has_value());
  EXPECT_EQ(info(2).state, State::kForeign);
  EXPECT_NE(info(2).error.find(drive(3)), std::string::npos) << info(2).error;
}

TEST_F(DriveFaults, AnOldDriveIsRefusedThatReturnsWhileItsSuccessorWorks) {
  ASSERT_TRUE(open().has_value());
  fill_with_data();
  std::filesystem::rename(drive(3), root_ + "/old");
  ASSERT_TRUE(looks_until([&] { return info(2).state != State::kOnline; }));
  std::filesystem::create_directory(drive(3));
  ASSERT_TRUE(looks_until([&] { return info(2).state == State::kOnline && votes(2) && healed(); }));
  const Uuid fresh = info(2).drive_id;
  std::filesystem::rename(drive(3), root_ + "/new");
  std::filesystem::rename(root_ + "/old", drive(3));
  ASSERT_TRUE(looks_until([&] { return info(2).state == State::kForeign; })) << info(2).error;
  const auto log = [&] { return std::filesystem::last_write_time(drive(3) + "/log"); };
  const auto written = log();
  put("after", "w");
  for (int i = 0; i < 20; ++i) runtime_.run_until(cluster_->keeper(0)->look_now());
  EXPECT_EQ(info(2).state, State::kForeign);
  EXPECT_EQ(log(), written);
  EXPECT_FALSE(set().group().is_open(2));
  EXPECT_FALSE(members().is_voter(first_member_of(2)));
  std::filesystem::rename(drive(3), root_ + "/old");
  std::filesystem::rename(root_ + "/new", drive(3));
  ASSERT_TRUE(looks_until([&] { return info(2).state == State::kOnline && votes(2) && healed(); }));
  EXPECT_EQ(info(2).drive_id, fresh);
  EXPECT_EQ(get("after"), "w");
  expect_whole_on(2);
}

// What a drive has in its log goes when it is filled anew: not while the others are too few to have it all.
TEST_F(DriveFaults, OfTwoDamagedDrivesNoneIsFilledAnewBeforeOneIsMended) {
  ASSERT_TRUE(open().has_value());
  fill_with_data();
  close();
  std::filesystem::copy(drive(2) + "/rows", root_ + "/rows", std::filesystem::copy_options::recursive);
  damage_index(2);
  damage_index(3);
  ASSERT_TRUE(open().has_value());
  for (int i = 0; i < 50; ++i) {
    runtime_.run_until(cluster_->keeper(0)->look_now());
    turn();
  }
  for (const int slot : {1, 2}) {
    EXPECT_NE(info(slot).state, State::kOnline);
    EXPECT_EQ(storage::inspect_drive(*io_, drive(slot + 1)).format->member, 0U) << "it has a new name";
  }
  EXPECT_EQ(get("large"), large_) << "the others serve reads";
  close();
  std::filesystem::remove_all(drive(2) + "/rows");
  std::filesystem::rename(root_ + "/rows", drive(2) + "/rows");
  ASSERT_TRUE(open().has_value());
  ASSERT_TRUE(looks_until([&] {
    return info(1).state == State::kOnline && info(2).state == State::kOnline && healed();
  })) << info(1).error
      << ", " << info(2).error;
  EXPECT_EQ(storage::inspect_drive(*io_, drive(2)).format->member, 0U);
  EXPECT_NE(storage::inspect_drive(*io_, drive(3)).format->member, 0U);
  expect_whole_on(2);
}

TEST_F(DriveFaults, AFillThatWasCutOffGoesOnAfterARestart) {
  ASSERT_TRUE(open().has_value());
  fill_with_data();
  storage::DriveFormat format = *storage::inspect_drive(*io_, drive(3)).format;
  close();
  empty(3);
  // As far as a fill comes that dies at once: the drive has its new name and the mark.
  format.drive_id = Uuid::make(random_);
  format.set_drives[2] = format.drive_id;
  format.revision = 1;
  format.member = 19;
  ASSERT_TRUE(storage::format_drive(*io_, drive(3), format, true).has_value());
  ASSERT_TRUE(open().has_value());
  EXPECT_EQ(info(2).state, State::kFilling) << info(2).error;
  ASSERT_TRUE(looks_until([&] { return info(2).state == State::kOnline && votes(2); })) << info(2).error;
  EXPECT_TRUE(members().is_voter(19));
  wait_for_scan();
  expect_whole_on(2);
}

TEST_F(DriveFaults, NothingIsWrittenToAForeignDirectoryInADrivesPlace) {
  ASSERT_TRUE(open().has_value());
  put("a", "hello");
  std::filesystem::rename(drive(3), root_ + "/away");
  std::filesystem::create_directory(drive(3));
  std::ofstream(drive(3) + "/holiday.jpg") << "x";
  ASSERT_TRUE(looks_until([&] { return info(2).state == State::kForeign; })) << info(2).error;
  EXPECT_NE(info(2).error.find("holiday.jpg"), std::string::npos);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(drive(3)), {}), 1);
  put("b", "more");
  // The right drive again: taken back without a restart.
  std::filesystem::remove_all(drive(3));
  std::filesystem::rename(root_ + "/away", drive(3));
  ASSERT_TRUE(looks_until([&] { return info(2).state == State::kOnline && votes(2); })) << info(2).error;
  EXPECT_EQ(get("b"), "more");
}

TEST_F(DriveFaults, ADriveWhoseIndexIsDamagedIsFilledAnewAndKeepsItsShards) {
  ASSERT_TRUE(open().has_value());
  fill_with_data();
  close();
  damage_index(2);
  ASSERT_TRUE(open().has_value());
  EXPECT_NE(info(1).state, State::kOnline);
  EXPECT_EQ(get("large"), large_);
  ASSERT_TRUE(looks_until([&] { return info(1).state == State::kOnline && votes(1); })) << info(1).error;
  wait_for_scan();
  expect_whole_on(1);
}

// A drive keeps its shard files when it is filled anew. Those of what was freed while it was away stayed, and
// were owed to the other drives for ever.
TEST_F(DriveFaults, ShardFilesOfWhatWasFreedMeanwhileGoFromAFilledDrive) {
  ASSERT_TRUE(open().has_value());
  fill_with_data();
  ASSERT_TRUE(runtime_.run_until(put_large_task("gone", large_)).has_value());
  ASSERT_TRUE(looks_until([&] { return healed(); }));
  close();
  std::filesystem::rename(drive(2), drive(2) + "-away");
  ASSERT_TRUE(open().has_value());
  ASSERT_TRUE(runtime_.run_until(remove_task("gone")).has_value());
  ASSERT_TRUE(runtime_.run_until(set().free_due(base::from_nanoseconds(INT64_MAX / 2))).has_value());
  close();
  std::filesystem::rename(drive(2) + "-away", drive(2));
  damage_index(2);
  ASSERT_TRUE(open().has_value());
  ASSERT_EQ(shard_files(2), 2U);
  ASSERT_TRUE(looks_until([&] { return info(1).state == State::kOnline && votes(1) && healed(); }))
      << info(1).error << ", " << set().status().heal_queue << " to heal";
  EXPECT_EQ(shard_files(2), 1U);
  expect_whole_on(1);
}

TEST_F(DriveFaults, ADriveThatLostItsLogIsNotTakenForOneThatNeverVoted) {
  ASSERT_TRUE(open().has_value());
  fill_with_data();
  close();
  for (const char* part : {"/log", "/rows"}) {
    std::filesystem::remove_all(drive(4) + part);
    std::filesystem::create_directory(drive(4) + part);
  }
  ASSERT_TRUE(open().has_value());
  EXPECT_NE(info(3).state, State::kOnline);
  ASSERT_TRUE(looks_until([&] { return info(3).state == State::kOnline && votes(3); })) << info(3).error;
  EXPECT_FALSE(members().is_voter(4));
}

TEST_F(DriveFaults, TheDeepPassFindsAFlippedBit) {
  ASSERT_TRUE(open().has_value());
  fill_with_data();
  // A shard is published when its drive applies the entry, which may be after the answer.
  std::string victim;
  for (int i = 0; i < 2000 && victim.empty(); ++i) {
    turn();
    for (const auto& entry : std::filesystem::recursive_directory_iterator(drive(1) + "/shards"))
      if (entry.is_regular_file()) victim = entry.path().string();
  }
  ASSERT_FALSE(victim.empty());
  {
    std::fstream file(victim, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(100'000);
    const char good = static_cast<char>(file.get());
    file.seekp(100'000);
    file.put(static_cast<char>(good ^ 1));
  }
  const std::uint64_t before = set().heal_status().healed;
  // A pass leaves out what is not settled yet: the next one finds it.
  for (int i = 0; i < 4000 && set().heal_status().healed == before; ++i) {
    if (i % 100 == 0 && !set().heal_status().scanning)
      static_cast<void>(runtime_.run_until(set().query(kScanQuery, "deep")));
    turn();
  }
  EXPECT_EQ(set().heal_status().healed, before + 1);
}

}  // namespace
}  // namespace flashstor::cluster
