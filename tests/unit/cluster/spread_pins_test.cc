#include "engine/cluster/limits.h"
#include "tests/unit/cluster/spread_fixture.h"

// What readers on other nodes use is not freed by the leader.
namespace flashstor::cluster {
namespace {

class SpreadPins : public SpreadSetTest {
 protected:
  SpreadPins() {
    leader_ = await_leader({0, 1, 2});
    reader_ = (leader_ + 1) % kNodes;
    third_ = (leader_ + 2) % kNodes;
  }
  /// Puts "key", has `reader_` pin its bytes and puts others in their place, which ends at `replaced_`.
  void pin_and_replace() {
    ASSERT_TRUE(put(leader_, "key", "first").has_value());
    world_.run_for(std::chrono::seconds(2));  // confirmed
    first_ = find(leader_, "key").value();
    pin_ = nodes_[reader_]->set->pin(first_);
    ASSERT_TRUE(put(leader_, "key", "second").has_value());
  }
  /// By drives of nodes that are not cut off.
  [[nodiscard]] bool is_kept() const {
    for (std::uint32_t slot = 0; slot < kDrives; ++slot)
      if (!net_.off_[slot % kNodes] && disks_[slot]->shards.contains(first_.id)) return true;
    return false;
  }
  [[nodiscard]] std::string read_first(std::uint32_t node) {
    const auto bytes = nodes_[node]->runtime.run_until(nodes_[node]->set->read(first_, 0, first_.length));
    return bytes ? std::string(bytes->flatten().view()) : "error " + bytes.error().describe();
  }

  std::uint32_t leader_ = 0;
  std::uint32_t reader_ = 0;
  std::uint32_t third_ = 0;
  DataRef first_;
  std::unique_ptr<DataPin> pin_;
};

constexpr std::chrono::minutes kGraceOver = flashstor::limits::kDataGrace + std::chrono::minutes(1);

TEST_F(SpreadPins, WhatANodeReadsThatDoesNotLeadIsKeptUntilItHasRead) {
  pin_and_replace();
  world_.run_for(kGraceOver * 2);
  EXPECT_EQ(read_first(reader_), "first");
  pin_.reset();
  EXPECT_TRUE(world_.run_until([this] { return !is_kept(); }, std::chrono::seconds(30)));
  EXPECT_EQ(read(leader_, reader_, "key"), "second");
}

TEST_F(SpreadPins, WhatNobodyReadsGoesAfterItsGrace) {
  pin_and_replace();
  pin_.reset();
  world_.run_for(kGraceOver);
  EXPECT_FALSE(is_kept());
}

TEST_F(SpreadPins, ANodeThatDoesNotAnswerHoldsUpNothingForLong) {
  pin_and_replace();
  world_.run_for(std::chrono::minutes(1));
  net_.cut(reader_, true);
  world_.run_for(kGraceOver);
  EXPECT_TRUE(is_kept()) << "what a node may be reading that only just fell silent";
  EXPECT_TRUE(
      world_.run_until([this] { return !is_kept(); }, limits::kPinPatience + std::chrono::seconds(30)));
}

TEST_F(SpreadPins, ANodeThatComesBackInTimeGoesOnReading) {
  pin_and_replace();
  world_.run_for(flashstor::limits::kDataGrace - std::chrono::minutes(1));
  net_.cut(reader_, true);
  world_.run_for(limits::kPinPatience);
  net_.cut(reader_, false);
  world_.run_for(kGraceOver);
  EXPECT_EQ(read_first(reader_), "first");
}

TEST_F(SpreadPins, TheNextLeaderKeepsItToo) {
  pin_and_replace();
  world_.run_for(flashstor::limits::kDataGrace - std::chrono::seconds(30));
  net_.cut(leader_, true);
  EXPECT_NE(await_leader({reader_, third_}), leader_);
  world_.run_for(kGraceOver * 2);
  EXPECT_EQ(read_first(reader_), "first");
  pin_.reset();
  EXPECT_TRUE(world_.run_until([this] { return !is_kept(); }, std::chrono::seconds(30)));
}

TEST(PinHolders, WaitsForWhoDoesNotAnswerAndForThoseItDoesNotKnowYet) {
  const MonotonicTime start(std::chrono::hours(5));
  const DataId id{1, 2};
  const auto well = [id](bool pins) {
    return std::vector<PinAnswer>{{.holder = "a", .answered = true, .pinned = {}},
                                  {.holder = "b", .answered = true, .pinned = std::vector<DataId>(pins, id)}};
  };
  const std::vector<PinAnswer> silent{{.holder = "a", .answered = true, .pinned = {}},
                                      {.holder = "b", .answered = false, .pinned = {}}};
  PinHolders holders;
  holders.begin(start);
  EXPECT_FALSE(holders.hear(well(false), 1, start + std::chrono::seconds(179)).has_value());
  MonotonicTime now = start + limits::kPinPatience;
  EXPECT_EQ(holders.hear(well(false), 1, now), std::vector<DataId>());
  EXPECT_EQ(holders.hear(well(true), 1, now), std::vector<DataId>{id});
  const auto gives_up_after = [&](raft::Term term) {
    const MonotonicTime begun = now;
    while (!holders.hear(silent, term, now)) now += std::chrono::seconds(10);
    return now - begun;
  };
  EXPECT_EQ(gives_up_after(1), limits::kPinPatience);
  EXPECT_TRUE(holders.hear(silent, 1, now += std::chrono::seconds(59)).has_value()) << "it stays silent";
  EXPECT_EQ(gives_up_after(2), limits::kPinPatience) << "a later term asks for itself";
  EXPECT_TRUE(holders.hear(well(false), 2, now).has_value());
  EXPECT_EQ(gives_up_after(2), limits::kPinPatience) << "it has answered in between";
  now += std::chrono::minutes(5);
  EXPECT_EQ(gives_up_after(2), limits::kPinPatience) << "it may have answered in between";
}

}  // namespace
}  // namespace flashstor::cluster
