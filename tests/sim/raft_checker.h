#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/cluster/raft/raft.h"
#include "tests/sim/raft_drive.h"

namespace flashstor::sim {

/// Watches every step of every member and keeps the first thing that must not be. Logs match if each (index,
/// term) always carries the same payload over the same predecessor; the rest follows Ongaro, figure 3.2.
class RaftChecker {
 public:
  using Entry = cluster::raft::Entry;
  using Index = cluster::raft::Index;
  using Raft = cluster::raft::Raft;
  using Term = cluster::raft::Term;

  /// After every input to `core`. `life` counts its starts.
  void after_step(const Raft& core, std::uint64_t life);
  void appended(const Raft& core, const Entry& entry);
  void applied(const Raft& core, const Entry& entry);
  /// What `leader` counts for `member` must be on that member's drive while it is in the leader's term.
  void counted(const Raft& leader, cluster::raft::MemberId member, const RaftDrive& drive);
  /// A read that was answered with the state at `index`; `floor` as `floor()` said when it began.
  void read(const Raft& core, Index index, Index floor);
  /// A write was acknowledged.
  void acknowledged(Index index) { floor_ = std::max(floor_, index); }
  [[nodiscard]] Index floor() const { return floor_; }
  [[nodiscard]] Index committed() const { return commits_.size(); }
  [[nodiscard]] bool failed() const { return !failure_.empty(); }
  [[nodiscard]] const std::string& failure() const { return failure_; }
  void fail(std::string what) {
    if (failure_.empty()) failure_ = std::move(what);
  }

 private:
  struct Seen {
    Term term;
    std::uint64_t payload;
    Term before;
  };
  struct Commit {
    Term term;     ///< Of the entry.
    Term in_term;  ///< Of the leader that committed it.
  };
  struct Leader {
    cluster::raft::MemberId id;
    std::uint64_t life;
  };
  struct Last {
    std::uint64_t life = 0;
    Term term = 0;
    Index commit = 0;
    Term led = 0;
  };
  void check_leader(const Raft& core, std::uint64_t life, Last& last);
  void check_commit(const Raft& core, Index from);

  std::map<Term, Leader> leaders_;
  std::vector<std::vector<Seen>> seen_;  ///< By index.
  std::vector<Commit> commits_;          ///< commits_[i - 1]: what was committed at index i.
  std::vector<std::uint64_t> states_;    ///< The payload applied at each index.
  std::map<cluster::raft::MemberId, Last> last_;
  Index floor_ = 0;
  std::string failure_;
};

/// A payload's identity in the simulation.
[[nodiscard]] std::uint64_t payload_id(const cluster::raft::Entry& entry);

}  // namespace flashstor::sim
