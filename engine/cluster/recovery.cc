#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "engine/base/codec.h"
#include "engine/cluster/keeper_peers.h"
#include "engine/cluster/member_state.h"

// What becomes of a set whose majority is lost for good.  Source: protocol.md, Reads.
namespace flashstor::cluster {
namespace {

constexpr std::size_t kMaxIds = 64;

void write_ids(ByteWriter& out, const std::vector<raft::MemberId>& ids) {
  out.varint(ids.size());
  for (const raft::MemberId id : ids) out.varint(id);
}

std::vector<raft::MemberId> read_ids(ByteReader& in) {
  std::vector<raft::MemberId> ids;
  const std::uint64_t count = in.varint();
  if (count > kMaxIds) in.mark_bad();
  for (std::uint64_t i = 0; in.ok() && i < count; ++i)
    ids.push_back(static_cast<raft::MemberId>(in.varint()));
  return ids;
}

}  // namespace

Census census_of(const std::vector<Standing>& standing) {
  const auto rank = [](const Standing& one) {
    return std::tuple(one.generation, one.last_term, one.last_index, one.member);
  };
  Census census;
  census.highest = &*std::ranges::max_element(standing, {}, rank);
  const raft::Membership& members = census.highest->members;
  std::size_t standing_voters = 0;
  for (const Standing& one : standing) {
    if (one.generation != census.highest->generation || !members.is_voter(one.member)) continue;
    ++standing_voters;
    if (!one.in_doubt) ++census.votes;
  }
  census.voters = members.voters.size();
  census.electable = standing_voters >= members.majority();
  census.enough = census.votes >= census.voters - members.majority() + 1;
  return census;
}

namespace {

// What is left to do of a recovery that was cut off before its leader was told: that one has the highest log,
// and the others wait for it.
std::optional<RecoverPlan> rest_of_plan(const std::vector<Standing>& standing, const Standing& highest) {
  if (highest.members.voters.size() != 1) return std::nullopt;
  const auto leader = std::ranges::find(standing, highest.members.voters.front(), &Standing::member);
  if (leader == standing.end() || leader->generation >= highest.generation) return std::nullopt;
  return RecoverPlan{.generation = highest.generation,
                     .leader = leader->member,
                     .index = leader->last_index,
                     .standbys = highest.members.standbys,
                     .retired = highest.retired,
                     .whole = true};
}

}  // namespace

Result<RecoverPlan> plan_recovery(const std::vector<Standing>& standing, std::uint32_t drives,
                                  bool accept_loss) {
  if (standing.empty()) return fail(ErrorCode::kReadQuorum, "no drive of the set stands");
  const Census census = census_of(standing);
  const Standing& highest = *census.highest;
  if (auto rest = rest_of_plan(standing, highest)) return *rest;
  const auto of_now = [&](const Standing& one) { return one.generation == highest.generation; };
  if (census.electable)
    return fail(ErrorCode::kConflict, "enough drives stand for the set to find a leader by itself");
  RecoverPlan plan{.generation = highest.generation + 1,
                   .leader = highest.member,
                   .index = highest.last_index,
                   .standbys = {},
                   .retired = {},
                   .whole = census.enough};
  if (!plan.whole && !accept_loss)
    return fail(ErrorCode::kReadQuorum,
                fmt::format("{} of {} voting drives stand: what only the others acknowledged may be missing "
                            "(it takes {} to be sure). To go on without it give --accept-loss",
                            census.votes, census.voters, census.voters - highest.members.majority() + 1));
  std::set<std::uint32_t> slots{slot_of_member(highest.member)};
  for (const Standing& one : standing) {
    if (!of_now(one) || one.member == highest.member || !slots.insert(slot_of_member(one.member)).second)
      continue;
    plan.standbys.push_back(one.member);
  }
  std::ranges::sort(plan.standbys);
  // The newest name of each other slot is never given again.
  for (std::uint32_t slot = 0; slot < drives; ++slot) {
    if (slots.contains(slot)) continue;
    const SetView known{.members = highest.members, .generation = 0, .retired = highest.retired, .unfit = {}};
    if (const raft::MemberId newest = known.newest_of(slot); newest != 0) plan.retired.push_back(newest);
  }
  std::ranges::sort(plan.retired);
  return plan;
}

std::string encode_standing(const std::vector<Standing>& standing) {
  ByteWriter out;
  out.varint(standing.size());
  for (const Standing& one : standing) {
    out.varint(one.member).varint(one.generation).varint(one.last_term).varint(one.last_index);
    write_ids(out, one.members.voters);
    write_ids(out, one.members.standbys);
    write_ids(out, one.retired);
    out.varint(one.commit).varint(one.commit_term).boolean(one.in_doubt);
  }
  return out.take();
}

Result<std::vector<Standing>> decode_standing(std::string_view bytes) {
  ByteReader in(bytes);
  std::vector<Standing> standing;
  const std::uint64_t count = in.varint();
  if (count > kMaxIds) in.mark_bad();
  for (std::uint64_t i = 0; in.ok() && i < count; ++i) {
    Standing one;
    one.member = static_cast<raft::MemberId>(in.varint());
    one.generation = in.varint();
    one.last_term = in.varint();
    one.last_index = in.varint();
    one.members.voters = read_ids(in);
    one.members.standbys = read_ids(in);
    one.retired = read_ids(in);
    one.commit = in.varint();
    one.commit_term = in.varint();
    one.in_doubt = in.boolean();
    if (one.member == 0 || one.members.voters.empty()) in.mark_bad();
    standing.push_back(std::move(one));
  }
  if (!in.ok() || !in.at_end()) return fail(ErrorCode::kMalformed, "a peer's members do not parse");
  return standing;
}

std::string encode_plan(const RecoverPlan& plan) {
  ByteWriter out;
  out.varint(plan.generation).varint(plan.leader).varint(plan.index);
  write_ids(out, plan.standbys);
  write_ids(out, plan.retired);
  out.boolean(plan.leader_turn);
  return out.take();
}

Result<RecoverPlan> decode_plan(std::string_view bytes) {
  ByteReader in(bytes);
  RecoverPlan plan;
  plan.generation = in.varint();
  plan.leader = static_cast<raft::MemberId>(in.varint());
  plan.index = in.varint();
  plan.standbys = read_ids(in);
  plan.retired = read_ids(in);
  plan.leader_turn = in.boolean();
  if (!in.ok() || !in.at_end() || plan.leader == 0 || plan.generation == 0)
    return fail(ErrorCode::kMalformed, "a plan of recovery does not parse");
  return plan;
}

}  // namespace flashstor::cluster
