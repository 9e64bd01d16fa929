#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/async/sync.h"
#include "engine/cluster/set_api.h"

namespace flashstor::cluster {

/// The names that commands hold at a set's leader. A name covers every name that begins with it. All names
/// of a command are taken in one step and first come is first served among those that conflict, so nobody
/// starves and no two commands wait for each other. Threads: the set's loop.
class LockTable {
 public:
  /// Holds what was acquired; releases it when it dies.
  class Held {
   public:
    Held() = default;
    Held(Held&& other) noexcept
        : table_(std::exchange(other.table_, nullptr)), locks_(std::exchange(other.locks_, nullptr)) {}
    Held& operator=(Held&& other) noexcept {
      std::swap(table_, other.table_);
      std::swap(locks_, other.locks_);
      return *this;
    }
    ~Held() {
      if (table_ != nullptr) table_->release(*locks_);
    }

   private:
    friend class LockTable;
    Held(LockTable& table, const std::vector<LockName>& locks) : table_(&table), locks_(&locks) {}
    LockTable* table_ = nullptr;
    const std::vector<LockName>* locks_ = nullptr;
  };

  /// Waits until all of `locks` are free; `locks` must outlive what is given.
  /// Errors: kTimeout at the deadline, kTooManyRequests when too many wait.
  Task<Result<Held>> acquire(const std::vector<LockName>& locks, MonotonicTime deadline);
  [[nodiscard]] std::size_t waiting() const { return waiters_.size(); }
  [[nodiscard]] std::size_t held() const { return held_.size(); }

 private:
  struct Count {
    std::uint32_t shared = 0;
    std::uint32_t exclusive = 0;
    [[nodiscard]] bool conflicts(bool exclusive_wanted) const {
      return exclusive > 0 || (exclusive_wanted && shared > 0);
    }
  };
  using Names = std::map<std::string, Count, std::less<>>;
  struct Waiting {
    const std::vector<LockName>* locks;
    async::WaitList list;  // its one waiter
    bool granted = false;
  };

  static bool conflicts(const Names& names, const std::vector<LockName>& wanted);
  static void add(Names& names, const std::vector<LockName>& locks);
  void release(const std::vector<LockName>& locks);
  void grant();

  Names held_;
  std::vector<Waiting*> waiters_;  // in order of arrival
};

}  // namespace flashstor::cluster
