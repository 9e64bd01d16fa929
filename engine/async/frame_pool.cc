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
constexpr std::size_t kClasses = 64;  // frames up to 4 KiB
constexpr std::size_t kKeptPerClass = 1024;

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
    return list.head == nullptr ? ::operator new((index + 1) * kStep) : pop(list);
  }
  void give(std::size_t index, void* frame) {
    List& list = lists_[index];
    if (list.count == kKeptPerClass) return ::operator delete(frame);
    list.head =
        new (frame) Free{list.head};  // NOLINT(cppcoreguidelines-owning-memory): placement, owns nothing
    ++list.count;
  }

 private:
  struct Free {
    Free* next;
  };
  struct List {
    Free* head = nullptr;
    std::size_t count = 0;
  };
  static void* pop(List& list) {
    Free* frame = list.head;
    list.head = frame->next;
    --list.count;
    return frame;
  }
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
