#pragma once

#include <cstddef>

namespace flashstor::async {
/// Memory for coroutine frames, recycled per thread so that a warmed-up request path never calls the system
/// allocator. Under AddressSanitizer every frame is its own allocation, so that use after destruction is
/// seen.
[[nodiscard]] void* allocate_frame(std::size_t size);
void free_frame(void* frame, std::size_t size) noexcept;

/// Containers of a request over the same memory. For what a loop both makes and drops: what another thread
/// drops goes to that thread's pool.
template <class T>
struct FrameAllocator {
  using value_type = T;
  FrameAllocator() = default;
  template <class U>
  FrameAllocator(const FrameAllocator<U>&) noexcept {}  // NOLINT(google-explicit-constructor): of allocators
  T* allocate(std::size_t count) { return static_cast<T*>(allocate_frame(count * sizeof(T))); }
  void deallocate(T* memory, std::size_t count) noexcept { free_frame(memory, count * sizeof(T)); }
  template <class U>
  bool operator==(const FrameAllocator<U>&) const {
    return true;
  }
};

/// The base of small objects that a request makes one by one.
struct InFrames {
  static void* operator new(std::size_t size) { return allocate_frame(size); }
  static void operator delete(void* memory, std::size_t size) noexcept { free_frame(memory, size); }
};
}  // namespace flashstor::async
