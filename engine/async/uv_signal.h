#pragma once

#include <initializer_list>
#include <memory>

#include "engine/async/uv_runtime.h"

namespace flashstor::async {

/// Signals of the process as values on one loop. While it lives they no longer end the process. Create it on
/// the loop's thread or before the loop runs, and call `close` on the loop before the loop is destroyed.
class SignalWatcher {
 public:
  SignalWatcher(UvRuntime& runtime, std::initializer_list<int> signals);
  SignalWatcher(const SignalWatcher&) = delete;
  SignalWatcher& operator=(const SignalWatcher&) = delete;
  ~SignalWatcher();

  /// The next signal, in order of arrival; 0 after `close`. One waiter at a time.
  Task<int> next();
  /// Stops watching and ends a wait. On the loop's thread.
  void close();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace flashstor::async
