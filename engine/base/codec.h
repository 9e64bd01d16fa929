#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "engine/base/error.h"

namespace flashstor::base {

/// Appends fixed-width little-endian numbers, varints and length-prefixed bytes to a string. The first
/// kInside bytes, which is most rows whole, lie in the writer itself: what is made of them takes memory once.
class ByteWriter {
 public:
  ByteWriter() {}  // NOLINT: not defaulted, which `ByteWriter()` would take for zeroing all of it
  explicit ByteWriter(std::string start) : outside_(true), out_(std::move(start)) {}
  ByteWriter& u8(std::uint8_t value) { return raw(&value, 1); }
  ByteWriter& u16(std::uint16_t value) { return raw(&value, 2); }
  ByteWriter& u32(std::uint32_t value) { return raw(&value, 4); }
  ByteWriter& u64(std::uint64_t value) { return raw(&value, 8); }
  ByteWriter& boolean(bool value) { return u8(value ? 1 : 0); }
  ByteWriter& varint(std::uint64_t value) {
    std::array<char, 10> digits;  // NOLINT: each is written before it is read
    std::size_t count = 0;
    for (; value >= 0x80; value >>= 7) digits[count++] = static_cast<char>(value | 0x80);
    digits[count++] = static_cast<char>(value);
    return raw(digits.data(), count);
  }
  /// Zigzag varint.
  ByteWriter& svarint(std::int64_t value) {
    return varint((static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63));
  }
  /// Varint length, then the bytes.
  ByteWriter& bytes(std::string_view value) {
    varint(value.size());
    return append(value);
  }
  /// The bytes alone.
  ByteWriter& append(std::string_view value) { return raw(value.data(), value.size()); }
  [[nodiscard]] std::string_view view() const {
    return outside_ ? std::string_view(out_) : std::string_view(inside_.data(), used_);
  }
  /// All of it; after this the writer is only to be destroyed.
  [[nodiscard]] std::string take() { return outside_ ? std::move(out_) : std::string(inside_.data(), used_); }

 private:
  static constexpr std::size_t kInside = 448;
  ByteWriter& raw(const void* value, std::size_t size) {
    if (outside_) {
      out_.append(static_cast<const char*>(value), size);
    } else if (size <= kInside - used_) {
      if (size > 0) std::memcpy(inside_.data() + used_, value, size);
      used_ += size;
    } else {
      move_outside(value, size);
    }
    return *this;
  }
  void move_outside(const void* value, std::size_t size) {
    outside_ = true;
    out_.reserve(2 * (used_ + size));
    out_.append(inside_.data(), used_).append(static_cast<const char*>(value), size);
  }
  bool outside_ = false;
  std::size_t used_ = 0;
  std::array<char, kInside> inside_;  // NOLINT: only what was written is read
  std::string out_;
};

/// Reads what ByteWriter wrote. After the first read past the end every read gives zero or empty and `ok()`
/// is false: read everything, then look once. Views point into the bytes given.
class ByteReader {
 public:
  explicit ByteReader(std::string_view in) : in_(in) {}
  std::uint8_t u8() { return fixed<std::uint8_t>(); }
  std::uint16_t u16() { return fixed<std::uint16_t>(); }
  std::uint32_t u32() { return fixed<std::uint32_t>(); }
  std::uint64_t u64() { return fixed<std::uint64_t>(); }
  bool boolean() { return u8() != 0; }
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const std::uint8_t part = u8();
      if (!ok_) return 0;
      value |= static_cast<std::uint64_t>(part & 0x7f) << shift;
      if ((part & 0x80) == 0) return value;
    }
    ok_ = false;
    return 0;
  }
  std::int64_t svarint() {
    const std::uint64_t value = varint();
    return static_cast<std::int64_t>(value >> 1) ^ -static_cast<std::int64_t>(value & 1);
  }
  std::string_view bytes() { return raw(varint()); }
  /// Exactly `size` bytes, without a length in front.
  std::string_view raw(std::uint64_t size) {
    if (!ok_ || size > in_.size()) {
      ok_ = false;
      return {};
    }
    const std::string_view value = in_.substr(0, size);
    in_.remove_prefix(size);
    return value;
  }
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool at_end() const { return in_.empty(); }
  [[nodiscard]] std::string_view rest() const { return in_; }
  void mark_bad() { ok_ = false; }

 private:
  template <class T>
  T fixed() {
    T value{};
    const std::string_view part = raw(sizeof(T));
    if (part.size() == sizeof(T)) std::memcpy(&value, part.data(), sizeof(T));
    return value;
  }
  std::string_view in_;
  bool ok_ = true;
};

/// Appends `value` big-endian, so that keys sort by number.
inline void append_big_endian(std::string& out, std::uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
}
/// The number at the front of `in`, which must hold 8 bytes.
inline std::uint64_t read_big_endian(std::string_view in) {
  std::uint64_t value = 0;
  for (int i = 0; i < 8; ++i)
    value = (value << 8) | static_cast<std::uint8_t>(in[static_cast<std::size_t>(i)]);
  return value;
}

}  // namespace flashstor::base

namespace flashstor {
using base::ByteReader;
using base::ByteWriter;
}  // namespace flashstor
