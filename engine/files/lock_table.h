#pragma once

#include <map>
#include <mutex>
#include <set>
#include <tuple>
#include <unordered_map>

#include "engine/base/time.h"
#include "engine/files/file_commands.h"
#include "engine/files/lock_space.h"

namespace flashstor::files {

/// The advisory locks of inodes that several nodes mount, as the leader of each set keeps them: in memory,
/// for as long as the sessions that hold them say so. A session that has been silent for kLockLease holds
/// nothing. A new leader knows nothing: it grants nothing for kLockLease, in which the sessions tell it what
/// they hold.
/// Threads: any.
class LockTable {
 public:
  /// `leadership` as RowView has it, not 0.
  [[nodiscard]] LockAnswer answer(const LockPayload& asked, std::uint64_t leadership, MonotonicTime now);

 private:
  using Owner = std::tuple<InodeId, std::uint64_t, bool>;  ///< With `whole_file`.
  struct Session {
    MonotonicTime until;
    std::uint64_t number = 0;
    std::set<Owner> owners;  ///< That may hold something.
  };
  struct Set {
    std::uint64_t leadership = 0;
    MonotonicTime grants_from;
    std::map<Uuid, Session> sessions;
    std::unordered_map<InodeId, LockSpace> spaces;
  };
  static void drop(Set& set, Session& session);
  static void expire(Set& set, MonotonicTime now);
  static void hold(Set& set, Session& session, const HeldLock& lock);
  static void refresh(Set& set, Session& session, const LockPayload& asked, LockAnswer& answer);

  std::mutex mutex_;
  std::unordered_map<std::uint32_t, Set> sets_;
};

}  // namespace flashstor::files
