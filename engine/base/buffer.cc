#include "engine/base/buffer.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstring>
#include <memory>
#include <new>

#include "engine/base/check.h"

namespace flashstor::base {
namespace {

constexpr std::size_t kAlignment = 4096;
constexpr std::size_t kSmallest = 4096;
constexpr std::size_t kClasses = 10;  // 4 KiB … 2 MiB
constexpr std::size_t kCachedBytesPerClass = std::size_t{4} << 20;

std::size_t class_of(std::size_t size) {
  if (size <= kSmallest) return 0;
  return static_cast<std::size_t>(std::bit_width((size - 1) / kSmallest));
}

// Freed payload memory kept by each thread, so that a steady load makes no call to the system allocator.
class BlockCache {
 public:
  BlockCache() = default;
  BlockCache(const BlockCache&) = delete;
  BlockCache& operator=(const BlockCache&) = delete;
  ~BlockCache() {
    for (auto& list : free_)
      for (void* memory : list) ::operator delete(memory, std::align_val_t{kAlignment});
  }
  void* take(std::size_t index) {
    auto& list = free_[index];
    if (list.empty()) return nullptr;
    void* memory = list.back();
    list.pop_back();
    return memory;
  }
  bool give(std::size_t index, void* memory) {
    auto& list = free_[index];
    if ((list.size() + 1) * (kSmallest << index) > kCachedBytesPerClass) return false;
    list.push_back(memory);
    return true;
  }

 private:
  std::array<std::vector<void*>, kClasses> free_;
};

BlockCache& block_cache() {
  thread_local BlockCache cache;
  return cache;
}

}  // namespace

// The header is a small allocation of its own, so that the payload keeps its alignment without losing a page.
struct Buffer::Block {
  std::atomic<std::uint32_t> references{1};
  std::size_t size_class = 0;
  std::byte* memory = nullptr;
};

Buffer Buffer::allocate(std::size_t size) {
  if (size == 0) return {};
  const std::size_t index = class_of(size);
  void* memory = index < kClasses ? block_cache().take(index) : nullptr;
  if (memory == nullptr) {
    const std::size_t bytes =
        index < kClasses ? kSmallest << index : (size + kAlignment - 1) & ~(kAlignment - 1);
    memory = ::operator new(bytes, std::align_val_t{kAlignment});
  }
  auto block = std::make_unique<Block>();
  block->size_class = index;
  block->memory = static_cast<std::byte*>(memory);
  std::byte* data = block->memory;
  return {block.release(), data, size};
}

Buffer Buffer::copy_of(std::string_view bytes) {
  Buffer copy = allocate(bytes.size());
  if (!bytes.empty()) std::memcpy(copy.data_, bytes.data(), bytes.size());
  return copy;
}

Buffer Buffer::copy_of(std::span<const std::byte> bytes) {
  return copy_of(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

Buffer::Buffer(const Buffer& other) noexcept : block_(other.block_), data_(other.data_), size_(other.size_) {
  if (block_ != nullptr) block_->references.fetch_add(1, std::memory_order_relaxed);
}

Buffer::~Buffer() {
  if (block_ == nullptr || block_->references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  const std::unique_ptr<Block> last(block_);
  if (last->size_class < kClasses && block_cache().give(last->size_class, last->memory)) return;
  ::operator delete(last->memory, std::align_val_t{kAlignment});
}

Buffer Buffer::slice(std::size_t offset, std::size_t size) const {
  FLASHSTOR_CHECK(offset <= size_ && size <= size_ - offset);
  Buffer part(*this);
  part.data_ += offset;
  part.size_ = size;
  return part;
}

void BufferChain::append(Buffer slice) {
  if (slice.empty()) return;
  size_ += slice.size();
  slices_.push_back(std::move(slice));
}

void BufferChain::append(BufferChain other) {
  for (Buffer& slice : other.slices_) append(std::move(slice));
}

void BufferChain::clear() {
  slices_.clear();
  size_ = 0;
}

Buffer BufferChain::flatten() const {
  if (slices_.empty()) return {};
  if (slices_.size() == 1) return slices_.front();
  Buffer whole = Buffer::allocate(size_);
  std::size_t at = 0;
  for (const Buffer& slice : slices_) {
    std::memcpy(whole.writable() + at, slice.data(), slice.size());
    at += slice.size();
  }
  return whole;
}

BufferChain BufferChain::sub(std::size_t offset, std::size_t size) const {
  FLASHSTOR_CHECK(offset <= size_ && size <= size_ - offset);
  BufferChain part;
  for (const Buffer& slice : slices_) {
    if (size == 0) break;
    if (offset >= slice.size()) {
      offset -= slice.size();
      continue;
    }
    const std::size_t take = std::min(size, slice.size() - offset);
    part.append(slice.slice(offset, take));
    offset = 0;
    size -= take;
  }
  return part;
}

}  // namespace flashstor::base
