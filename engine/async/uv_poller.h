#pragma once

#include <uv.h>

#include <coroutine>
#include <optional>

#include "engine/async/runtime.h"
#include "engine/async/uv_runtime.h"

namespace flashstor::async {

/// Readiness of one socket, awaited by at most one reader and one writer. Interest stays registered between
/// waits, so that a keep-alive connection costs no epoll_ctl per request; it is dropped when an event finds
/// nobody waiting. Owns the descriptor. Threads: the runtime's.
class UvPoller {
 public:
  enum class Outcome { kReady, kClosed, kTimeout };
  enum class Direction { kRead, kWrite };

  UvPoller(UvRuntime& runtime, int descriptor);
  UvPoller(const UvPoller&) = delete;
  UvPoller& operator=(const UvPoller&) = delete;
  ~UvPoller();

  [[nodiscard]] int descriptor() const { return descriptor_; }
  [[nodiscard]] bool closed() const { return descriptor_ < 0; }
  /// Closes the descriptor; whoever waits ends with kClosed, from the runtime's queue.
  void close();

  class Wait : Work, TimerNode {
   public:
    Wait(UvPoller& poller, Direction direction, std::optional<MonotonicTime> deadline)
        : poller_(poller), direction_(direction), deadline_(deadline) {}
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;
    bool await_ready() const noexcept { return poller_.closed(); }
    void await_suspend(std::coroutine_handle<> waiting);
    Outcome await_resume() const noexcept { return poller_.closed() ? Outcome::kClosed : outcome_; }

   private:
    friend class UvPoller;
    void resume(Outcome outcome);
    UvPoller& poller_;
    Direction direction_;
    std::optional<MonotonicTime> deadline_;
    Outcome outcome_ = Outcome::kReady;
    std::coroutine_handle<> waiting_;
  };
  [[nodiscard]] Wait readable() { return {*this, Direction::kRead, std::nullopt}; }
  [[nodiscard]] Wait writable(std::optional<MonotonicTime> deadline = std::nullopt) {
    return {*this, Direction::kWrite, deadline};
  }

 private:
  struct Handle;
  Wait*& slot(Direction direction) { return direction == Direction::kRead ? reader_ : writer_; }
  void arm(int wanted);
  void on_event(int status, int events);
  void release(Wait*& slot);

  UvRuntime& runtime_;
  int descriptor_;
  int armed_ = 0;
  Wait* reader_ = nullptr;
  Wait* writer_ = nullptr;
  Handle* handle_;
};

}  // namespace flashstor::async
