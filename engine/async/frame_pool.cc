#include "engine/async/frame_pool.h"

#include <array>
#include <new>

namespace flashstor::async {
namespace {

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kRecycle = false;
#else
constexpr bool kRecycle = true;
#endif
#else
constexpr bool kRecycle = true;
#endif

constexpr std::size_t kStep = 64;
constexpr std::size_t kClasses = 128;                     // frames up to 8 KiB
constexpr std::size_t kKeptBytes = std::size_t{4} << 20;  // by each thread

class FramePool {
 public:
  FramePool() = default;
  FramePool(const FramePool&) = delete;
  FramePool& operator=(const FramePool&) = delete;
  ~FramePool() {
    for (List& list : lists_) {
      while (list.head != nullptr) ::operator delete(pop(list));
    }
  }
  void* take(std::size_t index) {
    List& list = lists_[index];
    const std::size_t bytes = (index + 1) * kStep;
    if (list.head == nullptr) return ::operator new(bytes);
    kept_bytes_ -= bytes;
    return pop(list);
  }
  void give(std::size_t index, void* frame) {
    List& list = lists_[index];
    const std::size_t bytes = (index + 1) * kStep;
    if (kept_bytes_ + bytes > kKeptBytes) return ::operator delete(frame);
    // NOLINTNEXTLINE(cppcoreguidelines-owning-memory): placement, owns nothing
    list.head = new (frame) Free{list.head};
    kept_bytes_ += bytes;
  }

 private:
  struct Free {
    Free* next;
  };
  struct List {
    Free* head = nullptr;
  };
  static void* pop(List& list) {
    Free* frame = list.head;
    list.head = frame->next;
    return frame;
  }
  std::size_t kept_bytes_ = 0;
  std::array<List, kClasses> lists_;
};

FramePool& frame_pool() {
  thread_local FramePool pool;
  return pool;
}

}  // namespace

void* allocate_frame(std::size_t size) {
  const std::size_t index = (size - 1) / kStep;
  if (!kRecycle || index >= kClasses) return ::operator new(size);
  return frame_pool().take(index);
}

void free_frame(void* frame, std::size_t size) noexcept {
  const std::size_t index = (size - 1) / kStep;
  if (!kRecycle || index >= kClasses) return ::operator delete(frame);
  frame_pool().give(index, frame);
}

}  // namespace flashstor::async
