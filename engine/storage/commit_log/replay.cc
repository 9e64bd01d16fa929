#include "engine/storage/commit_log/replay.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/storage/commit_log/segment_reader.h"

namespace flashstor::storage {
namespace {

/// Where the second batch after a clean stop begins: the first is a vote or a few entries.
constexpr std::uint64_t kBehindCleanEnd = 256 * limits::kKiB;

std::string_view body_of(std::span<const std::byte> batch) {
  return {reinterpret_cast<const char*>(batch.data()) + kBatchHeaderBytes, batch.size() - kBatchHeaderBytes};
}

/// Moves `at` to the next whole batch, whatever lies in between. Only as a planted defect.
bool skip_damage(SegmentReader& reader, const Segment& segment, BatchPosition& at) {
  for (std::uint32_t offset = at.offset; offset < segment.header.bytes; offset += limits::kLogBlockBytes) {
    std::optional<BatchHeader> header;
    const auto batch = reader.batch_at(offset, header);
    if (!batch || !header || header->sequence <= at.sequence) continue;
    at = {at.segment, offset, header->sequence, header->previous};
    return true;
  }
  return false;
}

/// Whether it was written at `at`, behind what lies before it now.
bool goes_on(const BatchHeader& header, const BatchPosition& at) {
  return header.sequence == at.sequence &&
         (header.previous == at.previous || header.previous == 0 || at.previous == 0);
}

/// Visits whole batches from `at` on and moves `at` behind the last.
Result<std::uint64_t> read_batches(const Segment& segment, BatchPosition& at, const BatchVisitor& visit,
                                   bool past_torn = false) {
  SegmentReader reader(segment);
  std::uint64_t count = 0;
  while (at.offset + kBatchHeaderBytes <= segment.header.bytes) {
    std::optional<BatchHeader> header;
    auto batch = reader.batch_at(at.offset, header);
    if (!batch) return std::unexpected(batch.error());
    if (!header || !goes_on(*header, at)) {
      if (past_torn && skip_damage(reader, segment, at)) continue;
      break;
    }
    if (auto visited = visit(at, body_of(*batch)); !visited) return std::unexpected(visited.error());
    at.offset += static_cast<std::uint32_t>(round_to_block(batch->size()));
    ++at.sequence;
    at.previous = batch_mark(*batch);
    ++count;
  }
  return count;
}

/// Looks at `bytes` behind the last whole batch for one that proves that something in between was lost.
Result<bool> check_tail(const Segment& segment, const BatchPosition& end, std::uint64_t bytes) {
  SegmentReader reader(segment);
  bool torn = false;
  const std::uint64_t until = std::min<std::uint64_t>(segment.header.bytes, end.offset + bytes);
  for (std::uint64_t offset = end.offset; offset < until; offset += limits::kLogBlockBytes) {
    auto block = reader.at(offset, limits::kLogBlockBytes);
    if (!block) return std::unexpected(block.error());
    if (!peek_batch(*block, segment.header.salt)) continue;
    if (offset == end.offset) torn = true;
    std::optional<BatchHeader> header;
    auto batch = reader.batch_at(offset, header);
    if (!batch) return std::unexpected(batch.error());
    if (header && header->sequence > end.sequence && header->synced_through >= end.sequence)
      return fail(
          ErrorCode::kCorrupt,
          fmt::format("log segment {}: batch {} at offset {} is lost, but batch {} at offset {} shows "
                      "that it had been synced; the drive must be rebuilt from its set",
                      segment.header.number, end.sequence, end.offset, header->sequence, offset));
  }
  return torn;
}

}  // namespace

Result<ReplayResult> replay_log(Segments& segments, std::optional<BatchPosition> start,
                                const BatchVisitor& visit, bool past_torn) {
  ReplayResult result;
  if (start) result.next_sequence = start->sequence;
  std::vector<std::uint32_t> numbers = segments.numbers();
  if (start) std::erase_if(numbers, [&](std::uint32_t number) { return number < start->segment; });
  BatchPosition at;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (i > 0 && numbers[i] != numbers[i - 1] + 1)
      return fail(ErrorCode::kCorrupt, fmt::format("log segment {} is missing", numbers[i - 1] + 1));
    auto segment = segments.find(numbers[i]);
    if (!segment) return std::unexpected(segment.error());
    const SegmentHeader& header = (*segment)->header;
    if (i == 0) {
      at = start ? *start : BatchPosition{numbers[i], limits::kLogBlockBytes, header.first_sequence, 0};
      if (at.segment != numbers[i])
        return fail(ErrorCode::kCorrupt, fmt::format("log segment {} is missing", at.segment));
    } else if (header.first_sequence != at.sequence) {
      return fail(ErrorCode::kCorrupt,
                  fmt::format("log segment {}: batches {} to {} are lost; the drive must be rebuilt from its "
                              "set",
                              at.segment, at.sequence, header.first_sequence - 1));
    } else {
      at = {numbers[i], limits::kLogBlockBytes, header.first_sequence, at.previous};
    }
    const std::uint32_t begin = at.offset;
    auto count = read_batches(**segment, at, visit, past_torn);
    if (!count) return std::unexpected(count.error());
    result.batches += *count;
    result.bytes += at.offset - begin;
  }
  if (numbers.empty()) return result;
  result.next_sequence = at.sequence;
  result.end = at;
  return result;
}

Result<void> check_log_tail(Segments& segments, ReplayResult& result, bool clean) {
  if (!result.end) return {};
  auto segment = segments.find(result.end->segment);
  if (!segment) return std::unexpected(segment.error());
  auto torn = check_tail(**segment, *result.end, clean ? kBehindCleanEnd : (*segment)->header.bytes);
  if (!torn) return std::unexpected(torn.error());
  result.torn_tail = *torn;
  return {};
}

Result<void> scan_segment(const Segment& segment, const BatchVisitor& visit) {
  BatchPosition at{segment.header.number, limits::kLogBlockBytes, segment.header.first_sequence, 0};
  auto count = read_batches(segment, at, visit);
  if (!count) return std::unexpected(count.error());
  return {};
}

Result<void> feed_index(LogIndex& index, const BatchPosition& at, std::string_view body) {
  RecordReader reader(body);
  while (!reader.at_end()) {
    auto record = reader.next();
    if (!record) return std::unexpected(record.error());
    const LogPosition place{
        at.segment, static_cast<std::uint32_t>(at.offset + kBatchHeaderBytes + record->payload_offset),
        static_cast<std::uint32_t>(record->payload.size())};
    switch (record->kind) {
      case RecordKind::kEntry:
        index.on_entry(record->index, {record->term, record->entry_kind, place, at, {}});
        break;
      case RecordKind::kData:
        record->data.at = place;
        index.on_data(std::move(record->data));
        break;
      case RecordKind::kRelocation:
        // The row of the index says where a shard is; until it names this copy the old one is kept.
        break;
      case RecordKind::kHardState:
        index.on_hard_state(record->hard_state);
        break;
      case RecordKind::kTruncate:
        index.on_truncate(record->index);
        break;
      case RecordKind::kRefusal:
        index.on_refusal(record->id);
        break;
      case RecordKind::kCleanClose:
        index.on_clean_close();
        break;
      case RecordKind::kConfiguration:
        index.on_configuration(std::string(record->payload));
        break;
    }
  }
  return {};
}

}  // namespace flashstor::storage
