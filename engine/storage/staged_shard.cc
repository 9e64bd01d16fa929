#include "engine/storage/staged_shard.h"

#include <utility>

#include "engine/base/check.h"

namespace flashstor::storage {

/// Suspends until at most `bytes` wait to be written.
struct StagedShard::WaitBelow : async::Work {
  StagedShard& shard;
  std::size_t bytes;
  std::coroutine_handle<> waiting{};
  Runtime* home = nullptr;

  WaitBelow(StagedShard& owner, std::size_t limit) : shard(owner), bytes(limit) {}
  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> handle) {
    waiting = handle;
    home = Runtime::current();
    run = [](async::Work* work) { static_cast<WaitBelow*>(work)->waiting.resume(); };
    const std::lock_guard lock(shard.mutex_);
    FLASHSTOR_CHECK(shard.waiter_ == nullptr);
    if (shard.queued_bytes_ <= bytes) return false;
    shard.waiter_ = this;
    return true;
  }
  Result<void> await_resume() const {
    const std::lock_guard lock(shard.mutex_);
    if (shard.error_) return std::unexpected(*shard.error_);
    return {};
  }
};

Task<Result<void>> StagedShard::append(Buffer blocks, std::size_t block_bytes) {
  bool start = false;
  moved_at_ = Runtime::current()->now();
  {
    const std::lock_guard lock(mutex_);
    if (error_) co_return std::unexpected(*error_);
    queued_bytes_ += blocks.size();
    queue_.emplace_back(std::move(blocks), block_bytes);
    start = !std::exchange(running_, true);
  }
  if (start) {
    drain_.shard = shared_from_this();
    drain_.run = [](async::Work* work) {
      const std::shared_ptr<StagedShard> kept = std::move(static_cast<Drain*>(work)->shard);
      kept->drain();
    };
    pool_.submit(drain_);
  }
  co_return co_await WaitBelow(*this, limits::kStageBytesInMemory);
}

Task<Result<void>> StagedShard::settle() { co_return co_await WaitBelow(*this, 0); }

void StagedShard::wake_waiter() {
  if (waiter_ == nullptr || queued_bytes_ > waiter_->bytes) return;
  WaitBelow* waiter = std::exchange(waiter_, nullptr);
  waiter->home->post(*waiter);
}

void StagedShard::drain() {
  while (true) {
    std::pair<Buffer, std::size_t> next;
    bool failed = false;
    {
      const std::lock_guard lock(mutex_);
      failed = error_.has_value();
      if (queue_.empty()) {
        running_ = false;
        return;
      }
      next = std::move(queue_.front());
      queue_.pop_front();
    }
    auto written = failed ? Result<void>{} : writer_.append(next.first.span(), next.second);
    const std::lock_guard lock(mutex_);
    if (!written) error_ = written.error();
    queued_bytes_ -= next.first.size();
    wake_waiter();
  }
}

Result<void> StagedShard::finish(std::uint64_t length) {
  data_.length = length;
  return writer_.finish(data_, shard_);
}

}  // namespace flashstor::storage
