#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/cluster/raft/types.h"
#include "engine/storage/fill_pages.h"

namespace flashstor::cluster {

/// Who takes part in a set, as its leader knows for certain.
struct SetView {
  raft::Membership members;
  std::uint64_t generation = 0;
  std::vector<raft::MemberId> retired;  ///< Names that were declared lost: none of them comes back.
  std::vector<raft::MemberId> unfit;  ///< Too far behind for the log, or with a lost tail: to be filled anew.
  bool suffering = false;             ///< Requests have become slow: the background is to rest.
  std::uint32_t lacking = 0;          ///< Slots whose drives may lack shards; all while that is not known.
  [[nodiscard]] bool knows(raft::MemberId id) const { return members.is_voter(id) || members.is_standby(id); }
  /// The newest name of this slot, also of one that was declared lost; or 0.
  [[nodiscard]] raft::MemberId newest_of(std::uint32_t slot) const;
  /// Whether the drive at `slot` may be filled anew, so that what lies in its log goes: by our own doing
  /// never more than `parity` of `drives` drives lack shards. Of several unfit ones the lowest goes first.
  [[nodiscard]] bool spares(std::uint32_t slot, std::uint32_t drives, std::uint8_t parity) const;
};
[[nodiscard]] std::string encode_view(const SetView& view);
/// Errors: kMalformed.
[[nodiscard]] Result<SetView> decode_view(std::string_view bytes);

/// A member that stands while its set has no leader.
struct Standing {
  raft::MemberId member = 0;
  std::uint64_t generation = 0;
  raft::Term last_term = 0;
  raft::Index last_index = 0;
  raft::Membership members;  ///< As it knows them.
  std::vector<raft::MemberId> retired;
  raft::Index commit = 0;  ///< What it knows to be committed, and its term.
  raft::Term commit_term = 0;
  bool in_doubt = false;  ///< Its log may have lost its end: it does not vouch for what was committed.
};
/// What the standing members of a set know together.
struct Census {
  const Standing* highest = nullptr;  ///< Its log holds all that the set committed, if `enough`.
  std::size_t votes = 0;              ///< Standing members of its generation that vote and vouch for it.
  std::size_t voters = 0;
  bool enough = false;     ///< No majority is without one of them.
  bool electable = false;  ///< They are a majority, or will be once those in doubt have asked the others.
};
/// `standing` outlives what is given and is not empty.
[[nodiscard]] Census census_of(const std::vector<Standing>& standing);
[[nodiscard]] std::string encode_standing(const std::vector<Standing>& standing);
/// Errors: kMalformed.
[[nodiscard]] Result<std::vector<Standing>> decode_standing(std::string_view bytes);

/// Who takes part from now on in a set whose majority is lost for good.  Source: protocol.md, Reads.
struct RecoverPlan {
  std::uint64_t generation = 0;
  raft::MemberId leader = 0;  ///< Has the highest log, and alone a vote at first.
  raft::Index index = 0;      ///< Of the end of that log.
  std::vector<raft::MemberId> standbys;
  std::vector<raft::MemberId> retired;
  bool whole = true;         ///< What the set acknowledged is in that log for sure.
  bool leader_turn = false;  ///< It is told to the leader-to-be, after it was told to all standbys.
};
/// Decides over a set without a leader of `drives` drives whose standing members are `standing`. Errors:
/// kConflict when they can elect a leader; kReadQuorum when so few stand that acknowledged changes may be
/// missing, unless `accept_loss`; in words.
[[nodiscard]] Result<RecoverPlan> plan_recovery(const std::vector<Standing>& standing, std::uint32_t drives,
                                                bool accept_loss);
[[nodiscard]] std::string encode_plan(const RecoverPlan& plan);
/// Errors: kMalformed.
[[nodiscard]] Result<RecoverPlan> decode_plan(std::string_view bytes);

/// A fill that has begun: its name at the node that gives the rows, and what belongs to them.
struct FillStart {
  Uuid session;
  std::uint64_t bytes = 0;  ///< That the rows take on their drive.
  storage::FillBase base;
};

/// How filling replaced drives goes on one node, in one set.
struct FillStatus {
  bool filling = false;
  std::uint32_t waiting = 0;  ///< Drives that are to be filled, and wait for another one or for their set.
  std::uint64_t rows = 0;     ///< Copied since the start.
  // Of the fill under way, about; 0 as long as that is not known:
  std::uint64_t rows_per_second = 0;
  std::uint32_t percent = 0;
  std::uint64_t left_s = 0;
};
[[nodiscard]] std::string encode_fill_status(const FillStatus& status);
/// Errors: kMalformed.
[[nodiscard]] Result<FillStatus> decode_fill_status(std::string_view bytes);

/// How the keepers of one set on several nodes ask each other. Threads: any loop.
class KeeperPeersApi {
 public:
  virtual ~KeeperPeersApi() = default;
  /// Asks the leader, on `node`. Errors: kNotLeader; of the call.
  virtual Task<Result<SetView>> view(std::uint32_t node, std::uint32_t set) = 0;
  /// Freezes the rows of one drive of `set` on `node`. Errors: kNotFound when it has none that votes.
  virtual Task<Result<FillStart>> open_fill(std::uint32_t node, std::uint32_t set) = 0;
  /// Errors: kNotFound when the session has ended.
  virtual Task<Result<storage::RowPage>> fill_rows(std::uint32_t node, std::uint32_t set, Uuid session,
                                                   Family family, std::string from) = 0;
  /// The standing members on `node`.
  virtual Task<Result<std::vector<Standing>>> standing(std::uint32_t node, std::uint32_t set) = 0;
  /// Has the members of `plan` on `node` take up its generation, durably.
  virtual Task<Result<void>> raise(std::uint32_t node, std::uint32_t set, RecoverPlan plan) = 0;
  /// How the drives of `set` on `node` are filled.
  virtual Task<Result<FillStatus>> fills(std::uint32_t node, std::uint32_t set) = 0;
  virtual Task<void> close_fill(std::uint32_t node, std::uint32_t set, Uuid session) = 0;
};

}  // namespace flashstor::cluster
