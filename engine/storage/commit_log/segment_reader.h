#pragma once

#include <optional>
#include <string_view>

#include "engine/storage/commit_log/segments.h"

namespace flashstor::storage {

/// Gives bytes of a segment at growing offsets, reading ahead in windows of 1 MiB. Threads: one.
class SegmentReader {
 public:
  /// `segment` outlives the reader.
  explicit SegmentReader(const Segment& segment) : segment_(segment) {}

  /// `size` bytes at `offset`, fewer at the end of the file. Valid until the next call. Errors: kIo.
  Result<std::span<const std::byte>> at(std::uint64_t offset, std::size_t size);
  /// The whole batch at `offset`, or nothing (and no header) when none stands there. Errors: kIo.
  Result<std::span<const std::byte>> batch_at(std::uint64_t offset, std::optional<BatchHeader>& header);

 private:
  const Segment& segment_;
  Buffer window_;
  std::uint64_t start_ = 0;
  std::size_t filled_ = 0;
};

/// Payloads of a log in the order in which they stand there: a start looks at thousands of entries, and a
/// read each would be most of its time. Threads: one.
class PayloadReader {
 public:
  explicit PayloadReader(Segments& segments) : segments_(segments) {}
  /// Valid until the next call. Errors: kCorrupt when the log ends before it, and as Segments::find; kIo.
  Result<std::string_view> at(const LogPosition& place);

 private:
  Segments& segments_;
  std::shared_ptr<const Segment> segment_;
  std::optional<SegmentReader> reader_;
};

}  // namespace flashstor::storage
