#include "tests/unit/cluster/drive_faults_fixture.h"

// Drives that are filled anew, because they were emptied or their index is damaged.
namespace flashstor::cluster {
namespace {

class DriveFills : public DriveFaults {};

TEST_F(DriveFills, AnEmptiedDriveIsFilledAsANewMemberWhileTheSetGoesOn) {
  ASSERT_TRUE(open().has_value());
  fill_with_data();
  const Uuid before = info(2).drive_id;
  empty(3);
  ASSERT_TRUE(looks_until([&] { return info(2).state != State::kOnline; }));
  put("meanwhile", "z");
  ASSERT_TRUE(looks_until([&] { return info(2).state == State::kOnline && votes(2); }));
  EXPECT_NE(info(2).drive_id, before);
  EXPECT_FALSE(members().is_voter(3)) << "the drive that was replaced may not come back as if nothing was";
  EXPECT_EQ(cluster_->keeper(0)->fill_status().waiting, 0U);
  EXPECT_GT(cluster_->keeper(0)->fill_status().rows, 0U);
  EXPECT_EQ(get("meanwhile"), "z");
  wait_for_scan();
  EXPECT_GE(set().heal_status().scan_found, 41U);
  put("after", "w");
  expect_whole_on(2);
}

TEST_F(DriveFills, AFilledDriveIsNotCalledHealedBeforeItVotesAndHoldsItsShards) {
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

TEST_F(DriveFills, WhatWaitsToBeFilledIsCounted) {
  ASSERT_TRUE(open().has_value());
  fill_with_data();
  ASSERT_TRUE(looks_until([&] { return healed(); }));
  const auto fills = [this] { return cluster_->keeper(0)->fill_status(); };
  EXPECT_EQ(fills().waiting, 0U);
  for (const int number : {2, 3, 4}) empty(number);
  ASSERT_TRUE(looks_until([&] { return fills().waiting == 3; })) << info(1).error;
  EXPECT_EQ(info(1).state, State::kFilling) << "too few drives stand to fill it from";
  EXPECT_FALSE(fills().filling);
}

// A row of the queue for each slice, written and taken out again on every drive, was half of what it cost.
TEST_F(DriveFills, WhatAFilledDriveLacksIsHealedByItsScanPastTheQueue) {
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

TEST_F(DriveFills, WhatLacksMoreThanAFilledDrivesShardIsHealedOnTheOtherDriveToo) {
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

TEST_F(DriveFills, TheScanThatAFilledDriveIsOwedSurvivesARestart) {
  ASSERT_TRUE(open().has_value());
  fill_with_data();
  empty(3);
  ASSERT_TRUE(looks_until([&] { return votes(2) || set().status().heal_queue > 0; })) << info(2).error;
  close();
  ASSERT_TRUE(open().has_value());
  ASSERT_TRUE(looks_until([&] { return healed(); }));
  expect_read_with(2, 3);
}

// What a drive has in its log goes when it is filled anew: not while the others are too few to have it all.
TEST_F(DriveFills, OfTwoDamagedDrivesNoneIsFilledAnewBeforeOneIsMended) {
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

TEST_F(DriveFills, AFillThatWasCutOffGoesOnAfterARestart) {
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

TEST_F(DriveFills, ADriveWhoseIndexIsDamagedIsFilledAnewAndKeepsItsShards) {
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
TEST_F(DriveFills, ShardFilesOfWhatWasFreedMeanwhileGoFromAFilledDrive) {
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

}  // namespace
}  // namespace flashstor::cluster
