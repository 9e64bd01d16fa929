#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "engine/base/error.h"

namespace flashstor::base {

/// Appends fixed-width little-endian numbers, varints and length-prefixed bytes to a string.
class ByteWriter {
 public:
  ByteWriter() = default;
  explicit ByteWriter(std::string start) : out_(std::move(start)) {}
  ByteWriter& u8(std::uint8_t value) { return raw(&value, 1); }
  ByteWriter& u16(std::uint16_t value) { return raw(&value, 2); }
  ByteWriter& u32(std::uint32_t value) { return raw(&value, 4); }
  ByteWriter& u64(std::uint64_t value) { return raw(&value, 8); }
  ByteWriter& boolean(bool value) { return u8(value ? 1 : 0); }
  ByteWriter& varint(std::uint64_t value) {
    while (value >= 0x80) {
      out_.push_back(static_cast<char>(value | 0x80));
      value >>= 7;
    }
    out_.push_back(static_cast<char>(value));
    return *this;
  }
  /// Zigzag varint.
  ByteWriter& svarint(std::int64_t value) {
    return varint((static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63));
  }
  /// Varint length, then the bytes.
  ByteWriter& bytes(std::string_view value) {
    varint(value.size());
    out_.append(value);
    return *this;
  }
  /// The bytes alone.
  ByteWriter& append(std::string_view value) {
    out_.append(value);
    return *this;
  }
  [[nodiscard]] std::string_view view() const { return out_; }
  [[nodiscard]] std::string take() { return std::move(out_); }

 private:
  ByteWriter& raw(const void* value, std::size_t size) {
    out_.append(static_cast<const char*>(value), size);
    return *this;
  }
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
