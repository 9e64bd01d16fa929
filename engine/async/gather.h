#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "engine/async/sync.h"
#include "engine/async/task.h"

namespace flashstor::async {

/// Runs all tasks at once on this runtime and gives their results in order when the last has ended.
template <class T>
Task<std::vector<T>> gather(std::vector<Task<T>> tasks) {
  std::vector<std::optional<T>> results(tasks.size());
  struct Wait {
    std::vector<Task<T>>& tasks;
    std::vector<std::optional<T>>& results;
    std::size_t left;
    std::coroutine_handle<> waiting{};
    static Detached one(Wait& wait, std::size_t index) {
      wait.results[index].emplace(co_await std::move(wait.tasks[index]));
      if (--wait.left == 0) wait.waiting.resume();
    }
    bool await_ready() const noexcept { return tasks.empty(); }
    bool await_suspend(std::coroutine_handle<> handle) {
      waiting = handle;
      ++left;  // held while starting, so that the last to end synchronously does not resume us from inside
               // the loop
      for (std::size_t i = 0; i < tasks.size(); ++i) one(*this, i);
      return --left != 0;
    }
    void await_resume() const noexcept {}
  };
  Wait wait{tasks, results, tasks.size()};
  co_await wait;
  std::vector<T> out;
  out.reserve(results.size());
  for (auto& result : results) out.push_back(std::move(*result));
  co_return out;
}

/// The same for tasks without a result.
inline Task<void> gather(std::vector<Task<void>> tasks) {
  std::vector<Task<bool>> wrapped;
  wrapped.reserve(tasks.size());
  for (auto& task : tasks)
    wrapped.push_back([](Task<void> inner) -> Task<bool> {
      co_await std::move(inner);
      co_return true;
    }(std::move(task)));
  co_await gather(std::move(wrapped));
}

/// The same until `deadline`: nothing where a task has not ended by then. It goes on by itself, so it must
/// own what it needs.
template <class T>
Task<std::vector<std::optional<T>>> gather_until(std::vector<Task<T>> tasks, MonotonicTime deadline) {
  struct State {
    std::vector<std::optional<T>> results;
    std::size_t left = 0;
    Event done;
    static Detached one(std::shared_ptr<State> state, Task<T> task, std::size_t index) {
      state->results[index].emplace(co_await std::move(task));
      if (--state->left == 0) state->done.set();
    }
  };
  const auto state = std::make_shared<State>();
  state->results.resize(tasks.size());
  state->left = tasks.size();
  for (std::size_t i = 0; i < tasks.size(); ++i) State::one(state, std::move(tasks[i]), i);
  if (state->left > 0) static_cast<void>(co_await state->done.wait_until(deadline));
  std::vector<std::optional<T>> out(tasks.size());
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = std::move(state->results[i]);
  co_return out;
}

}  // namespace flashstor::async
