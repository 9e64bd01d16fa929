#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/cluster/keeper_peers.h"
#include "engine/cluster/set_api.h"

namespace flashstor::cluster {

/// A query to a set that has no leader, put to the member whose log is the highest of enough members.
/// Source:  protocol.md, Reads.
struct LeaderlessQuery {
  raft::MemberId member = 0;
  std::uint64_t generation = 0;
  raft::Term last_term = 0;  ///< Of the end of its log when the members were asked.
  raft::Index last_index = 0;
  raft::Index commit = 0;  ///< The highest that any of them knows to be committed, and its term.
  raft::Term commit_term = 0;
  CommandKind kind = 0;
  std::string payload;
};
[[nodiscard]] std::string encode_leaderless(const LeaderlessQuery& query);
/// Errors: kMalformed.
[[nodiscard]] Result<LeaderlessQuery> decode_leaderless(std::string_view bytes);

/// The query that `standing`, all that answered, allow. Errors: kReadQuorum when they are too few to be sure
/// of the set's rows.
[[nodiscard]] Result<LeaderlessQuery> leaderless_query(const std::vector<Standing>& standing,
                                                       CommandKind kind, std::string payload);

}  // namespace flashstor::cluster
