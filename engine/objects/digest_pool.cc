#include "engine/objects/digest_pool.h"

#include <algorithm>

#include "engine/base/check.h"

namespace flashstor::objects {

DigestPool::DigestPool(WorkPool& pool) : pool_(pool) {
  for (Runner& runner : runners_) runner.owner = this;
}

void DigestPool::Update::await_suspend(std::coroutine_handle<> waiting) {
  waiting_ = waiting;
  home_ = Runtime::current();
  FLASHSTOR_CHECK(home_ != nullptr);
  run = [](async::Work* work) { static_cast<Update*>(work)->waiting_.resume(); };
  pool_.push(*this);
}

// Another thread is asked for only when those at work cannot take all that waits in one go: lanes that stay
// empty cost as much as full ones.
void DigestPool::push(Update& update) {
  Runner* started = nullptr;
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(&update);
    const auto busy = std::ranges::count_if(runners_, &Runner::busy);
    if (busy == 0 || waiting_.size() > static_cast<std::size_t>(busy) * codec::kMd5Lanes) {
      const auto idle = std::ranges::find(runners_, false, &Runner::busy);
      if (idle != runners_.end()) started = &*idle;
    }
    if (started == nullptr) return;
    started->busy = true;
  }
  started->run = [](async::Work* work) {
    auto& runner = *static_cast<Runner*>(work);
    runner.owner->drain(runner);
  };
  pool_.submit(*started);
}

void DigestPool::drain(Runner& runner) {
  while (true) {
    std::array<Update*, codec::kMd5Lanes> taken{};
    std::size_t count = 0;
    {
      const std::lock_guard lock(mutex_);
      count = std::min(waiting_.size(), taken.size());
      if (count == 0) {
        runner.busy = false;
        return;
      }
      std::copy_n(waiting_.begin(), count, taken.begin());
      waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(count));
    }
    std::array<codec::Md5Job, codec::kMd5Lanes> jobs{};
    for (std::size_t i = 0; i < count; ++i) jobs[i] = {taken[i]->streams_.md5, taken[i]->bytes_};
    codec::md5_update_side_by_side(std::span(jobs).first(count));
    for (std::size_t i = 0; i < count; ++i) {
      for (codec::Hasher* other : taken[i]->streams_.others)
        if (other != nullptr) other->update(taken[i]->bytes_);
      taken[i]->home_->post(*taken[i]);
    }
  }
}

}  // namespace flashstor::objects
