#include "engine/storage/commit_log/segment_reader.h"

#include <algorithm>

namespace flashstor::storage {
namespace {

constexpr std::size_t kWindowBytes = limits::kMiB;

}  // namespace

Result<std::span<const std::byte>> SegmentReader::at(std::uint64_t offset, std::size_t size) {
  if (offset < start_ || offset + size > start_ + filled_) {
    if (size > window_.size()) window_ = Buffer::allocate(std::max(size, kWindowBytes));
    auto got = segment_.file->read(window_.writable_span(), offset);
    if (!got) return std::unexpected(got.error());
    start_ = offset;
    filled_ = *got;
  }
  const std::size_t skip = offset - start_;
  return window_.span().subspan(skip, std::min(size, filled_ - skip));
}

Result<std::span<const std::byte>> SegmentReader::batch_at(std::uint64_t offset,
                                                           std::optional<BatchHeader>& header) {
  auto front = at(offset, kBatchHeaderBytes);
  if (!front) return std::unexpected(front.error());
  header = peek_batch(*front, segment_.header.salt);
  if (!header || offset + kBatchHeaderBytes + header->body_bytes > segment_.header.bytes) {
    header.reset();
    return std::span<const std::byte>{};
  }
  auto whole = at(offset, kBatchHeaderBytes + header->body_bytes);
  if (!whole) return std::unexpected(whole.error());
  if (!batch_is_whole(*whole)) header.reset();
  return whole;
}

Result<std::string_view> PayloadReader::at(const LogPosition& place) {
  if (segment_ == nullptr || segment_->header.number != place.segment) {
    reader_.reset();
    auto segment = segments_.find(place.segment);
    if (!segment) return std::unexpected(segment.error());
    segment_ = std::move(*segment);
    reader_.emplace(*segment_);
  }
  auto bytes = reader_->at(place.offset, place.length);
  if (!bytes) return std::unexpected(bytes.error());
  if (bytes->size() != place.length) return fail(ErrorCode::kCorrupt, "the log is cut off");
  return std::string_view(reinterpret_cast<const char*>(bytes->data()), bytes->size());
}

}  // namespace flashstor::storage
