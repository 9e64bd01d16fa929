#include "engine/base/buffer.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <type_traits>

#include "engine/base/block_pool.h"
#include "engine/base/check.h"

namespace flashstor::base {

struct Buffer::Block {
  PayloadBlock pooled;
};
static_assert(std::is_standard_layout_v<PayloadBlock>);  // so that a block's address is that of what it holds

Buffer Buffer::allocate(std::size_t size) {
  if (size == 0) return {};
  PayloadBlock* pooled = take_payload_block(size);
  return {reinterpret_cast<Block*>(pooled), pooled->memory, size};
}

Buffer Buffer::copy_of(std::string_view bytes) {
  if (bytes.empty()) return {};
  Buffer copy = allocate(bytes.size());
  std::ranges::copy(std::as_bytes(std::span(bytes)), copy.data_);
  return copy;
}

Buffer Buffer::copy_of(std::span<const std::byte> bytes) {
  return copy_of(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

Buffer::Buffer(const Buffer& other) noexcept : block_(other.block_), data_(other.data_), size_(other.size_) {
  if (block_ != nullptr) block_->pooled.references.fetch_add(1, std::memory_order_relaxed);
}

Buffer::~Buffer() {
  if (block_ == nullptr || block_->pooled.references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  give_payload_block(&block_->pooled);
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
  if (count_ == (outside_.empty() ? kInside : outside_.size() / sizeof(Buffer))) grow();
  if (outside_.empty()) {
    inside_[count_++] = std::move(slice);
  } else {
    std::construct_at(first() + count_++, std::move(slice));
  }
}

void BufferChain::append(BufferChain other) {
  for (Buffer& slice : std::span(other.first(), other.count_)) append(std::move(slice));
}

void BufferChain::clear() {
  if (outside_.empty()) {
    for (Buffer& slice : std::span(inside_).first(count_)) slice = Buffer();
  } else {
    std::destroy_n(first(), count_);
    outside_ = Buffer();
  }
  count_ = 0;
  size_ = 0;
}

void BufferChain::grow() {
  Buffer larger = Buffer::allocate(std::max<std::size_t>(count_ * 2, 16) * sizeof(Buffer));
  std::uninitialized_move_n(first(), count_, reinterpret_cast<Buffer*>(larger.writable()));
  if (!outside_.empty()) std::destroy_n(first(), count_);
  outside_ = std::move(larger);
}

void BufferChain::take(BufferChain& other) noexcept {
  for (std::size_t i = 0; i < kInside; ++i) inside_[i] = std::move(other.inside_[i]);
  outside_ = std::move(other.outside_);
  count_ = std::exchange(other.count_, 0);
  size_ = std::exchange(other.size_, 0);
}

BufferChain::BufferChain(const BufferChain& other) {
  for (const Buffer& slice : other.slices()) append(slice);
}

BufferChain::BufferChain(BufferChain&& other) noexcept { take(other); }

BufferChain& BufferChain::operator=(BufferChain other) noexcept {
  clear();
  take(other);
  return *this;
}

Buffer BufferChain::flatten() const {
  if (count_ == 0) return {};
  if (count_ == 1) return slices().front();
  Buffer whole = Buffer::allocate(size_);
  std::size_t at = 0;
  for (const Buffer& slice : slices()) {
    std::memcpy(whole.writable() + at, slice.data(), slice.size());
    at += slice.size();
  }
  return whole;
}

BufferChain BufferChain::sub(std::size_t offset, std::size_t size) const {
  FLASHSTOR_CHECK(offset <= size_ && size <= size_ - offset);
  BufferChain part;
  for (const Buffer& slice : slices()) {
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
