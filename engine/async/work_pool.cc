#include "engine/async/work_pool.h"

#include <pthread.h>

#include "engine/async/own_thread.h"

namespace flashstor::async {

ThreadPool::ThreadPool(std::size_t threads, const char* name) {
  threads_.reserve(threads);
  for (std::size_t i = 0; i < threads; ++i) {
    threads_.emplace_back([this] { run(); });
    pthread_setname_np(threads_.back().native_handle(), name);
  }
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  ready_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadPool::submit(Work& work) {
  work.next = nullptr;
  {
    const std::lock_guard lock(mutex_);
    (last_ != nullptr ? last_->next : first_) = &work;
    last_ = &work;
  }
  ready_.notify_one();
}

void ThreadPool::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    ready_.wait(lock, [this] { return first_ != nullptr || stopping_; });
    if (first_ == nullptr) return;
    Work* work = first_;
    first_ = work->next;
    if (first_ == nullptr) last_ = nullptr;
    lock.unlock();
    work->run(work);
    lock.lock();
  }
}

MakePool own_threads() {
  return [](const char* name) { return std::make_unique<ThreadPool>(1, name); };
}

void run_on_own_thread(std::function<void()> body) { std::thread(std::move(body)).detach(); }

}  // namespace flashstor::async
