#include <algorithm>

#include "engine/cluster/limits.h"
#include "tests/unit/cluster/spread_fixture.h"

// What a new leader, on another node, must know of slices that its predecessor freed.
namespace flashstor::cluster {
namespace {

/// A slice that one drive lacks, which the leader has freed; drives that are behind have enough of it.
class LeavingElsewhere : public SpreadSetTest {
 protected:
  LeavingElsewhere() {
    old_ = await_leader({0, 1, 2});
    next_ = old_ == 0 ? 1 : 0;  // the first slot elsewhere takes over
    lacks_ = next_ + kNodes;
    nodes_[lacks_ % kNodes]->runtime.enter([&] { set(lacks_ % kNodes).set_full(lacks_, true); });
    world_.run_for(std::chrono::seconds(1));
    EXPECT_TRUE(put(old_, "a", "hello").has_value());
    data_ = find(old_, "a").value();
    EXPECT_FALSE(holds(lacks_));
    Command gone = put_command("a", "");
    gone.kind = kRemove;
    gone.data = {};
    gone.bytes = {};
    EXPECT_TRUE(nodes_[old_]->runtime.run_until(set(old_).execute(std::move(gone))).has_value());
    world_.run_for(limits::kPinPatience + std::chrono::seconds(10));  // all is said and applied
  }
  [[nodiscard]] ErasureSet& set(std::uint32_t node) { return *nodes_[node]->set; }
  [[nodiscard]] bool holds(std::uint32_t slot) const { return disks_[slot]->shards.contains(data_.id); }
  [[nodiscard]] std::uint32_t holders() const {
    std::uint32_t count = 0;
    for (std::uint32_t slot = 0; slot < kDrives; ++slot) count += holds(slot) ? 1 : 0;
    return count;
  }
  /// All drives but the leader's and those of `next_` apply it late.
  void free_it() {
    const std::uint32_t slot = *set(old_).group().leader();
    for (std::uint32_t other = 0; other < kDrives; ++other)
      if (other != slot && other % kNodes != next_) disks_[other]->apply_delay = std::chrono::seconds(20);
    const auto freed = nodes_[old_]->runtime.run_until(
        set(old_).free_due(nodes_[old_]->runtime.wall_now() + 2 * flashstor::limits::kDataGrace));
    ASSERT_TRUE(freed.has_value());
    ASSERT_EQ(*freed, 1U);
    world_.run_for(std::chrono::seconds(1));
  }

  std::uint32_t old_ = 0;
  std::uint32_t next_ = 0;
  std::uint32_t lacks_ = 0;
  DataRef data_;
};

TEST_F(LeavingElsewhere, ANewLeaderRebuildsNothingOfWhatItsPredecessorFreed) {
  free_it();
  ASSERT_GE(holders(), data_.geometry.data_shards) << "enough for a rebuild";
  nodes_[lacks_ % kNodes]->runtime.enter([&] { set(lacks_ % kNodes).set_full(lacks_, false); });
  const auto hand_over = [](ErasureSet* set) -> Task<void> { co_await set->hand_over(); };
  nodes_[old_]->runtime.enter([&] { async::start_detached(hand_over(&set(old_))); });
  ASSERT_TRUE(world_.run_until([&] { return !set(old_).group().leader(); }, std::chrono::seconds(2)));
  world_.run_for(std::chrono::seconds(12));
  EXPECT_GE(holders(), data_.geometry.data_shards) << "the others are still behind";
  EXPECT_FALSE(holds(lacks_));
  for (const auto& disk : disks_) disk->apply_delay = {};
  world_.run_for(std::chrono::minutes(1));
  EXPECT_EQ(holders(), 0U);
}

}  // namespace
}  // namespace flashstor::cluster
