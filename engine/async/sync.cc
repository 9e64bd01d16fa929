#include "engine/async/sync.h"

namespace flashstor::async {

void WaitList::add(Waiter& waiter) {
  waiter.list = this;
  waiter.before = last_;
  waiter.after = nullptr;
  (last_ != nullptr ? last_->after : first_) = &waiter;
  last_ = &waiter;
}

void WaitList::remove(Waiter& waiter) {
  (waiter.before != nullptr ? waiter.before->after : first_) = waiter.after;
  (waiter.after != nullptr ? waiter.after->before : last_) = waiter.before;
  waiter.list = nullptr;
}

void WaitList::wake(Waiter& waiter) {
  remove(waiter);
  waiter.woken = true;
  Runtime* runtime = Runtime::current();
  FLASHSTOR_CHECK(runtime != nullptr);
  runtime->disarm(waiter);
  waiter.run = [](Work* self) { static_cast<Waiter*>(self)->handle.resume(); };
  runtime->post(waiter);
}

WaitFor::~WaitFor() {
  if (waiter_.list == nullptr) return;
  waiter_.list->remove(waiter_);
  Runtime::current()->disarm(waiter_);
}

void WaitFor::await_suspend(std::coroutine_handle<> waiting) {
  waiter_.handle = waiting;
  list_.add(waiter_);
  if (!deadline_) return;
  waiter_.at = *deadline_;
  waiter_.fire = [](TimerNode* self) {
    auto& waiter = *static_cast<WaitList::Waiter*>(self);
    waiter.list->remove(waiter);
    waiter.handle.resume();
  };
  Runtime::current()->arm(waiter_);
}

Task<void> Event::wait() {
  while (!set_) co_await WaitFor(list_, std::nullopt);
}

Task<bool> Event::wait_until(MonotonicTime deadline) {
  while (!set_) {
    if (!co_await WaitFor(list_, deadline)) co_return set_;
  }
  co_return true;
}

bool Semaphore::try_acquire(std::size_t count) {
  if (permits_ < count || !list_.empty() || handing_) return false;
  permits_ -= count;
  return true;
}

Task<void> Semaphore::acquire(std::size_t count) {
  if (try_acquire(count)) co_return;
  do {
    co_await WaitFor(list_, std::nullopt);
    handing_ = false;
  } while (permits_ < count);
  permits_ -= count;
  // The next in line may fit in what is left.
  if (permits_ > 0 && !list_.empty()) {
    handing_ = true;
    list_.wake(*list_.first());
  }
}

void Semaphore::release(std::size_t count) {
  permits_ += count;
  if (list_.empty() || handing_) return;
  handing_ = true;
  list_.wake(*list_.first());
}

bool Gate::spawn(Task<void> task) {
  if (closed_) return false;
  ++running_;
  start_detached(run(std::move(task)));
  return true;
}

Task<void> Gate::run(Task<void> task) {
  co_await std::move(task);
  if (--running_ == 0) idle_.notify_all();
}

Task<void> Gate::close() {
  closed_ = true;
  while (running_ > 0) co_await idle_.wait();
}

}  // namespace flashstor::async
