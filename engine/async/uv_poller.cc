#include "engine/async/uv_poller.h"

#include <unistd.h>

#include <memory>

namespace flashstor::async {

// Lives until libuv has let go of it, which is later than the poller.
struct UvPoller::Handle {
  uv_poll_t poll{};
  UvPoller* owner = nullptr;
};

UvPoller::UvPoller(UvRuntime& runtime, int descriptor) : runtime_(runtime), descriptor_(descriptor) {
  auto handle = std::make_unique<Handle>();
  handle->owner = this;
  handle->poll.data = handle.get();
  FLASHSTOR_CHECK(uv_poll_init(runtime.loop(), &handle->poll, descriptor) == 0);
  handle_ = handle.release();
}

UvPoller::~UvPoller() {
  FLASHSTOR_CHECK(reader_ == nullptr && writer_ == nullptr);
  close();
}

void UvPoller::close() {
  if (closed()) return;
  handle_->owner = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(&handle_->poll), [](uv_handle_t* handle) {
    const std::unique_ptr<Handle> owned(static_cast<Handle*>(handle->data));
  });
  handle_ = nullptr;
  ::close(descriptor_);
  descriptor_ = -1;
  release(reader_);
  release(writer_);
}

void UvPoller::release(Wait*& slot) {
  if (slot == nullptr) return;
  Wait* wait = std::exchange(slot, nullptr);
  runtime_.disarm(*wait);
  wait->outcome_ = Outcome::kClosed;
  wait->run = [](Work* self) { static_cast<Wait*>(self)->waiting_.resume(); };
  runtime_.post(*wait);
}

void UvPoller::arm(int wanted) {
  if ((armed_ & wanted) == wanted) return;
  armed_ = wanted;
  const int outcome = uv_poll_start(&handle_->poll, wanted, [](uv_poll_t* poll, int status, int events) {
    UvPoller* owner = static_cast<Handle*>(poll->data)->owner;
    if (owner != nullptr) owner->on_event(status, events);
  });
  FLASHSTOR_CHECK(outcome == 0);
}

void UvPoller::on_event(int status, int events) {
  if (status < 0) {  // libuv has stopped polling; whoever waits finds the error by trying
    armed_ = 0;
    events = UV_READABLE | UV_WRITABLE;
  }
  Wait* reader = (events & UV_READABLE) != 0 ? std::exchange(reader_, nullptr) : nullptr;
  Wait* writer = (events & UV_WRITABLE) != 0 ? std::exchange(writer_, nullptr) : nullptr;
  int idle = 0;
  if ((events & UV_READABLE) != 0 && reader == nullptr) idle |= UV_READABLE;
  if ((events & UV_WRITABLE) != 0)
    idle |= UV_WRITABLE;  // writability is only asked for while a write is stuck
  if ((armed_ & idle) != 0) {
    const int left = armed_ & ~idle;
    armed_ = 0;
    if (left == 0) {
      uv_poll_stop(&handle_->poll);
    } else {
      arm(left);
    }
  }
  // Nothing of this object may be touched after the last of these: its owner may drop it.
  if (reader != nullptr) reader->resume(Outcome::kReady);
  if (writer != nullptr) writer->resume(Outcome::kReady);
}

void UvPoller::Wait::await_suspend(std::coroutine_handle<> waiting) {
  waiting_ = waiting;
  FLASHSTOR_CHECK(poller_.slot(direction_) == nullptr);
  poller_.slot(direction_) = this;
  poller_.arm((poller_.reader_ != nullptr ? UV_READABLE : 0) |
              (poller_.writer_ != nullptr ? UV_WRITABLE : 0));
  if (!deadline_) return;
  at = *deadline_;
  fire = [](TimerNode* self) {
    auto* wait = static_cast<Wait*>(self);
    wait->poller_.slot(wait->direction_) = nullptr;
    wait->outcome_ = Outcome::kTimeout;
    wait->waiting_.resume();
  };
  poller_.runtime_.arm(*this);
}

void UvPoller::Wait::resume(Outcome outcome) {
  if (deadline_) poller_.runtime_.disarm(*this);
  outcome_ = outcome;
  waiting_.resume();
}

}  // namespace flashstor::async
