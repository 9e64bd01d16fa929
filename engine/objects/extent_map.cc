#include "engine/objects/extent_map.h"

#include <algorithm>

#include "engine/objects/keys.h"
#include "engine/objects/queries.h"

namespace flashstor::objects {
namespace {

// Where rows of Family::kExtents come from.
struct RowSource {
  cluster::SetApi* set = nullptr;
  cluster::RowView* rows = nullptr;
  Task<Result<std::optional<std::string>>> get(std::string key) const {
    return rows != nullptr ? rows->get(Family::kExtents, std::move(key))
                           : ask_extent_row(*set, std::move(key));
  }
};

// Walks slices that lie one behind the other.
Result<void> walk_slices(const std::vector<Slice>& slices, std::uint64_t size, std::uint64_t offset,
                         std::uint64_t end, const ExtentVisitor& visit) {
  std::uint64_t at = 0;
  for (const Slice& slice : slices) {
    const std::uint64_t from = std::max(at, offset);
    const std::uint64_t to = std::min(at + slice.length, end);
    if (from < to) {
      const Extent extent{.offset = from,
                          .length = to - from,
                          .data = slice.data,
                          .data_offset = slice.offset + (from - at),
                          .referrer = slice.referrer};
      if (!visit(extent)) return {};
    }
    at += slice.length;
    if (at >= end) return {};
  }
  if (at < size) return fail(ErrorCode::kCorrupt, "a version's slices are shorter than the version");
  return {};
}

Task<Result<void>> walk_segments(RowSource source, const VersionRow& row, std::uint64_t offset,
                                 std::uint64_t end, const ExtentVisitor& visit) {
  const std::uint64_t segment_bytes = row.segment_bytes;
  if (segment_bytes == 0) co_return fail(ErrorCode::kCorrupt, "a segmented version without segments' size");
  for (std::uint64_t segment = offset / segment_bytes; segment * segment_bytes < end; ++segment) {
    const std::uint64_t base = segment * segment_bytes;
    const std::uint64_t size = std::min(segment_bytes, row.header.size - base);
    const auto value = co_await or_return(source.get(segment_key(row.extent_root, segment)));
    std::vector<SegmentSlice> slices;
    if (value) slices = co_await or_return(decode_segment(*value));
    for (Extent& extent : flatten_segment(slices, base, size, row.publish_revision)) {
      const std::uint64_t from = std::max(extent.offset, offset);
      const std::uint64_t to = std::min(extent.offset + extent.length, end);
      if (from >= to) continue;
      extent.data_offset += extent.is_hole() ? 0 : from - extent.offset;
      extent.offset = from;
      extent.length = to - from;
      if (!visit(extent)) co_return {};
    }
  }
  co_return {};
}

Task<Result<void>> walk(RowSource source, const VersionRow& row, std::uint64_t offset, std::uint64_t length,
                        const ExtentVisitor& visit) {
  const std::uint64_t size = row.header.size;
  if (offset >= size || length == 0) co_return {};
  const std::uint64_t end = length > size - offset ? size : offset + length;
  switch (row.header.layout) {
    case Layout::kSlices:
      co_return walk_slices(row.slices, size, offset, end, visit);
    case Layout::kSlicesRow: {
      const auto value = co_await or_return(source.get(slices_key(row.extent_root)));
      if (!value) co_return fail(ErrorCode::kNotFound, "a version's slices are gone");
      const SlicesRow list = co_await or_return(decode_slices(*value));
      co_return walk_slices(list.slices, size, offset, end, visit);
    }
    case Layout::kSegmented:
      co_return co_await walk_segments(source, row, offset, end, visit);
    case Layout::kEmpty:
    case Layout::kEmbedded:
      break;
  }
  co_return fail(ErrorCode::kCorrupt, "a version of this layout has no extents");
}

}  // namespace

// Arguments are copied into the frame: callers may pass temporaries.
Task<Result<void>> for_each_extent(cluster::SetApi& set, const VersionRow& row, std::uint64_t offset,
                                   std::uint64_t length, ExtentVisitor visit) {
  co_return co_await walk(RowSource{.set = &set, .rows = nullptr}, row, offset, length, visit);
}

Task<Result<void>> for_each_extent(cluster::RowView& rows, const VersionRow& row, std::uint64_t offset,
                                   std::uint64_t length, ExtentVisitor visit) {
  co_return co_await walk(RowSource{.set = nullptr, .rows = &rows}, row, offset, length, visit);
}

std::vector<Extent> flatten_segment(const std::vector<SegmentSlice>& slices, std::uint64_t base,
                                    std::uint64_t size, std::uint64_t revision) {
  std::vector<std::uint64_t> cuts{0, size};
  for (const SegmentSlice& each : slices) {
    if (each.revision > revision) continue;
    cuts.push_back(std::min<std::uint64_t>(each.at, size));
    cuts.push_back(std::min<std::uint64_t>(each.at + each.slice.length, size));
  }
  std::ranges::sort(cuts);
  cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
  std::vector<Extent> out;
  const SegmentSlice* before = nullptr;
  for (std::size_t i = 0; i + 1 < cuts.size(); ++i) {
    const SegmentSlice* seen = nullptr;
    for (const SegmentSlice& each : slices)
      if (each.revision <= revision && each.at <= cuts[i] && each.at + each.slice.length >= cuts[i + 1])
        seen = &each;
    if (seen != nullptr && seen->slice.data.place == DataPlace::kNone) seen = nullptr;
    if (!out.empty() && seen == before) {
      out.back().length += cuts[i + 1] - cuts[i];
      continue;
    }
    Extent extent{.offset = base + cuts[i], .length = cuts[i + 1] - cuts[i]};
    if (seen != nullptr) {
      extent.data = seen->slice.data;
      extent.data_offset = seen->slice.offset + (cuts[i] - seen->at);
      extent.referrer = seen->slice.referrer;
    }
    out.push_back(extent);
    before = seen;
  }
  return out;
}

}  // namespace flashstor::objects
