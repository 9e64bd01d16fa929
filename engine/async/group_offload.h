#pragma once

#include <functional>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "engine/async/work_pool.h"

namespace flashstor::async {

/// Blocking work that costs little more for many items than for one: what comes while a run is under way
/// waits for the next, which takes all that wait. `co_await group.join(item)` returns on the caller's runtime
/// once a run has had `item`, which lives in the caller's frame and takes the outcome too. Items of one run
/// are in the order in which they came. Threads: any. Outlives whoever waits.
template <class Item>
class GroupOffload : Work {
 public:
  using Run = std::function<void(std::span<Item* const>)>;
  GroupOffload(WorkPool& pool, Run function) : pool_(pool), function_(std::move(function)) {
    run = [](Work* base) { static_cast<GroupOffload*>(base)->serve(); };
  }
  GroupOffload(const GroupOffload&) = delete;
  GroupOffload& operator=(const GroupOffload&) = delete;

  class Join : Work {
   public:
    Join(GroupOffload& group, Item& item) : group_(group), item_(item) {}
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiting) {
      waiting_ = waiting;
      home_ = Runtime::current();
      FLASHSTOR_CHECK(home_ != nullptr);
      run = [](Work* base) { static_cast<Join*>(base)->waiting_.resume(); };
      group_.add(*this);
    }
    void await_resume() const noexcept {}

   private:
    friend class GroupOffload;
    GroupOffload& group_;
    Item& item_;
    std::coroutine_handle<> waiting_;
    Runtime* home_ = nullptr;
  };
  [[nodiscard]] Join join(Item& item) { return {*this, item}; }

 private:
  void add(Join& join) {
    {
      const std::lock_guard lock(mutex_);
      waiting_.push_back(&join);
      if (std::exchange(running_, true)) return;
    }
    pool_.submit(*this);
  }

  // Looks for more before those who were served are told: the last of them may take this away.
  void serve() {
    std::vector<Join*> joins = take();
    while (!joins.empty()) {
      std::vector<Item*> items;
      for (Join* join : joins) items.push_back(&join->item_);
      function_(items);
      std::vector<Join*> next = take();
      for (Join* join : joins) join->home_->post(*join);
      joins = std::move(next);
    }
  }

  std::vector<Join*> take() {
    const std::lock_guard lock(mutex_);
    running_ = !waiting_.empty();
    return std::exchange(waiting_, {});
  }

  WorkPool& pool_;
  Run function_;
  std::mutex mutex_;
  std::vector<Join*> waiting_;
  bool running_ = false;
};

}  // namespace flashstor::async
