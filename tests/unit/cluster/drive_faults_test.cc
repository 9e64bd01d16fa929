#include <fstream>

#include "tests/unit/cluster/drive_faults_fixture.h"

// Drives that go, come back, are replaced or damaged while the set runs, and between two runs.
namespace flashstor::cluster {
namespace {

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
