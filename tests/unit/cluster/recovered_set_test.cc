#include <algorithm>

#include "engine/cluster/member_state.h"
#include "tests/unit/cluster/set_fixture.h"

// A process that lives through the recovery of its set: three drives of four are lost for good, and with them
// what only they had acknowledged. The end of the log is lost; other entries take its place.
namespace flashstor::cluster {
namespace {

class RecoveredSet : public SetTest {
 protected:
  RecoveredSet() : SetTest(4) {}
  /// A drive that is out while "key" and some others are overwritten stands alone afterwards, and leads the
  /// next generation. Of the overwrite of "key" too few drives hold the data: it is undecided.
  void lose_the_others() {
    start();
    for (const char* key : {"key", "a", "b"}) ASSERT_TRUE(put(key, "1").has_value());
    turn(Milliseconds(700));  // confirmed
    key_ = ref_of("key").id;
    b_ = ref_of("b").id;
    stands_ = (*set_->group().leader() + 1) % drives_;
    fail(stands_);
    ends_ = disks_[stands_]->entries.rbegin()->first;
    put_on_leader_only("key");
    ASSERT_EQ(set_->status().undecided, 1U);
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(put("a", "lost").has_value());
    for (std::uint32_t slot = 0; slot < drives_; ++slot)
      if (slot != stands_) fail(slot);
    const raft::MemberId alone = first_member_of(stands_);
    rejoin(stands_, alone);
    for (int i = 0; i < 100 && !set_->group().leader(); ++i) turn(Milliseconds(20));
    ASSERT_EQ(set_->group().leader(), stands_);
  }
  /// Every drive takes the entry and one the data.
  void put_on_leader_only(const std::string& key) {
    const auto run = [](Task<Result<CommandResult>> put,
                        std::optional<Result<CommandResult>>* out) -> Task<void> {
      *out = co_await std::move(put);
    };
    const auto all = [run](RecoveredSet* self, std::string name) -> Task<void> {
      std::optional<Result<CommandResult>> done;
      async::start_detached(run(self->put_task(name, "on one drive"), &done));
      const auto full = [self](bool is) {
        for (std::uint32_t slot = 0; slot < self->drives_; ++slot)
          self->set_->set_full(slot, is && slot != self->set_->group().leader());
      };
      full(true);  // it is proposed and on its way to no drive yet
      while (!done) co_await async::sleep_for(self->runtime_, Milliseconds(1));
      full(false);
      EXPECT_FALSE(done->has_value());
      EXPECT_EQ(done->error().code(), ErrorCode::kUnknownOutcome) << done->error().describe();
    };
    runtime_.run_until(all(this, key));
  }
  void fail(std::uint32_t slot) { runtime_.run_until(set_->fail_drive(slot, "lost")); }
  /// As DriveKeeper::raise_slot does it.
  void rejoin(std::uint32_t slot, raft::MemberId id) {
    StoredConfiguration configuration;
    if (auto stored = decode_configuration(disks_[slot]->configuration)) configuration = *stored;
    configuration.membership = {.voters = {first_member_of(stands_)}, .standbys = {}};
    configuration.membership_index = disks_[slot]->entries.empty() ? 0 : ends_;
    configuration.generation = 1;
    disks_[slot]->configuration = encode_configuration(configuration);
    const auto joined = runtime_.run_until(set_->group().rejoin(slot, id));
    ASSERT_TRUE(joined.has_value()) << joined.error().describe();
  }
  /// A lost drive comes back as a new and empty one.
  void come_back(std::uint32_t slot) {
    testing::MemoryDisk& disk = *disks_[slot];
    disk.entries.clear();
    disk.shards.clear();
    disk.deferred.clear();
    disk.configuration.clear();
    disk.hard_state = {};
    disk.applied = 0;
    for (std::size_t number = 0; number < storage::kFamilies; ++number) {
      const auto family = static_cast<Family>(number);
      std::vector<RowChange> gone;
      for (const auto& [key, value] : disk.rows.snapshot(family))
        gone.push_back({.family = family, .key = key, .value = std::nullopt});
      ASSERT_TRUE(disk.rows.write(gone, true).has_value());
    }
    const raft::MemberId id = next_member(first_member_of(slot));
    rejoin(slot, id);
    raft::Membership wanted = set_->group().core(stands_)->membership();
    wanted.standbys.push_back(id);
    std::ranges::sort(wanted.standbys);
    ASSERT_TRUE(set_->group().propose_membership(std::move(wanted)).has_value());
    for (int i = 0; i < 100 && set_->group().applied(slot) < ends_; ++i) turn(Milliseconds(20));
    ASSERT_GE(set_->group().applied(slot), ends_);
  }

  std::uint32_t stands_ = 0;
  raft::Index ends_ = 0;  // the log that stands
  DataId key_;            // before the end that is lost
  DataId b_;
};

TEST_F(RecoveredSet, WhatWasUndecidedInTheLostEndOfTheLogIsForgotten) {
  lose_the_others();
  const auto data = runtime_.run_until(find_data(set_.get(), "key"));
  ASSERT_TRUE(data.has_value()) << data.error().describe();
  EXPECT_EQ(data->id, key_);
  EXPECT_EQ(set_->status().undecided, 0U);
  ASSERT_TRUE(remove("a").has_value());  // takes along what waits to be said
  turn(Milliseconds(1200));
  for (auto at = disks_[stands_]->entries.upper_bound(ends_); at != disks_[stands_]->entries.end(); ++at) {
    if (at->second.kind != kEntryBody) continue;
    const auto body = storage::decode_entry(at->second.payload.view());
    ASSERT_TRUE(body.has_value());
    for (const auto index : body->confirms) EXPECT_LE(index, ends_) << "of an entry that is lost";
    for (const auto index : body->voids) EXPECT_LE(index, ends_) << "of an entry that is lost";
  }
}

TEST_F(RecoveredSet, AnEntryInThePlaceOfALostOneIsNotTakenForIt) {
  lose_the_others();
  for (std::uint32_t other = 1; other < drives_; ++other) come_back((stands_ + other) % drives_);
  put_on_leader_only("b");
  for (int i = 0; i < 100 && set_->status().undecided != 0; ++i) turn(Milliseconds(20));
  const auto data = runtime_.run_until(find_data(set_.get(), "b"));
  ASSERT_TRUE(data.has_value()) << data.error().describe();
  EXPECT_EQ(data->id, b_);
}

}  // namespace
}  // namespace flashstor::cluster
