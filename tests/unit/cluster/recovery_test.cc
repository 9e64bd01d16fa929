#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/cluster/leaderless.h"
#include "engine/cluster/member_state.h"

// What the standing members of a set know together, and what an administrator may decide over them.
namespace flashstor::cluster {
namespace {

using ::testing::ElementsAre;

constexpr std::uint32_t kDrives = 6;

Standing member(raft::MemberId id, raft::Term term, raft::Index index, std::uint64_t generation = 0) {
  return {.member = id,
          .generation = generation,
          .last_term = term,
          .last_index = index,
          .members = {.voters = {1, 2, 3, 4, 5, 6}, .standbys = {}},
          .retired = {},
          .commit = index - 1,
          .commit_term = term};
}

TEST(Recovery, TheHighestLogLeadsAndOthersFollow) {
  const std::vector<Standing> standing{member(1, 5, 90), member(4, 6, 70), member(6, 6, 69)};
  const auto plan = plan_recovery(standing, kDrives, false);
  ASSERT_TRUE(plan.has_value()) << plan.error().describe();
  EXPECT_EQ(plan->leader, 4U);  // a newer term beats a longer log
  EXPECT_EQ(plan->index, 70U);
  EXPECT_EQ(plan->generation, 1U);
  EXPECT_THAT(plan->standbys, ElementsAre(1, 6));
  EXPECT_THAT(plan->retired, ElementsAre(2, 3, 5));
  EXPECT_TRUE(plan->whole);
  const auto again = decode_plan(encode_plan(*plan));
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->leader, plan->leader);
  EXPECT_EQ(again->retired, plan->retired);
}

TEST(SetView, NeverMoreDrivesThanTheParityLackShardsByOurOwnDoing) {
  SetView view{.members = {.voters = {1, 2, 3, 4, 5, 6}, .standbys = {}}, .retired = {}, .unfit = {}};
  EXPECT_TRUE(view.spares(0, kDrives, 3));
  view.lacking = 0b011000;
  EXPECT_TRUE(view.spares(0, kDrives, 3)) << "the third";
  view.lacking = 0b111000;
  EXPECT_FALSE(view.spares(0, kDrives, 3)) << "the fourth";
  EXPECT_TRUE(view.spares(3, kDrives, 3)) << "it lacks shards already";
  view.lacking = UINT32_MAX;  // its leader has not counted yet
  for (std::uint32_t slot = 0; slot < kDrives; ++slot) EXPECT_FALSE(view.spares(slot, kDrives, 3));
  // Each node looks by itself: of five that are too far behind at once the first three go, whoever asks.
  view.lacking = 0;
  for (const std::uint32_t slot : {0, 1, 2, 4, 5}) view.unfit.push_back(first_member_of(slot));
  for (const std::uint32_t slot : {0, 1, 2}) EXPECT_TRUE(view.spares(slot, kDrives, 3));
  for (const std::uint32_t slot : {4, 5}) EXPECT_FALSE(view.spares(slot, kDrives, 3));
}

TEST(Recovery, IsRefusedWhereItIsNotNeededOrWouldLose) {
  const std::vector<Standing> majority{member(1, 5, 9), member(2, 5, 9), member(3, 5, 9), member(4, 5, 9)};
  EXPECT_EQ(plan_recovery(majority, kDrives, true).error().code(), ErrorCode::kConflict);
  const std::vector<Standing> few{member(1, 5, 9), member(2, 5, 8)};
  EXPECT_EQ(plan_recovery(few, kDrives, false).error().code(), ErrorCode::kReadQuorum);
  const auto accepted = plan_recovery(few, kDrives, true);
  ASSERT_TRUE(accepted.has_value());
  EXPECT_FALSE(accepted->whole);
  EXPECT_EQ(plan_recovery({}, kDrives, true).error().code(), ErrorCode::kReadQuorum);
}

TEST(Recovery, OneThatWasCutOffIsBroughtToItsEnd) {
  // Two have the new generation already, in which only the third has a vote: it alone is left to be told.
  std::vector<Standing> standing{member(1, 5, 90, 1), member(2, 5, 80, 1), member(3, 7, 200, 0)};
  for (Standing& one : standing) {
    if (one.generation == 0) continue;
    one.members = {.voters = {3}, .standbys = {1, 2}};
    one.retired = {4, 5, 6};
  }
  const auto plan = plan_recovery(standing, kDrives, false);
  ASSERT_TRUE(plan.has_value()) << plan.error().describe();
  EXPECT_EQ(plan->generation, 1U);
  EXPECT_EQ(plan->leader, 3U);
  EXPECT_EQ(plan->index, 200U);
  EXPECT_THAT(plan->standbys, ElementsAre(1, 2));
  EXPECT_THAT(plan->retired, ElementsAre(4, 5, 6));
  // Without it what it alone held is gone, and that has to be said.
  standing.pop_back();
  EXPECT_EQ(plan_recovery(standing, kDrives, false).error().code(), ErrorCode::kReadQuorum);
}

TEST(Recovery, NamesOfLostDrivesAreRemembered) {
  SetView view{.members = {.voters = {1, 2}, .standbys = {}},
               .generation = 1,
               .retired = {next_member(3)},
               .unfit = {2},
               .suffering = true,
               .lacking = 5};
  EXPECT_EQ(view.newest_of(2), next_member(3));
  const auto again = decode_view(encode_view(view));
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->members, view.members);
  EXPECT_EQ(again->retired, view.retired);
  EXPECT_EQ(again->unfit, view.unfit);
  EXPECT_TRUE(again->suffering);
  EXPECT_EQ(again->lacking, 5U);
  EXPECT_FALSE(decode_view("\x05garbage").has_value());
}

// Of a drive that was filled itself the log begins with the entries that the next fill begins with: in an
// idle set a second new drive stayed out ("the log has no entry N"), for the term before them was looked for
// in that log.
TEST(Fill, TheTermBeforeItsEntriesComesFromWhatIsKnownOfTerms) {
  const std::vector<raft::TermRun> runs{{.first = 1, .term = 2}, {.first = 40, .term = 5}};
  EXPECT_EQ(term_of(runs, 39), 2U);
  EXPECT_EQ(term_of(runs, 40), 5U);
  EXPECT_EQ(term_of(runs, 1000), 5U) << "the last run goes on";
  EXPECT_EQ(term_of({{.first = 40, .term = 5}}, 39), 0U) << "not known: such a fill is refused";
}

TEST(Leaderless, EnoughMembersKnowWhatIsCommitted) {
  const std::vector<Standing> standing{member(1, 5, 90), member(4, 6, 70), member(6, 6, 69)};
  const auto query = leaderless_query(standing, 7, "what");
  ASSERT_TRUE(query.has_value()) << query.error().describe();
  EXPECT_EQ(query->member, 4U);
  EXPECT_EQ(query->last_index, 70U);
  EXPECT_EQ(query->commit, 89U);  // the highest that anybody knows; it counts where the logs agree
  const auto again = decode_leaderless(encode_leaderless(*query));
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->payload, "what");
  EXPECT_EQ(again->commit_term, query->commit_term);
}

TEST(Leaderless, TooFewMembersAnswerNothing) {
  EXPECT_EQ(leaderless_query({member(1, 5, 9), member(2, 5, 9)}, 7, "").error().code(),
            ErrorCode::kReadQuorum);
  // A standby has no vote, so it proves nothing.
  std::vector<Standing> standing{member(1, 5, 9), member(2, 5, 9), member(next_member(3), 5, 9)};
  for (Standing& one : standing) one.members.standbys = {next_member(3)};
  EXPECT_EQ(leaderless_query(standing, 7, "").error().code(), ErrorCode::kReadQuorum);
}

}  // namespace
}  // namespace flashstor::cluster
