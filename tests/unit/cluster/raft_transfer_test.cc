#include "engine/cluster/raft/raft.h"

#include "tests/unit/cluster/raft_cluster.h"

namespace flashstor::cluster::raft {
namespace {

constexpr Milliseconds kTimeout{1000};

TEST(RaftTransfer, TransferDropsTheLeaseFirst) {
  Group group(3);
  const MemberId leader = group.elect();
  const MemberId target = leader == 1 ? 2 : 1;
  group.advance(Milliseconds(100));
  ASSERT_TRUE(group.at(leader).transfer(group.now, target));
  EXPECT_FALSE(group.at(leader).has_lease(group.now));
  EXPECT_FALSE(group.at(leader).propose(group.now, {}));
  group.pump();
  EXPECT_TRUE(group.at(target).leader_ready());
}

TEST(RaftTransfer, WhileATransferIsUnderWayReadsAreByRound) {
  Group group(3);
  const MemberId leader = group.elect();
  const MemberId target = leader == 1 ? 2 : 1;
  group.cut(target);
  ASSERT_TRUE(group.at(leader).transfer(group.now, target));
  EXPECT_FALSE(group.at(leader).has_lease(group.now));
  ASSERT_TRUE(group.at(leader).read(group.now, 9));
  group.pump();
  ASSERT_FALSE(group.member(leader).reads.empty());
  EXPECT_TRUE(group.member(leader).reads.back().confirmed);
}

// Without it nobody led until somebody's election time-out.
TEST(RaftTransfer, AWordToTakeOverThatIsLostIsSaidAgain) {
  Group group(3);
  const MemberId leader = group.elect();
  const MemberId target = leader == 1 ? 2 : 1;
  ASSERT_TRUE(group.at(leader).transfer(group.now, target));
  group.cut(target);
  group.pump();
  group.cut(target, false);
  EXPECT_FALSE(group.at(target).is_leader());
  group.advance(kTimeout / 4);
  EXPECT_TRUE(group.at(target).leader_ready());
  EXPECT_FALSE(group.at(leader).is_leader());
}

// It led on without a lease, and so acknowledged nothing, until somebody else was elected.
TEST(RaftTransfer, ATransferThatFailsEndsInAnElection) {
  Group group(3);
  const MemberId leader = group.elect();
  const MemberId target = leader == 1 ? 2 : 1;
  group.cut(target);
  const Term term = group.at(leader).term();
  ASSERT_TRUE(group.at(leader).transfer(group.now, target));
  group.advance(kTimeout + Milliseconds(100));
  EXPECT_NE(group.at(leader).role(), Role::kLeader);
  group.advance(3 * kTimeout);
  const MemberId next = group.elect();
  EXPECT_GT(group.at(next).term(), term);
  EXPECT_TRUE(group.at(next).has_lease(group.now));
}

TEST(RaftTransfer, ATransferOfWhichNobodyHeardLeavesTheLeaderItsLease) {
  Group group(3);
  const MemberId leader = group.elect();
  const MemberId target = leader == 1 ? 2 : 1;
  group.cut(target);
  ASSERT_TRUE(group.at(leader).propose(group.now, Buffer::copy_of("x")));  // which the target lacks
  group.pump();
  ASSERT_TRUE(group.at(leader).transfer(group.now, target));
  group.advance(kTimeout + Milliseconds(100));
  EXPECT_FALSE(group.at(leader).transferring());
  EXPECT_TRUE(group.at(leader).has_lease(group.now));
  EXPECT_TRUE(group.at(leader).propose(group.now, Buffer::copy_of("y")));
}

}  // namespace
}  // namespace flashstor::cluster::raft
