#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "engine/async/task.h"
#include "engine/base/buffer.h"

namespace flashstor::s3d {

/// Payload bytes in order, pulled by their reader: that is the back pressure. Filters (aws-chunked, hash
/// checks) are BodySources over another BodySource. Order:   what was read is only to be trusted once `read`
/// has returned 0: checks that cover the whole payload fail there. Threads: used on the loop of its
/// connection, one read at a time, and not after the request was answered.
class BodySource {
 public:
  BodySource() = default;
  BodySource(const BodySource&) = delete;
  BodySource& operator=(const BodySource&) = delete;
  virtual ~BodySource() = default;

  /// Waits for at least one byte and fills the front of `into` (not empty); 0 at the end, again on every
  /// later call. The first read answers `Expect: 100-continue`. Errors: kIncompleteBody when the peer ended
  /// early, kTimeout when it was slower than the minimum rate, kMalformed for broken chunked framing, kIo,
  /// kCancelled at a stop; filters add kSignatureMismatch and kBadDigest.
  virtual Task<Result<std::size_t>> read(std::span<std::byte> into) = 0;
  /// Bytes of the whole payload, where the request says so beforehand (after aws-chunked decoding for such a
  /// filter).
  [[nodiscard]] virtual std::optional<std::uint64_t> length() const = 0;
};

/// A block of exactly `size` bytes, or of what was left; empty at the end. Errors: as BodySource::read.
Task<Result<Buffer>> read_block(BodySource& source, std::size_t size);

/// The whole payload as one slice. Errors: kEntityTooLarge above `max_bytes`, and as BodySource::read.
Task<Result<Buffer>> read_all(BodySource& source, std::size_t max_bytes);

/// A body of no bytes.
class EmptyBody final : public BodySource {
 public:
  Task<Result<std::size_t>> read(std::span<std::byte>) override { co_return std::size_t{0}; }
  [[nodiscard]] std::optional<std::uint64_t> length() const override { return 0; }
};

/// A body that is in memory already; for tests and for forms.
class MemoryBody final : public BodySource {
 public:
  /// `piece_bytes` bounds what one read gives, so that tests meet every split.
  explicit MemoryBody(Buffer bytes, std::size_t piece_bytes = SIZE_MAX)
      : bytes_(std::move(bytes)), piece_bytes_(piece_bytes) {}
  Task<Result<std::size_t>> read(std::span<std::byte> into) override;
  [[nodiscard]] std::optional<std::uint64_t> length() const override { return bytes_.size(); }

 private:
  Buffer bytes_;
  std::size_t piece_bytes_;
  std::size_t at_ = 0;
};

}  // namespace flashstor::s3d
