#include "engine/cluster/leaderless.h"

#include "engine/base/codec.h"
#include "engine/cluster/limits.h"
#include "engine/cluster/outside.h"
#include "engine/cluster/set.h"
#include "engine/cluster/set_rows.h"

// Reads of a set on several nodes that has no leader.  Source: protocol.md, Reads.
namespace flashstor::cluster {

std::string encode_leaderless(const LeaderlessQuery& query) {
  ByteWriter out;
  out.varint(query.member).varint(query.generation).varint(query.last_term).varint(query.last_index);
  out.varint(query.commit).varint(query.commit_term).u16(query.kind).bytes(query.payload);
  return out.take();
}

Result<LeaderlessQuery> decode_leaderless(std::string_view bytes) {
  ByteReader in(bytes);
  LeaderlessQuery query;
  query.member = static_cast<raft::MemberId>(in.varint());
  query.generation = in.varint();
  query.last_term = in.varint();
  query.last_index = in.varint();
  query.commit = in.varint();
  query.commit_term = in.varint();
  query.kind = in.u16();
  query.payload = in.bytes();
  if (!in.ok() || !in.at_end() || query.member == 0)
    return fail(ErrorCode::kMalformed, "a query without a leader does not parse");
  return query;
}

Result<LeaderlessQuery> leaderless_query(const std::vector<Standing>& standing, CommandKind kind,
                                         std::string payload) {
  if (standing.empty()) return fail(ErrorCode::kReadQuorum, "no drive of the set answers");
  const Census census = census_of(standing);
  if (!census.enough)
    return fail(ErrorCode::kReadQuorum, "too few drives of the set answer to be sure of its rows");
  LeaderlessQuery query{.member = census.highest->member,
                        .generation = census.highest->generation,
                        .last_term = census.highest->last_term,
                        .last_index = census.highest->last_index,
                        .kind = kind,
                        .payload = std::move(payload)};
  for (const Standing& one : standing) {
    if (one.generation != query.generation || one.commit <= query.commit) continue;
    query.commit = one.commit;
    query.commit_term = one.commit_term;
  }
  return query;
}

Task<Result<std::string>> ErasureSet::query_leaderless(LeaderlessQuery query) {
  const Outside inside(outside_);
  if (closing_.load()) co_return fail(ErrorCode::kCancelled, "the set is closing");
  if (query.kind == kScanQuery || query.kind == kHealQuery)
    co_return fail(ErrorCode::kReadOnly, "the set has no leader to scan or heal it");
  const QueryHandler* handler = parts_.registry->query(query.kind);
  if (handler == nullptr) co_return fail(ErrorCode::kNotImplemented, "no handler for this query");
  const LeaderlessView view = co_await or_return(async::run_on(*parts_.home, serve_at(query)));
  SetRows rows(*this, view.slot);
  auto answer = co_await (*handler)(rows, query.payload);
  // What was undecided then was decided since, for another member: this one need not have applied it.
  if (undecided_.voids() != view.voids) co_return fail(ErrorCode::kNotLeader, "the set has moved on");
  co_return answer;
}

// Makes the rows of the member that `query` names fit to answer it: what is known to be committed is applied,
// names that the rest of its log touches are undecided.
Task<Result<ErasureSet::LeaderlessView>> ErasureSet::serve_at(LeaderlessQuery query) {
  const MonotonicTime deadline = parts_.home->now() + limits::kCommitDeadline;
  const std::uint32_t slot = slot_of_member(query.member);
  while (true) {
    const bool led = group_.leader().has_value() || group_.leads_elsewhere();
    if (led || slot >= drives_.size() || !group_.learn_commit(slot, query))
      co_return fail(ErrorCode::kNotLeader, "the set has moved on");
    if (group_.applied(slot) >= std::min(query.commit, query.last_index)) break;
    if (!co_await applied_signal_.wait_until(deadline) && parts_.home->now() >= deadline)
      co_return fail(ErrorCode::kTimeout, "a drive does not apply what is committed");
  }
  mark_tail(slot, group_.applied(slot));
  drop_marks_behind(slot);
  co_return LeaderlessView{.slot = slot, .voids = undecided_.voids()};
}

}  // namespace flashstor::cluster
