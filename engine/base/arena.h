#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <memory_resource>
#include <string_view>

#include "engine/base/limits.h"

namespace flashstor::base {

/// Arena blocks of one loop. Blocks that come back are kept for the next request up to `kept_blocks`.
/// Threads: one. Outlives its arenas.
class ArenaPool {
 public:
  /// `max_blocks` bounds what is lent at once: `exhausted` says when a new request is to be refused. A
  /// request under way still gets what it asks for, so that no allocation fails in the middle.
  ArenaPool(std::size_t max_blocks, std::size_t kept_blocks)
      : max_blocks_(max_blocks), kept_blocks_(kept_blocks) {}
  ArenaPool(const ArenaPool&) = delete;
  ArenaPool& operator=(const ArenaPool&) = delete;
  ~ArenaPool();

  [[nodiscard]] bool exhausted() const { return lent_ >= max_blocks_; }
  [[nodiscard]] std::size_t lent_blocks() const { return lent_; }
  [[nodiscard]] std::size_t free_blocks() const { return free_count_; }

 private:
  friend class Arena;
  struct Block {
    Block* next = nullptr;
  };
  Block* take();
  void give(Block* first, Block* last, std::size_t count);

  std::size_t max_blocks_;
  std::size_t kept_blocks_;
  std::size_t lent_ = 0;
  std::size_t free_count_ = 0;
  Block* free_ = nullptr;
};

/// Memory that is dropped at once: each allocation moves a pointer, `reset` gives every block back. For what
/// a request allocates for itself; never for payload, never for what outlives the request. A debug build
/// counts what containers allocated and did not give back, and `reset` stops the process when one is still
/// alive: it would go on in memory of the next request. Under AddressSanitizer memory is poisoned until
/// allocated and again after `reset`.
class Arena final : public std::pmr::memory_resource {
 public:
  explicit Arena(ArenaPool& pool) : pool_(&pool) {}
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena() override { reset(); }

  /// Every allocation is gone after this; blocks are back in the pool. O(1) but for allocations above a
  /// block's size.
  void reset();
  /// Memory that nobody gives back: it goes with the next reset. For plain bytes and trivial objects; what
  /// has a destructor belongs in a container over this resource.
  [[nodiscard]] void* keep(std::size_t bytes, std::size_t alignment = 1);
  /// A copy of `text` in the arena, kept.
  [[nodiscard]] std::string_view copy(std::string_view text);
  /// Bytes handed out since the last reset.
  [[nodiscard]] std::size_t used_bytes() const { return used_; }
  [[nodiscard]] std::size_t blocks() const { return blocks_; }
#ifdef FLASHSTOR_DEBUG
  /// Allocations since the last reset that were not deallocated, what was kept aside.
  [[nodiscard]] std::size_t live_allocations() const { return live_; }
#endif

 private:
  struct Large {
    Large* next;
    std::size_t bytes;
  };
  void* do_allocate(std::size_t bytes, std::size_t alignment) override;
  void do_deallocate(void* memory, std::size_t bytes, std::size_t alignment) override;
  [[nodiscard]] bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override {
    return this == &other;
  }
  void* allocate_large(std::size_t bytes, std::size_t alignment);

  ArenaPool* pool_;
  ArenaPool::Block* first_ = nullptr;  // newest
  ArenaPool::Block* last_ = nullptr;   // oldest
  std::size_t blocks_ = 0;
  std::byte* at_ = nullptr;
  std::byte* end_ = nullptr;
  std::size_t used_ = 0;
  Large* large_ = nullptr;
#ifdef FLASHSTOR_DEBUG
  std::size_t live_ = 0;
#endif
};

}  // namespace flashstor::base

namespace flashstor {
using base::Arena;
using base::ArenaPool;
}  // namespace flashstor
