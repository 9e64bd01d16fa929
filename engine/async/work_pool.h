#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <type_traits>
#include <vector>

#include "engine/async/runtime.h"

namespace flashstor::async {

/// Threads that run what would block or burn a loop. ThreadPool in the product; the simulator has its own.
class WorkPool {
 public:
  virtual ~WorkPool() = default;
  /// Runs `work` on some thread of the pool, soon. From any thread.
  virtual void submit(Work& work) = 0;
};

/// Makes a pool of one thread for what may hang, so that nothing else waits for it.
using MakePool = std::function<std::unique_ptr<WorkPool>(const char* name)>;
/// One that makes threads.
[[nodiscard]] MakePool own_threads();

/// A fixed number of threads over one FIFO queue. The destructor runs what is queued, then joins.
class ThreadPool final : public WorkPool {
 public:
  ThreadPool(std::size_t threads, const char* name);
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  ~ThreadPool() override;
  void submit(Work& work) override;

 private:
  void run();
  std::mutex mutex_;
  std::condition_variable ready_;
  Work* first_ = nullptr;
  Work* last_ = nullptr;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

/// `co_await offload(pool, [&] { return blocking(); })`: runs the function on the pool and comes back to this
/// runtime with what it returned. Costs 70 to 176 us of round trip on an idle machine: not for what takes
/// less.
template <class F>
class Offload : Work {
 public:
  using Value = std::invoke_result_t<F&>;
  Offload(WorkPool& pool, F function) : pool_(pool), function_(std::move(function)) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiting) {
    waiting_ = waiting;
    home_ = Runtime::current();
    FLASHSTOR_CHECK(home_ != nullptr);
    run = [](Work* base) {
      auto* self = static_cast<Offload*>(base);
      if constexpr (std::is_void_v<Value>) {
        self->function_();
      } else {
        self->value_.emplace(self->function_());
      }
      self->run = [](Work* done) { static_cast<Offload*>(done)->waiting_.resume(); };
      self->home_->post(*self);
    };
    pool_.submit(*this);
  }
  Value await_resume() {
    if constexpr (!std::is_void_v<Value>) return std::move(*value_);
  }

 private:
  struct Nothing {};
  WorkPool& pool_;
  F function_;
  std::optional<std::conditional_t<std::is_void_v<Value>, Nothing, Value>> value_;
  std::coroutine_handle<> waiting_;
  Runtime* home_ = nullptr;
};
template <class F>
[[nodiscard]] Offload<F> offload(WorkPool& pool, F function) {
  return {pool, std::move(function)};
}

}  // namespace flashstor::async

namespace flashstor {
using async::WorkPool;
}
