#include "engine/base/block_pool.h"

#include <sys/mman.h>

#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <vector>

#include "engine/base/check.h"

namespace flashstor::base {
namespace {

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
constexpr bool kRecycle = false;
#else
constexpr bool kRecycle = true;
#endif
#else
constexpr bool kRecycle = true;
#endif

constexpr std::size_t kPage = 4096;
constexpr std::size_t kLine = 64;
constexpr std::array<std::uint32_t, 11> kSmallSizes = {64,  128,  192,  256,  384, 512,
                                                       768, 1024, 1536, 2048, 3072};
constexpr std::size_t kSmallClasses = kSmallSizes.size();
constexpr std::size_t kPageClasses = 10;  // 4 KiB … 2 MiB
constexpr std::size_t kClasses = kSmallClasses + kPageClasses;
constexpr std::uint32_t kUnpooled = kClasses;
// From here on the system's pages are taken and given back directly: an allocator would keep them.
// (AddressSanitizer watches only what an allocator gives.)
constexpr std::size_t kMapBytes = kRecycle ? std::size_t{64} << 10 : SIZE_MAX;
static_assert(sizeof(PayloadBlock) <= kLine);

constexpr auto kSmallClassOf = [] {
  std::array<std::uint8_t, kSmallSizes.back() / kLine + 1> classes{};
  for (std::size_t lines = 0; lines < classes.size(); ++lines)
    while (kSmallSizes[classes[lines]] < lines * kLine) ++classes[lines];
  return classes;
}();

std::size_t class_of(std::size_t size) {
  if (size <= kSmallSizes.back()) return kSmallClassOf[(size + kLine - 1) / kLine];
  if (size <= kPage) return kSmallClasses;
  return kSmallClasses + static_cast<std::size_t>(std::bit_width((size - 1) / kPage));
}

std::size_t capacity_of(std::size_t index) {
  return index < kSmallClasses ? kSmallSizes[index] : kPage << (index - kSmallClasses);
}

std::byte* map_pages(std::size_t bytes) {
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  FLASHSTOR_CHECK(memory != MAP_FAILED);
  return static_cast<std::byte*>(memory);
}

PayloadBlock* make_block(std::size_t index, std::size_t capacity) {
  if (index < kSmallClasses) {
    auto* place = static_cast<std::byte*>(::operator new(kLine + capacity, std::align_val_t{kLine}));
    auto* block = new (place) PayloadBlock;  // NOLINT(cppcoreguidelines-owning-memory): placement
    block->memory = place + kLine;
    block->capacity = capacity;
    block->size_class = static_cast<std::uint32_t>(index);
    return block;
  }
  auto block = std::make_unique<PayloadBlock>();
  block->capacity = capacity;
  block->size_class = static_cast<std::uint32_t>(index);
  block->memory = capacity >= kMapBytes
                      ? map_pages(capacity)
                      : static_cast<std::byte*>(::operator new(capacity, std::align_val_t{kPage}));
  return block.release();
}

void destroy_block(PayloadBlock* block) noexcept {
  if (block->size_class < kSmallClasses) {
    ::operator delete(static_cast<void*>(block), std::align_val_t{kLine});
    return;
  }
  const std::unique_ptr<PayloadBlock> last(block);
  if (last->capacity >= kMapBytes) {
    ::munmap(last->memory, last->capacity);
  } else {
    ::operator delete(last->memory, std::align_val_t{kPage});
  }
}

// What threads could not keep, so that what one frees another takes.
class Depot {
 public:
  Depot() = default;
  Depot(const Depot&) = delete;
  Depot& operator=(const Depot&) = delete;
  ~Depot() {
    for (auto& list : free_)
      for (PayloadBlock* block : list) destroy_block(block);
  }
  PayloadBlock* take(std::size_t index) {
    const std::lock_guard lock(mutex_);
    auto& list = free_[index];
    if (list.empty()) return nullptr;
    PayloadBlock* block = list.back();
    list.pop_back();
    bytes_ -= block->capacity;
    return block;
  }
  bool give(PayloadBlock* block) {
    const std::lock_guard lock(mutex_);
    if (bytes_ + block->capacity > kDepotKeepBytes) return false;
    bytes_ += block->capacity;
    free_[block->size_class].push_back(block);
    return true;
  }
  [[nodiscard]] std::size_t bytes() const {
    const std::lock_guard lock(mutex_);
    return bytes_;
  }

 private:
  mutable std::mutex mutex_;
  std::size_t bytes_ = 0;
  std::array<std::vector<PayloadBlock*>, kClasses> free_;
};

Depot& depot() {
  static Depot shared;
  return shared;
}

class ThreadBlocks {
 public:
  ThreadBlocks() { static_cast<void>(depot()); }  // made first, so that it outlives every thread's
  ThreadBlocks(const ThreadBlocks&) = delete;
  ThreadBlocks& operator=(const ThreadBlocks&) = delete;
  ~ThreadBlocks() {
    for (auto& list : free_)
      for (PayloadBlock* block : list) destroy_block(block);
  }
  PayloadBlock* take(std::size_t index) {
    auto& list = free_[index];
    if (list.empty()) return depot().take(index);
    PayloadBlock* block = list.back();
    list.pop_back();
    bytes_ -= block->capacity;
    return block;
  }
  void give(PayloadBlock* block) {
    if (bytes_ + block->capacity <= kThreadKeepBytes) {
      bytes_ += block->capacity;
      free_[block->size_class].push_back(block);
    } else if (!depot().give(block)) {
      destroy_block(block);
    }
  }

 private:
  std::size_t bytes_ = 0;
  std::array<std::vector<PayloadBlock*>, kClasses> free_;
};

ThreadBlocks& thread_blocks() {
  thread_local ThreadBlocks blocks;
  return blocks;
}

}  // namespace

PayloadBlock* take_payload_block(std::size_t size) {
  const std::size_t index = class_of(size);
  if (index >= kClasses) return make_block(kUnpooled, (size + kPage - 1) & ~(kPage - 1));
  PayloadBlock* block = kRecycle ? thread_blocks().take(index) : nullptr;
  if (block == nullptr) return make_block(index, capacity_of(index));
  block->references.store(1, std::memory_order_relaxed);
  return block;
}

void give_payload_block(PayloadBlock* block) noexcept {
  if (!kRecycle || block->size_class >= kClasses) return destroy_block(block);
  thread_blocks().give(block);
}

PayloadMemory payload_memory() { return {.depot_bytes = depot().bytes()}; }

}  // namespace flashstor::base
