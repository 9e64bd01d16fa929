#include "engine/cluster/lock_table.h"

#include <algorithm>

#include "engine/cluster/limits.h"
#include "engine/cluster/name_tree.h"

namespace flashstor::cluster {

bool LockTable::conflicts(const Names& names, const std::vector<LockName>& wanted) {
  if (names.empty()) return false;
  return std::ranges::any_of(wanted, [&names](const LockName& lock) {
    return any_related(names, lock.name, lock.name,
                       [&lock](const Count& count) { return count.conflicts(lock.exclusive); });
  });
}

void LockTable::add(Names& names, const std::vector<LockName>& locks) {
  for (const LockName& lock : locks) {
    Count& count = names[lock.name];
    ++(lock.exclusive ? count.exclusive : count.shared);
  }
}

Task<Result<LockTable::Held>> LockTable::acquire(const std::vector<LockName>& locks, MonotonicTime deadline) {
  if (locks.empty()) co_return Held();
  if (waiters_.empty() && !conflicts(held_, locks)) {
    add(held_, locks);
    co_return Held(*this, locks);
  }
  if (waiters_.size() >= limits::kMaxLockWaiters)
    co_return fail(ErrorCode::kTooManyRequests, "too many commands wait for locks");
  Waiting self{.locks = &locks, .list = {}, .granted = false};
  waiters_.push_back(&self);
  grant();  // it may be free of those that wait
  if (!self.granted) co_await async::WaitFor(self.list, deadline);
  if (self.granted) co_return Held(*this, locks);
  std::erase(waiters_, &self);
  grant();
  co_return fail(ErrorCode::kTimeout, "another change of the same name takes too long");
}

void LockTable::release(const std::vector<LockName>& locks) {
  for (const LockName& lock : locks) {
    const auto found = held_.find(lock.name);
    FLASHSTOR_CHECK(found != held_.end());
    --(lock.exclusive ? found->second.exclusive : found->second.shared);
    if (found->second.exclusive == 0 && found->second.shared == 0) held_.erase(found);
  }
  if (!waiters_.empty()) grant();
}

// Grants, in order of arrival, everybody who conflicts neither with a holder nor with somebody before them.
void LockTable::grant() {
  Names before;
  std::erase_if(waiters_, [this, &before](Waiting* waiter) {
    if (conflicts(held_, *waiter->locks) || conflicts(before, *waiter->locks)) {
      add(before, *waiter->locks);
      return false;
    }
    add(held_, *waiter->locks);
    waiter->granted = true;
    if (!waiter->list.empty()) waiter->list.wake(*waiter->list.first());
    return true;
  });
}

}  // namespace flashstor::cluster
