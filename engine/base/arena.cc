#include "engine/base/arena.h"

#include <cstring>
#include <new>

#include "engine/base/check.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#define FLASHSTOR_ARENA_POISONS 1
#endif
#endif

namespace flashstor::base {
namespace {

constexpr std::size_t kBlockHeader = 64;
constexpr std::align_val_t kBlockAlignment{4096};

#ifdef FLASHSTOR_ARENA_POISONS
void poison(void* memory, std::size_t bytes) { ASAN_POISON_MEMORY_REGION(memory, bytes); }
void unpoison(void* memory, std::size_t bytes) { ASAN_UNPOISON_MEMORY_REGION(memory, bytes); }
#else
void poison(void*, std::size_t) {}
void unpoison(void*, std::size_t) {}
#endif

void free_block(void* block) {
  unpoison(block, limits::kArenaBlockBytes);
  ::operator delete(block, kBlockAlignment);
}

}  // namespace

ArenaPool::~ArenaPool() {
  FLASHSTOR_CHECK(lent_ == 0);
  while (free_ != nullptr) {
    Block* next = free_->next;
    free_block(free_);
    free_ = next;
  }
}

ArenaPool::Block* ArenaPool::take() {
  ++lent_;
  if (free_ == nullptr) {
    void* memory = ::operator new(limits::kArenaBlockBytes, kBlockAlignment);
    return new (memory) Block;  // NOLINT(cppcoreguidelines-owning-memory): placement, owns nothing
  }
  Block* block = free_;
  free_ = block->next;
  --free_count_;
  return block;
}

void ArenaPool::give(Block* first, Block* last, std::size_t count) {
  lent_ -= count;
  if (free_count_ + count <= kept_blocks_) {  // one splice, whatever the count
    last->next = free_;
    free_ = first;
    free_count_ += count;
    return;
  }
  last->next = nullptr;
  while (first != nullptr) {
    Block* next = first->next;
    if (free_count_ < kept_blocks_) {
      first->next = free_;
      free_ = first;
      ++free_count_;
    } else {
      free_block(first);
    }
    first = next;
  }
}

void Arena::reset() {
#ifdef FLASHSTOR_DEBUG
  FLASHSTOR_CHECK(live_ == 0);  // a container in the arena outlives its request
#endif
#ifdef FLASHSTOR_ARENA_POISONS
  for (ArenaPool::Block* block = first_; block != nullptr; block = block->next)
    poison(reinterpret_cast<std::byte*>(block) + kBlockHeader, limits::kArenaBlockBytes - kBlockHeader);
#endif
  if (first_ != nullptr) pool_->give(first_, last_, blocks_);
  while (large_ != nullptr) {
    Large* next = large_->next;
    ::operator delete(large_, kBlockAlignment);
    large_ = next;
  }
  first_ = last_ = nullptr;
  at_ = end_ = nullptr;
  blocks_ = 0;
  used_ = 0;
}

void* Arena::keep(std::size_t bytes, std::size_t alignment) {
  void* memory = allocate(bytes, alignment);
#ifdef FLASHSTOR_DEBUG
  --live_;
#endif
  return memory;
}

std::string_view Arena::copy(std::string_view text) {
  if (text.empty()) return {};
  auto* memory = static_cast<char*>(keep(text.size()));
  std::memcpy(memory, text.data(), text.size());
  return {memory, text.size()};
}

void* Arena::do_allocate(std::size_t bytes, std::size_t alignment) {
#ifdef FLASHSTOR_DEBUG
  ++live_;
#endif
  used_ += bytes;
  if (bytes + alignment > limits::kArenaBlockBytes - kBlockHeader) return allocate_large(bytes, alignment);
  const auto aligned = [&] {
    const auto address = reinterpret_cast<std::uintptr_t>(at_);
    return at_ + (((address + alignment - 1) & ~(alignment - 1)) - address);
  };
  std::byte* start = at_ == nullptr ? nullptr : aligned();
  if (start == nullptr || start > end_ || static_cast<std::size_t>(end_ - start) < bytes) {
    ArenaPool::Block* block = pool_->take();
    block->next = first_;
    first_ = block;
    if (last_ == nullptr) last_ = block;
    ++blocks_;
    at_ = reinterpret_cast<std::byte*>(block) + kBlockHeader;
    end_ = reinterpret_cast<std::byte*>(block) + limits::kArenaBlockBytes;
    poison(at_, static_cast<std::size_t>(end_ - at_));
    start = aligned();
  }
  at_ = start + bytes;
  unpoison(start, bytes);
  return start;
}

void* Arena::allocate_large(std::size_t bytes, std::size_t alignment) {
  FLASHSTOR_CHECK(alignment <= kBlockHeader);
  void* memory = ::operator new(kBlockHeader + bytes, kBlockAlignment);
  // NOLINTNEXTLINE(cppcoreguidelines-owning-memory): placement, owns nothing
  large_ = new (memory) Large{large_, bytes};
  return static_cast<std::byte*>(memory) + kBlockHeader;
}

void Arena::do_deallocate(void* memory, std::size_t bytes, std::size_t) {
#ifdef FLASHSTOR_DEBUG
  FLASHSTOR_CHECK(live_ > 0);
  --live_;
#endif
  auto* start = static_cast<std::byte*>(memory);
  if (start + bytes == at_) {  // the last one out: a growing container gives its room back
    at_ = start;
    used_ -= bytes;
  }
  poison(memory, bytes);
}

}  // namespace flashstor::base
