#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "engine/async/task.h"
#include "engine/cluster/set_api.h"
#include "engine/objects/version_row.h"

/// One reader of where a version's bytes lie, whatever its layout; used by GET, copy and files.
namespace flashstor::objects {

/// Bytes of the object that lie together: `length` bytes from `data_offset` of `data`, or zeros where
/// `data.place` is kNone.
struct Extent {
  std::uint64_t offset = 0;  ///< In the object.
  std::uint64_t length = 0;
  DataRef data;
  std::uint64_t data_offset = 0;
  Uuid referrer;
  [[nodiscard]] bool is_hole() const { return data.place == DataPlace::kNone; }
};

/// False ends the walk.
using ExtentVisitor = std::function<bool(const Extent&)>;

/// Calls `visit` for the extents that cover [offset, offset + length) cut to the object's size, in order,
/// without gaps or overlaps. Reads rows only for kSlicesRow and kSegmented, from `set`, the set of the
/// object's rows. Not for kEmbedded. Errors: kCorrupt, kMalformed, and those of queries.
Task<Result<void>> for_each_extent(cluster::SetApi& set, const VersionRow& row, std::uint64_t offset,
                                   std::uint64_t length, ExtentVisitor visit);
/// The same inside a planner or query.
Task<Result<void>> for_each_extent(cluster::RowView& rows, const VersionRow& row, std::uint64_t offset,
                                   std::uint64_t length, ExtentVisitor visit);

/// Lays slices over each other, newest last, and gives what is seen of [0, size) as extents; holes between.
[[nodiscard]] std::vector<Extent> flatten_segment(const std::vector<SegmentSlice>& slices, std::uint64_t base,
                                                  std::uint64_t size, std::uint64_t revision);

}  // namespace flashstor::objects
