#include "tests/unit/cluster/spread_fixture.h"

// What a new leader makes of a version that its predecessor, which is cut off, left with few shards.
namespace flashstor::cluster {
namespace {

class SpreadSettle : public SpreadSetTest {
 protected:
  SpreadSettle() {
    for (std::uint32_t slot = 0; slot < kDrives; ++slot) disks_[slot]->incarnation = 100 + slot;
  }
  /// A put of "key" at the leader, of which one other node hears and the third does not, until the leader is
  /// cut off `after` it began and the third is back.
  void put_on_two_of_three(Milliseconds after) {
    old_ = await_leader({0, 1, 2});
    ASSERT_TRUE(put(old_, "key", "1").has_value());
    world_.run_for(std::chrono::seconds(3));  // confirmed
    hears_ = (old_ + 1) % kNodes;
    deaf_ = (old_ + 2) % kNodes;
    const raft::Index before = last_on(hears_);
    net_.off_[deaf_] = true;  // without a word
    const auto run = [](ErasureSet* set, Command command,
                        std::optional<Result<CommandResult>>* out) -> Task<void> {
      *out = co_await set->execute(std::move(command));
    };
    nodes_[old_]->runtime.enter(
        [&] { async::start_detached(run(nodes_[old_]->set.get(), put_command("key", "2"), &outcome_)); });
    await_appended(hears_, before);
    world_.run_for(after);
    net_.cut(old_, true);
    net_.off_[deaf_] = false;
    leader_ = await_leader({hears_, deaf_});
  }
  [[nodiscard]] bool acknowledged() const { return outcome_ && outcome_->has_value(); }

  std::uint32_t old_ = 0;
  std::uint32_t hears_ = 0;
  std::uint32_t deaf_ = 0;
  std::uint32_t leader_ = 0;
  std::optional<Result<CommandResult>> outcome_;
};

// Two drives of six hold it: too few to read it, and with the two that are away enough for it to have been
// acknowledged. But then the log would say that the other two lacked it.
TEST_F(SpreadSettle, AVersionThatNobodyHasSeenIsVoidedWithoutTheNodeThatMayHoldIt) {
  put_on_two_of_three(Milliseconds(100));
  ASSERT_FALSE(acknowledged());
  const std::int64_t begun = world_.now_ns();
  EXPECT_EQ(read(leader_, hears_, "key"), "1");
  ASSERT_TRUE(put(leader_, "key", "3").has_value());
  EXPECT_LT(world_.now_ns() - begun, 3'000'000'000) << "the outage of the key";
  EXPECT_FALSE(acknowledged());
  net_.cut(old_, false);
  world_.run_for(std::chrono::seconds(5));
  EXPECT_EQ(read(leader_, old_, "key"), "3");
}

TEST_F(SpreadSettle, AVersionThatWasAcknowledgedWithoutADriveWaitsForTheNodeThatHoldsIt) {
  put_on_two_of_three(Milliseconds(1500));
  ASSERT_TRUE(acknowledged());
  EXPECT_EQ(find(leader_, "key").error().code(), ErrorCode::kTimeout)
      << "neither this version nor the older one";
  net_.cut(old_, false);
  world_.run_for(std::chrono::seconds(5));
  EXPECT_EQ(read(await_leader({0, 1, 2}), hears_, "key"), "2");
}

// One that was may have lost its last second.
TEST_F(SpreadSettle, ADriveThatWasOpenedAgainProvesNothing) {
  old_ = await_leader({0, 1, 2});
  ASSERT_TRUE(put(old_, "key", "1").has_value());
  world_.run_for(std::chrono::seconds(3));
  ASSERT_TRUE(put(old_, "key", "2").has_value());
  const DataRef data = find(old_, "key").value();
  deaf_ = (old_ + 2) % kNodes;
  net_.cut(old_, true);
  // So slow that the log tells the new incarnations while they are asked.
  for (std::uint32_t slot = 0; slot < kDrives; ++slot) disks_[slot]->holds_delay = Milliseconds(200);
  for (const std::uint32_t slot : {deaf_, deaf_ + kNodes}) {
    ASSERT_EQ(disks_[slot]->shards.erase(data.id), 1U);
    disks_[slot]->incarnation += 100;
  }
  leader_ = await_leader({(old_ + 1) % kNodes, deaf_});
  EXPECT_EQ(find(leader_, "key").error().code(), ErrorCode::kTimeout)
      << "neither this version nor the older one";
  net_.cut(old_, false);
  world_.run_for(std::chrono::seconds(5));
  EXPECT_EQ(read(await_leader({0, 1, 2}), old_, "key"), "2");
}

// The new leader brings the entry, which is as old as the shard that came before it: a drive that took both
// would hold what it may have been asked to refuse.
TEST_F(SpreadSettle, AShardOfADeposedLeaderIsNotTakenWithTheEntryThatItsSuccessorSends) {
  old_ = await_leader({0, 1, 2});
  ASSERT_TRUE(put(old_, "key", "1").has_value());
  world_.run_for(std::chrono::seconds(3));
  hears_ = (old_ + 1) % kNodes;
  deaf_ = (old_ + 2) % kNodes;
  const raft::Index before = last_on(hears_);
  net_.shards_only_[deaf_] = true;
  begin_put(old_, "key");
  await_appended(hears_, before);
  world_.run_for(Milliseconds(100));
  ASSERT_EQ(last_on(deaf_), before);
  net_.cut(old_, true);
  net_.shards_only_[deaf_] = false;
  leader_ = await_leader({hears_, deaf_});
  EXPECT_EQ(read(leader_, hears_, "key"), "1") << "two drives of six held the other version";
  for (const std::uint32_t slot : {deaf_, deaf_ + kNodes}) EXPECT_EQ(disks_[slot]->shards.size(), 1U);
}

// A leader that is deposed while it asks has nothing refused: its successor may let live what it would void.
TEST_F(SpreadSettle, ADriveOfANewerTermRefusesNothing) {
  for (const auto& disk : disks_) disk->holds_delay = Milliseconds(200);
  put_on_two_of_three(Milliseconds(100));
  ASSERT_FALSE(acknowledged());
  for (const std::uint32_t slot : {deaf_, deaf_ + kNodes}) disks_[slot]->hard_state.term += 10;
  EXPECT_EQ(find(leader_, "key").error().code(), ErrorCode::kTimeout);
  for (const auto& disk : disks_) EXPECT_TRUE(disk->refused.empty());
}

// It might take from the predecessor what it says that it lacks.
TEST_F(SpreadSettle, ADriveThatHasNothingOfTheLeaderYetIsNotAsked) {
  old_ = await_leader({0, 1, 2});
  ASSERT_TRUE(put(old_, "key", "1").has_value());
  world_.run_for(std::chrono::seconds(3));
  const std::uint32_t slot = (old_ + 1) % kNodes;
  disks_[slot]->frozen = true;
  begin_put(old_, "key");
  world_.run_for(Milliseconds(100));
  const std::uint64_t asked = disks_[slot]->asked;
  SimNode& node = *nodes_[old_];
  node.runtime.run_until(node.set->hand_over());
  ASSERT_TRUE(world_.run_until([&] { return node.set->leader_node() != static_cast<int>(old_); },
                               std::chrono::seconds(5)));
  leader_ = await_leader({0, 1, 2});
  ASSERT_NE(leader_, old_);
  EXPECT_EQ(read(leader_, leader_, "key"), "bytes of key") << "five drives of six hold it";
  EXPECT_EQ(disks_[slot]->asked, asked);
  nodes_[slot]->runtime.enter([&] {
    disks_[slot]->frozen = false;
    disks_[slot]->thaw.notify_all();
  });
  world_.run_for(std::chrono::seconds(5));
  EXPECT_TRUE(disks_[slot]->shards.contains(find(leader_, "key").value().id));
}

}  // namespace
}  // namespace flashstor::cluster
