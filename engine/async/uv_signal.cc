#include "engine/async/uv_signal.h"

#include <deque>
#include <vector>

#include "engine/async/sync.h"

namespace flashstor::async {

struct SignalWatcher::State {
  std::deque<int> arrived;
  Signal changed;
  bool closed = false;
  std::vector<uv_signal_t*> handles;
};

SignalWatcher::SignalWatcher(UvRuntime& runtime, std::initializer_list<int> signals)
    : state_(std::make_unique<State>()) {
  for (const int number : signals) {
    auto handle = std::make_unique<uv_signal_t>();
    FLASHSTOR_CHECK(uv_signal_init(runtime.loop(), handle.get()) == 0);
    handle->data = state_.get();
    FLASHSTOR_CHECK(uv_signal_start(
                        handle.get(),
                        [](uv_signal_t* self, int arrived) {
                          auto* state = static_cast<State*>(self->data);
                          state->arrived.push_back(arrived);
                          state->changed.notify_all();
                        },
                        number) == 0);
    state_->handles.push_back(handle.release());  // libuv's until its close callback
  }
}

SignalWatcher::~SignalWatcher() { FLASHSTOR_CHECK(state_->closed); }

Task<int> SignalWatcher::next() {
  while (state_->arrived.empty() && !state_->closed) co_await state_->changed.wait();
  if (state_->arrived.empty()) co_return 0;
  const int number = state_->arrived.front();
  state_->arrived.pop_front();
  co_return number;
}

void SignalWatcher::close() {
  state_->closed = true;
  for (uv_signal_t* handle : state_->handles)
    uv_close(reinterpret_cast<uv_handle_t*>(handle), [](uv_handle_t* closed) {
      const std::unique_ptr<uv_signal_t> gone(reinterpret_cast<uv_signal_t*>(closed));
    });
  state_->handles.clear();
  state_->changed.notify_all();
}

}  // namespace flashstor::async
