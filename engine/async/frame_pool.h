#pragma once

#include <cstddef>

namespace flashstor::async {
/// Memory for coroutine frames, recycled per thread so that a warmed-up request path never calls the system
/// allocator. Under AddressSanitizer every frame is its own allocation, so that use after destruction is
/// seen.
[[nodiscard]] void* allocate_frame(std::size_t size);
void free_frame(void* frame, std::size_t size) noexcept;
}  // namespace flashstor::async
