#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "engine/base/buffer.h"

namespace flashstor::files {

/// Bytes written to a file and not yet published, by offset. Newer bytes replace older ones.
class WriteBuffer {
 public:
  void write(std::uint64_t offset, BufferChain bytes);
  /// Forgets everything at and behind `size`.
  void truncate(std::uint64_t size);
  /// Forgets [offset, offset + length).
  void erase(std::uint64_t offset, std::uint64_t length);
  void clear();
  [[nodiscard]] bool empty() const { return pieces_.empty(); }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  /// The first byte held; 0 when empty.
  [[nodiscard]] std::uint64_t start() const { return pieces_.empty() ? 0 : pieces_.begin()->first; }
  /// One past the last byte held; 0 when empty.
  [[nodiscard]] std::uint64_t end() const;

  /// A run of bytes without a gap.
  struct Run {
    std::uint64_t offset = 0;
    BufferChain bytes;
  };
  /// The runs that lie in [offset, offset + length), cut to it, in order.
  [[nodiscard]] std::vector<Run> find(std::uint64_t offset, std::uint64_t length) const;
  /// Takes runs from the front, in all at most `most_bytes` (the last one may be cut), so that several small
  /// writes travel as one.
  [[nodiscard]] std::vector<Run> take(std::uint64_t most_bytes);
  /// The run that begins at the front, whole, without taking it; its length tells whether it is worth a stage
  /// of its own.
  [[nodiscard]] std::uint64_t first_run_bytes() const;

 private:
  std::map<std::uint64_t, BufferChain> pieces_;
  std::uint64_t bytes_ = 0;
};

}  // namespace flashstor::files
