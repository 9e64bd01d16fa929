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
  std::vector<raft::MemberId> unfit;  ///< Too far behind for the log, or with a lost tail: to be filled anew.
  bool suffering = false;             ///< Requests have become slow: the background is to rest.
  [[nodiscard]] bool knows(raft::MemberId id) const { return members.is_voter(id) || members.is_standby(id); }
  /// The newest member of this slot, or 0.
  [[nodiscard]] raft::MemberId newest_of(std::uint32_t slot) const;
};
[[nodiscard]] std::string encode_view(const SetView& view);
/// Errors: kMalformed.
[[nodiscard]] Result<SetView> decode_view(std::string_view bytes);

/// A fill that has begun: its name at the node that gives the rows, and what belongs to them.
struct FillStart {
  Uuid session;
  storage::FillBase base;
};

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
  virtual Task<void> close_fill(std::uint32_t node, std::uint32_t set, Uuid session) = 0;
};

}  // namespace flashstor::cluster
