#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include "engine/async/frame_pool.h"
#include "engine/base/check.h"
#include "engine/base/error.h"

namespace flashstor::async {

template <class T>
class Task;

/// What every coroutine of a Task shares: who waits for it, and how the waiter is found when it ends.
class PromiseBase {
 public:
  /// Called when the coroutine has its result: gives the coroutine to go on with.
  using Resolver = std::coroutine_handle<> (*)(PromiseBase& finished, void* waiter);

  static void* operator new(std::size_t size) { return allocate_frame(size); }
  static void operator delete(void* frame, std::size_t size) noexcept { free_frame(frame, size); }

  std::suspend_always initial_suspend() noexcept { return {}; }
  struct FinalAwaiter {
    bool await_ready() noexcept { return false; }
    template <class P>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<P> self) noexcept {
      return self.promise().finish();
    }
    void await_resume() noexcept {}
  };
  FinalAwaiter final_suspend() noexcept { return {}; }
  [[noreturn]] void unhandled_exception() noexcept { std::terminate(); }

  void on_finish(Resolver resolver, void* waiter) {
    resolver_ = resolver;
    waiter_ = waiter;
  }
  /// The coroutine that goes on now that this one has its result.
  std::coroutine_handle<> finish() noexcept {
    return resolver_ != nullptr ? resolver_(*this, waiter_) : std::noop_coroutine();
  }

 private:
  Resolver resolver_ = nullptr;
  void* waiter_ = nullptr;
};

template <class T>
class Promise final : public PromiseBase {
 public:
  Task<T> get_return_object() noexcept;
  template <class U = T>
    requires std::is_constructible_v<T, U&&>
  void return_value(U&& value) {
    result_.emplace(std::forward<U>(value));
  }
  T take() {
    FLASHSTOR_CHECK(result_.has_value());
    return std::move(*result_);
  }
  [[nodiscard]] T& result() { return *result_; }

 private:
  std::optional<T> result_;
};

template <>
class Promise<void> final : public PromiseBase {
 public:
  Task<void> get_return_object() noexcept;
  void return_void() noexcept {}
  void take() noexcept {}
};

/// A lazy coroutine: it runs when awaited, on the waiter's thread, and its frame dies with the Task. A parent
/// owns and awaits its children; work that outlives its parent goes through a Gate. `co_return fail(…)` works
/// in a Task<Result<T>>. Arguments by reference must outlive the await: pass by value what a detached task
/// needs.
template <class T = void>
class [[nodiscard]] Task {
 public:
  using promise_type = Promise<T>;
  using value_type = T;

  Task() = default;
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Task() {
    if (handle_) handle_.destroy();
  }
  [[nodiscard]] bool valid() const { return static_cast<bool>(handle_); }

  struct Awaiter {
    std::coroutine_handle<Promise<T>> child;
    std::coroutine_handle<> parent;
    bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> waiting) noexcept {
      parent = waiting;
      child.promise().on_finish([](PromiseBase&, void* self) { return static_cast<Awaiter*>(self)->parent; },
                                this);
      return child;
    }
    T await_resume() { return child.promise().take(); }
  };
  Awaiter operator co_await() && noexcept { return {handle_, {}}; }
  Awaiter operator co_await() & noexcept { return {handle_, {}}; }

  /// For awaiters of this folder.
  [[nodiscard]] std::coroutine_handle<Promise<T>> handle() const { return handle_; }

 private:
  friend class Promise<T>;
  explicit Task(std::coroutine_handle<Promise<T>> handle) : handle_(handle) {}
  std::coroutine_handle<Promise<T>> handle_;
};

template <class T>
Task<T> Promise<T>::get_return_object() noexcept {
  return Task<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}
inline Task<void> Promise<void>::get_return_object() noexcept {
  return Task<void>(std::coroutine_handle<Promise<void>>::from_promise(*this));
}

/// Awaits a child that gives a Result; an error ends the awaiting coroutine with that same error.
template <class T>
class TaskOrReturn {
 public:
  explicit TaskOrReturn(Task<Result<T>> task) : task_(std::move(task)) {}
  bool await_ready() const noexcept { return false; }
  template <class P>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<P> parent) noexcept {
    parent_ = parent;
    task_.handle().promise().on_finish(
        [](PromiseBase& finished, void* self) -> std::coroutine_handle<> {
          Result<T>& result = static_cast<Promise<Result<T>>&>(finished).result();
          const auto waiting =
              std::coroutine_handle<P>::from_address(static_cast<TaskOrReturn*>(self)->parent_.address());
          if (result.has_value()) return waiting;
          waiting.promise().return_value(std::unexpected<Error>(std::move(result).error()));
          return waiting.promise().finish();
        },
        this);
    return task_.handle();
  }
  T await_resume() {
    if constexpr (std::is_void_v<T>) {
      return;
    } else {
      return std::move(*task_.handle().promise().take());
    }
  }

 private:
  Task<Result<T>> task_;
  std::coroutine_handle<> parent_;
};

/// The same for a Result that is there already.
template <class T>
class ResultOrReturn {
 public:
  explicit ResultOrReturn(Result<T> result) : result_(std::move(result)) {}
  bool await_ready() const noexcept { return result_.has_value(); }
  template <class P>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<P> parent) noexcept {
    parent.promise().return_value(std::unexpected<Error>(std::move(result_).error()));
    return parent.promise().finish();
  }
  T await_resume() {
    if constexpr (std::is_void_v<T>) {
      return;
    } else {
      return std::move(*result_);
    }
  }

 private:
  Result<T> result_;
};

/// `auto row = co_await or_return(drive.read_row(key));`: the value, or the end of this coroutine with the
/// error.
template <class T>
[[nodiscard]] TaskOrReturn<T> or_return(Task<Result<T>> task) {
  return TaskOrReturn<T>(std::move(task));
}
template <class T>
[[nodiscard]] ResultOrReturn<T> or_return(Result<T> result) {
  return ResultOrReturn<T>(std::move(result));
}

/// Runs `task` without anybody waiting; its frame lives until it ends. Only a Gate and the edges of the
/// program use this.
struct Detached {
  struct promise_type {
    static void* operator new(std::size_t size) { return allocate_frame(size); }
    static void operator delete(void* frame, std::size_t size) noexcept { free_frame(frame, size); }
    Detached get_return_object() noexcept { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    [[noreturn]] void unhandled_exception() noexcept { std::terminate(); }
  };
};
inline Detached start_detached(Task<void> task) { co_await std::move(task); }

}  // namespace flashstor::async

namespace flashstor {
using async::or_return;
using async::Task;
}  // namespace flashstor
