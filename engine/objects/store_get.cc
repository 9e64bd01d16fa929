#include "engine/objects/keys.h"
#include "engine/objects/object_reader.h"
#include "engine/objects/store_parts.h"

namespace flashstor::objects {
namespace {

struct Span {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

std::unexpected<Error> bad_range() {
  return fail(ErrorCode::kInvalidRange, "The requested range is not satisfiable");
}

// RFC 9110, 14.1.2.
Result<Span> resolve_range(const ByteRange& range, std::uint64_t size) {
  if (!range.first) {
    const std::uint64_t wanted = range.last.value_or(0);
    if (wanted == 0 || size == 0) return bad_range();
    const std::uint64_t length = std::min(wanted, size);
    return Span{.offset = size - length, .length = length};
  }
  if (*range.first >= size || (range.last && *range.last < *range.first)) return bad_range();
  const std::uint64_t last = std::min(range.last.value_or(size - 1), size - 1);
  return Span{.offset = *range.first, .length = last - *range.first + 1};
}

Result<Span> resolve_part(const VersionRow& row, std::uint32_t number) {
  const auto bad = [] {
    return fail(ErrorCode::kInvalidPart, "The requested partnumber is not satisfiable");
  };
  if (row.parts.empty()) {
    if (number != 1) return bad();
    return Span{.offset = 0, .length = row.header.size};
  }
  std::uint64_t offset = 0;
  for (const PartInfo& part : row.parts) {
    if (part.number == number) return Span{.offset = offset, .length = part.size};
    offset += part.size;
  }
  return bad();
}

struct Located {
  BucketRef bucket;
  VersionRef version;
  GetResult result;
};

// Whether a version is worth to be kept decoded: small, and all of it in its row.
bool is_light(const VersionRow& row) {
  const bool here = row.header.layout == Layout::kSlices || row.header.layout == Layout::kEmpty;
  return here && row.slices.size() <= 8 && row.parts.size() <= 8;
}

// The version asked for, out of the cache when it is the newest and still the one that was read.
Task<Result<VersionRef>> find(StoreParts parts, BucketRef bucket, const GetRequest& request,
                              bool with_slices) {
  VersionCache& versions = parts.versions();
  cluster::SetApi& set = parts.cluster().set_for(bucket->id, request.key);
  std::optional<cluster::RowsMark> mark;
  if (request.version_id.empty()) mark = versions.mark(set, bucket->id, request.key);
  if (mark)
    if (VersionRef known = versions.find(bucket, request.key, *mark)) {
      co_await or_return(check_read_conditions(request.conditions, known->row.header));
      co_return known;
    }
  std::string key(request.key);
  auto found = co_await or_return(parts.read_row(*bucket, key, std::string(request.version_id)));
  if (found.row.header.kind == RowKind::kDeleteMarker)
    co_return fail(ErrorCode::kIsDeleteMarker, found.row.shown_id());
  const bool keep = mark && is_light(found.row) && versions.mark(set, bucket->id, key) == mark;
  co_await or_return(check_read_conditions(request.conditions, found.row.header));
  if (with_slices || request.part_number) co_await or_return(parts.inflate(*bucket, key, found.row));
  VersionRef read = make_known(*bucket, std::move(key), std::move(found.row), found.is_latest);
  if (keep) versions.put(bucket, *mark, read);
  co_return read;
}

// Everything that GET and HEAD have in common: the version, its conditions, the bytes asked for.
Task<Result<Located>> locate(StoreParts parts, const GetRequest& request, bool with_slices) {
  Located out;
  out.bucket = parts.buckets().peek(request.bucket);
  if (!out.bucket) out.bucket = co_await or_return(parts.buckets().get(std::string(request.bucket)));
  out.version = co_await or_return(find(parts, out.bucket, request, with_slices));
  const VersionRow& row = out.version->row;
  Span span{.offset = 0, .length = row.header.size};
  if (request.range) {
    span = co_await or_return(resolve_range(*request.range, row.header.size));
    out.result.is_partial = true;
  } else if (request.part_number) {
    span = co_await or_return(resolve_part(row, *request.part_number));
    out.result.is_partial = true;
  }
  out.result.offset = span.offset;
  out.result.length = span.length;
  out.result.info = std::shared_ptr<const ObjectInfo>(out.version, &out.version->info);
  co_return out;
}

}  // namespace

Task<Result<std::unique_ptr<ObjectReader>>> ObjectStore::open_reader(BucketRef bucket, std::string key,
                                                                     VersionRow row, std::uint64_t offset,
                                                                     std::uint64_t length) {
  Extents extents;
  if (length != 0 && offset < row.header.size)
    co_await or_return(for_each_extent(cluster_.set_for(bucket->id, key), row, offset, length,
                                       [&extents](const Extent& extent) {
                                         extents.push_back(extent);
                                         return true;
                                       }));
  co_return make_reader(cluster_, gate_, reads_, std::move(extents), options_.read_window_bytes);
}

Task<Result<GetResult>> ObjectStore::get_object(GetRequest request) {
  Located found = co_await or_return(locate(StoreParts{*this}, request, true));
  GetResult out = std::move(found.result);
  Extents extents;
  if (out.length != 0)
    co_await or_return(for_each_extent(cluster_.set_for(found.bucket->id, request.key), found.version->row,
                                       out.offset, out.length, [&extents](const Extent& extent) {
                                         extents.push_back(extent);
                                         return true;
                                       }));
  out.reader = make_reader(cluster_, gate_, reads_, std::move(extents), options_.read_window_bytes);
  co_return out;
}

Task<Result<GetResult>> ObjectStore::head_object(GetRequest request) {
  Located found = co_await or_return(locate(StoreParts{*this}, request, false));
  co_return std::move(found.result);
}

Task<Result<VersionRow>> ObjectStore::read_version(BucketRef bucket, std::string key,
                                                   std::string version_id) {
  auto found = co_await or_return(StoreParts{*this}.read_row(*bucket, key, version_id));
  co_return std::move(found.row);
}

Task<Result<AttributesResult>> ObjectStore::get_attributes(AttributesRequest request) {
  const GetRequest get{.bucket = request.bucket, .key = request.key, .version_id = request.version_id};
  const Located found = co_await or_return(locate(StoreParts{*this}, get, request.with_parts));
  AttributesResult out;
  const std::size_t max = std::min<std::size_t>(request.max_parts, limits::kMaxListKeys);
  if (request.with_parts) {
    for (const PartInfo& part : found.version->row.parts) {
      if (part.number <= request.part_marker) continue;
      if (out.parts.size() == max) {
        out.is_truncated = true;
        break;
      }
      out.parts.push_back(part);
    }
    if (!out.parts.empty()) out.next_part_marker = out.parts.back().number;
  }
  out.info = found.version->info;
  co_return out;
}

}  // namespace flashstor::objects
