#include "engine/files/lock_table.h"

#include "engine/files/limits.h"

namespace flashstor::files {

void LockTable::drop(Set& set, Session& session) {
  for (const auto& [inode, number, whole_file] : session.owners) {
    const auto space = set.spaces.find(inode);
    if (space == set.spaces.end()) continue;
    space->second.drop(number, whole_file);
    if (space->second.empty()) set.spaces.erase(space);
  }
  session.owners.clear();
}

void LockTable::expire(Set& set, MonotonicTime now) {
  for (auto one = set.sessions.begin(); one != set.sessions.end();) {
    if (one->second.until > now) {
      ++one;
      continue;
    }
    drop(set, one->second);
    one = set.sessions.erase(one);
  }
}

void LockTable::hold(Set& set, Session& session, const HeldLock& lock) {
  LockSpace& space = set.spaces[lock.inode];
  space.set(lock.range);
  if (space.empty()) set.spaces.erase(lock.inode);
  session.owners.emplace(lock.inode, lock.range.owner, lock.range.whole_file);
}

// The session's locks are what it says now; of those, what others took while it was silent is lost.
void LockTable::refresh(Set& set, Session& session, const LockPayload& asked, LockAnswer& answer) {
  drop(set, session);
  for (const HeldLock& lock : asked.held) {
    const auto space = set.spaces.find(lock.inode);
    if (space != set.spaces.end() && space->second.conflict(lock.range))
      answer.lost.push_back(lock);
    else
      hold(set, session, lock);
  }
  answer.granted = true;
}

LockAnswer LockTable::answer(const LockPayload& asked, std::uint64_t leadership, MonotonicTime now) {
  const std::lock_guard lock(mutex_);
  Set& set = sets_[asked.set];
  if (set.leadership != leadership)
    set = Set{.leadership = leadership, .grants_from = now + kLockLease, .sessions = {}, .spaces = {}};
  expire(set, now);
  Session& session = set.sessions[asked.session];
  LockAnswer answer;
  if (asked.number < session.number) return answer;  // overtaken by a later call
  session.number = asked.number;
  session.until = now + kLockLease;
  if (asked.what == LockPayload::What::kRefresh) {
    refresh(set, session, asked, answer);
    return answer;
  }
  if (const auto space = set.spaces.find(asked.wanted.inode); space != set.spaces.end())
    answer.other = space->second.conflict(asked.wanted.range);
  if (answer.other) return answer;
  const bool drops = asked.wanted.range.type == LockRange::Type::kUnlock;
  answer.early = !drops && now < set.grants_from;
  answer.granted = !answer.early;
  if (answer.granted && asked.what == LockPayload::What::kSet) hold(set, session, asked.wanted);
  return answer;
}

}  // namespace flashstor::files
