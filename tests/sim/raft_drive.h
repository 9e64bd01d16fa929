#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "engine/base/random.h"
#include "engine/cluster/raft/types.h"

namespace flashstor::sim {

/// What one member's drive holds: records that are synced, and those under way, which a crash loses. A drive
/// may also lie: lose the newest records that it said were synced.
class RaftDrive {
 public:
  /// How far the index is durable, with what it knows of the membership there.
  struct Checkpoint {
    cluster::raft::LogBase at;
    cluster::raft::Membership membership;
    cluster::raft::Index membership_index = 0;
  };

  RaftDrive() = default;
  explicit RaftDrive(cluster::raft::Membership first) { checkpoint_.membership = std::move(first); }

  /// A drive that may lie keeps its newest batches losable.
  void set_may_lie(bool may_lie) { cache_batches_ = may_lie ? kCacheBatches : 0; }
  /// Whether a crash now would leave the entry (or the state made of it) here. Not for drives that may lie.
  [[nodiscard]] bool holds(cluster::raft::Index index, cluster::raft::Term term) const;
  [[nodiscard]] cluster::raft::Term term() const { return hard_.term; }
  void write(cluster::raft::Records records) { under_way_.push_back(std::move(records)); }
  /// The oldest records under way are synced; or fail, and are gone.
  void sync(std::uint64_t sequence);
  void drop(std::uint64_t sequence);
  void crash() { under_way_.clear(); }
  /// Loses up to `count` batches that were synced. Gives how many went.
  std::size_t lie(std::size_t count);
  void set_checkpoint(Checkpoint checkpoint) { checkpoint_ = std::move(checkpoint); }
  [[nodiscard]] const Checkpoint& checkpoint() const { return checkpoint_; }
  /// Frees entries up to `index`, at most the checkpoint. Gives the new base.
  cluster::raft::Index free_to(cluster::raft::Index index);
  [[nodiscard]] std::vector<cluster::raft::Entry> read(cluster::raft::Index from, cluster::raft::Index to);
  /// What a member finds at its start; with `whole_tail` all entries, else only those after the checkpoint.
  [[nodiscard]] cluster::raft::Restored restore(bool whole_tail);

 private:
  void settle(std::size_t keep);
  void replay(cluster::raft::Records records);
  [[nodiscard]] cluster::raft::Index last() const { return base_.index + entries_.size(); }

  static constexpr std::size_t kCacheBatches = 6;  ///< Batches that a lying drive may lose.
  std::size_t cache_batches_ = 0;
  std::deque<cluster::raft::Records> under_way_;
  std::deque<cluster::raft::Records> cached_;  ///< Said to be synced.
  cluster::raft::HardState hard_;
  cluster::raft::LogBase base_;
  std::vector<cluster::raft::Entry> entries_;
  Checkpoint checkpoint_;
  bool hole_ = false;
};

}  // namespace flashstor::sim
