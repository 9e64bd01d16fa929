#pragma once

#include <cstdint>
#include <optional>

#include "engine/async/task.h"
#include "engine/base/buffer.h"

namespace flashstor::objects {

/// Object bytes in order, pulled by the engine: that is the back pressure. Checks that cover the whole
/// payload (signature, trailer) must fail the call that would have given the end: nothing is committed before
/// it.
class BodySource {
 public:
  BodySource() = default;
  BodySource(const BodySource&) = delete;
  BodySource& operator=(const BodySource&) = delete;
  virtual ~BodySource() = default;
  /// The next bytes (not empty), or nothing at the end. Errors end the write; nothing is kept of it.
  virtual Task<Result<std::optional<Buffer>>> next() = 0;
  /// All bytes that will come, where that is known beforehand. A body that ends elsewhere is kIncompleteBody.
  [[nodiscard]] virtual std::optional<std::uint64_t> length() const = 0;
};

/// A body that is in memory already.
class BufferSource final : public BodySource {
 public:
  /// `piece_bytes` bounds what one call gives, so that tests meet every split.
  explicit BufferSource(Buffer bytes, std::size_t piece_bytes = SIZE_MAX)
      : bytes_(std::move(bytes)), piece_bytes_(piece_bytes) {}
  Task<Result<std::optional<Buffer>>> next() override;
  [[nodiscard]] std::optional<std::uint64_t> length() const override { return bytes_.size(); }

 private:
  Buffer bytes_;
  std::size_t piece_bytes_;
  std::size_t at_ = 0;
};

}  // namespace flashstor::objects
