#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

namespace flashstor::base {

/// A counted block of payload bytes, or a slice of one. Copying a Buffer copies a reference, not bytes; the
/// block goes back to a pool (block_pool.h) when its last slice is gone. Blocks of 4096 bytes and more are
/// aligned to 4096, for O_DIRECT; smaller ones to 64, for ISA-L. Threads: slices of one block may be held,
/// read and dropped on several threads; writing needs the only reference.
class Buffer {
 public:
  Buffer() = default;
  /// An uninitialised block of `size` bytes.
  static Buffer allocate(std::size_t size);
  /// A block holding a copy of `bytes`.
  static Buffer copy_of(std::string_view bytes);
  static Buffer copy_of(std::span<const std::byte> bytes);

  Buffer(const Buffer& other) noexcept;
  Buffer(Buffer&& other) noexcept
      : block_(std::exchange(other.block_, nullptr)),
        data_(other.data_),
        size_(std::exchange(other.size_, 0)) {}
  Buffer& operator=(Buffer other) noexcept {
    std::swap(block_, other.block_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Buffer();

  [[nodiscard]] const std::byte* data() const { return data_; }
  [[nodiscard]] std::byte* writable() { return data_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::span<const std::byte> span() const { return {data_, size_}; }
  [[nodiscard]] std::span<std::byte> writable_span() { return {data_, size_}; }
  [[nodiscard]] std::string_view view() const { return {reinterpret_cast<const char*>(data_), size_}; }
  /// A reference to bytes [offset, offset + size) of this slice.
  [[nodiscard]] Buffer slice(std::size_t offset, std::size_t size) const;

 private:
  struct Block;
  Buffer(Block* block, std::byte* data, std::size_t size) : block_(block), data_(data), size_(size) {}
  Block* block_ = nullptr;
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Several slices in order, as they were read or received; what `writev` sends without copying. A few are
/// kept inside, more in a payload block, so that a chain of a warm path allocates nothing.
class BufferChain {
 public:
  BufferChain() = default;
  explicit BufferChain(Buffer only) { append(std::move(only)); }
  BufferChain(const BufferChain& other);
  BufferChain(BufferChain&& other) noexcept;
  BufferChain& operator=(BufferChain other) noexcept;
  ~BufferChain() { clear(); }
  void append(Buffer slice);
  void append(BufferChain other);
  void clear();
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::span<const Buffer> slices() const {
    return {outside_.empty() ? inside_.data() : reinterpret_cast<const Buffer*>(outside_.data()), count_};
  }
  /// All bytes as one slice: the only one there is, or a copy.
  [[nodiscard]] Buffer flatten() const;
  /// A chain of references to bytes [offset, offset + size).
  [[nodiscard]] BufferChain sub(std::size_t offset, std::size_t size) const;

 private:
  static constexpr std::size_t kInside = 4;
  [[nodiscard]] Buffer* first() {
    return outside_.empty() ? inside_.data() : reinterpret_cast<Buffer*>(outside_.writable());
  }
  void grow();
  void take(BufferChain& other) noexcept;

  std::size_t count_ = 0;
  std::size_t size_ = 0;
  std::array<Buffer, kInside> inside_;
  Buffer outside_;  // memory for all of them, once they are too many
};

}  // namespace flashstor::base

namespace flashstor {
using base::Buffer;
using base::BufferChain;
}  // namespace flashstor
