#pragma once

#include <deque>
#include <set>
#include <unordered_map>

#include "engine/async/sync.h"
#include "engine/cluster/set_api.h"
#include "engine/files/file_commands.h"
#include "engine/files/lock_space.h"

namespace flashstor::files {

/// The locks of one volume where other nodes mount its bucket too: the leader of the set of hash(inode)
/// decides (lock_table.h), and this says twice a second what the volume's mounts hold.
/// Threads: the volume's loop.
class SharedLocks {
 public:
  SharedLocks(cluster::ClusterApi& cluster, Runtime& runtime);

  /// Until `stop`; in the volume's gate.
  Task<void> keep_refreshing();
  void stop();

  /// As VolumeApi::lock. Errors: also those of a query, when no leader can be asked.
  Task<Result<void>> lock(InodeId inode, LockRange range, bool wait, const bool* cancelled);
  /// As VolumeApi::test_lock.
  Task<Result<LockRange>> test(InodeId inode, LockRange range);
  /// Whether a lock of this inode that was granted is certainly this session's still, by this node's clock:
  /// the leader has heard of it within the lease.
  [[nodiscard]] bool holds(const InodeId& inode) const;
  /// What `owner` (of LockRange) has of an inode, in order.
  [[nodiscard]] std::vector<LockRange> held_by(const InodeId& inode, std::uint64_t owner,
                                               bool whole_file) const;
  /// Who waits looks at whether it is cancelled.
  void wake() { changed_.notify_all(); }

 private:
  struct Held {
    LockSpace space;
    MonotonicTime told;  ///< When what the leader last answered about it was asked.
  };
  Task<Result<LockAnswer>> ask(LockPayload::What what, InodeId inode, LockRange range);
  Task<Result<LockAnswer>> ask_in_turn(LockPayload payload);
  Task<void> drop(InodeId inode, LockRange range);
  Task<void> keep_refreshing_set(std::uint32_t set);
  Task<void> refresh(std::uint32_t set);
  void keep(const InodeId& inode, const LockRange& range);
  [[nodiscard]] std::uint32_t set_of(const InodeId& inode) const;

  cluster::ClusterApi& cluster_;
  Runtime& runtime_;
  Uuid session_;
  std::uint64_t calls_ = 0;
  std::deque<async::Semaphore> turns_;  ///< One a set: a refresh tells of all that was granted before it.
  std::unordered_map<InodeId, Held> held_;
  std::set<std::uint32_t> told_;  ///< Sets whose leaders may know of locks of this session.
  bool stopping_ = false;
  async::Signal stop_;
  async::Signal changed_;
};

}  // namespace flashstor::files
