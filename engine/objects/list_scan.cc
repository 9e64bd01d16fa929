#include <algorithm>

#include "engine/objects/keys.h"
#include "engine/objects/queries.h"

namespace flashstor::objects {
namespace {

using cluster::ScanStep;

constexpr std::size_t kBucketBytes = 16;
constexpr std::size_t kRowsBeforeSeek = 8;  // rows of one key passed one by one before a seek pays

// A row key taken apart without a copy where the key holds no NUL.
struct RowKey {
  std::string_view key;
  std::string_view suffix;
  char end = 0;
  bool ok = false;
};

RowKey split(std::string_view row_key, std::string& scratch) {
  RowKey out;
  if (row_key.size() <= kBucketBytes) return out;
  std::string_view rest = row_key.substr(kBucketBytes);
  const std::size_t at = rest.find('\0');
  if (at == std::string_view::npos || at + 1 >= rest.size()) return out;
  if (rest[at + 1] != '\xff') {
    out = {.key = rest.substr(0, at), .suffix = rest.substr(at + 2), .end = rest[at + 1], .ok = true};
    return out;
  }
  auto parsed = parse_version_key(row_key);
  if (!parsed) return out;
  scratch = std::move(parsed->key);
  out.key = scratch;
  out.end = parsed->is_mapping ? '\x02' : '\x01';
  if (!parsed->is_mapping) out.suffix = row_key.substr(row_key.size() - 16);
  out.ok = true;
  return out;
}

// Gathers one page, row by row. Lives in the coroutine that scans; the visitor refers to it.
class Gatherer {
 public:
  explicit Gatherer(const ListScan& scan) : scan_(scan) { restart(); }

  void restart() {
    page_ = {};
    page_.items.reserve(std::min<std::size_t>(scan_.max, 1024));
    has_key_ = false;
    key_.clear();
    null_seen_ = false;
    if (scan_.middle_key.empty()) return;
    key_ = scan_.middle_key;
    has_key_ = true;
  }

  ScanStep visit(std::string_view row_key, std::string_view value) {
    const RowKey row = split(row_key, scratch_);
    if (!row.ok) {
      broken_ = true;
      return {.kind = ScanStep::Kind::kStop, .seek_to = {}};
    }
    if (row.end != '\x01') return {};
    const bool is_first = !has_key_ || row.key != key_;
    if (is_first) {
      key_ = row.key;
      has_key_ = true;
      null_seen_ = false;
      rows_of_key_ = 0;
    } else if (!scan_.with_versions) {
      if (++rows_of_key_ < kRowsBeforeSeek) return {};
      return {.kind = ScanStep::Kind::kSeek, .seek_to = after_key(scan_.bucket, key_)};
    }
    auto header = decode_version_header(value);
    const auto id = parse_version_suffix(row.suffix);
    if (!header || !id) {
      broken_ = true;
      return {.kind = ScanStep::Kind::kStop, .seek_to = {}};
    }
    if (!scan_.with_versions && header->kind != RowKind::kObject) return {};
    if (scan_.with_versions && is_leftover(*header, *id)) return {};
    return emit(row_key, *id, std::move(*header), is_first);
  }

  [[nodiscard]] Result<ListPage> take() {
    if (broken_) return fail(ErrorCode::kCorrupt, "a version row that does not parse");
    return std::move(page_);
  }

 private:
  // Only the newest null row of a key is its null version.
  bool is_leftover(const VersionHeader& header, const VersionId& id) {
    if (!header.is_null) return false;
    if (scan_.middle_null.is_set() && key_ == scan_.middle_key && id != scan_.middle_null) return true;
    return std::exchange(null_seen_, true);
  }

  ScanStep emit(std::string_view row_key, const VersionId& id, VersionHeader header, bool is_first) {
    if (!scan_.delimiter.empty()) {
      const std::size_t at = key_.find(scan_.delimiter, scan_.prefix.size());
      if (at != std::string::npos) return emit_prefix(at + scan_.delimiter.size());
    }
    ListItem& item = page_.items.emplace_back();
    ListedVersion& entry = item.entry;
    entry.key = key_;
    entry.size = header.size;
    entry.etag = std::move(header.etag);
    entry.last_modified = base::from_nanoseconds(header.created_ns);
    entry.storage_class = header.storage_class;
    entry.checksum_kind = header.checksum_kind;
    entry.checksum_composite = header.checksum_composite;
    entry.owner = std::move(header.owner);
    if (scan_.with_versions) {
      entry.version_id = header.is_null ? std::string(kNullVersionId) : id.to_text();
      entry.is_latest = is_first;
      entry.is_delete_marker = header.kind == RowKind::kDeleteMarker;
    }
    if (page_.items.size() < scan_.max) return {};
    page_.more = true;
    page_.resume = scan_.with_versions ? std::string(row_key).append(1, '\0') : after_key(scan_.bucket, key_);
    return {.kind = ScanStep::Kind::kStop, .seek_to = {}};
  }

  ScanStep emit_prefix(std::size_t size) {
    ListItem& item = page_.items.emplace_back();
    item.is_prefix = true;
    item.entry.key = key_.substr(0, size);
    std::string next = after_prefix(listing_start(scan_.bucket, item.entry.key));
    if (page_.items.size() < scan_.max) return {.kind = ScanStep::Kind::kSeek, .seek_to = std::move(next)};
    page_.more = true;
    page_.resume = std::move(next);
    return {.kind = ScanStep::Kind::kStop, .seek_to = {}};
  }

  const ListScan& scan_;
  ListPage page_;
  std::string key_;
  std::string scratch_;
  bool has_key_ = false;
  bool null_seen_ = false;
  bool broken_ = false;
  std::size_t rows_of_key_ = 0;
};

}  // namespace

Task<Result<ListPage>> scan_list(cluster::RowView& rows, const ListScan& scan) {
  if (scan.max == 0) co_return ListPage{};
  Gatherer gatherer(scan);
  std::string lower = listing_start(scan.bucket, scan.prefix);
  std::string upper = after_prefix(lower);
  if (scan.start > lower) lower = scan.start;
  if (!upper.empty() && lower >= upper) co_return ListPage{};
  co_await or_return(rows.scan(
      Family::kVersions, std::move(lower), std::move(upper),
      [&gatherer](std::string_view key, std::string_view value) { return gatherer.visit(key, value); },
      [&gatherer] { gatherer.restart(); }));
  co_return gatherer.take();
}

// A marker inside a common prefix leaves out the whole of it, as Ceph's gateway does.
std::string list_start_after(const Uuid& bucket, const std::string& prefix, const std::string& delimiter,
                             const std::string& marker) {
  if (!delimiter.empty() && marker.starts_with(prefix)) {
    const std::size_t at = marker.find(delimiter, prefix.size());
    if (at != std::string::npos)
      return after_prefix(listing_start(bucket, marker.substr(0, at + delimiter.size())));
  }
  return after_key(bucket, marker);
}

Task<Result<std::vector<DocumentRow>>> scan_documents(cluster::RowView& rows, const DocumentScan& scan) {
  const Uuid bucket = system_bucket_id();
  std::vector<DocumentRow> found;
  bool broken = false;
  std::string lower = listing_start(bucket, scan.prefix);
  std::string upper = after_prefix(lower);
  if (!scan.after.empty()) lower = std::max(lower, after_key(bucket, scan.after));
  co_await or_return(rows.scan(
      Family::kVersions, std::move(lower), std::move(upper),
      [&](std::string_view key, std::string_view value) {
        auto parsed = parse_version_key(key);
        auto row = decode_version(value);
        if (!parsed || !row || parsed->is_mapping) {
          broken = true;
          return ScanStep{.kind = ScanStep::Kind::kStop, .seek_to = {}};
        }
        if (found.empty() || found.back().path != parsed->key)
          found.push_back({std::move(parsed->key), std::move(row->embedded), parsed->id.to_text()});
        const bool full = found.size() >= scan.max;
        return ScanStep{.kind = full ? ScanStep::Kind::kStop : ScanStep::Kind::kNext, .seek_to = {}};
      },
      [&found] { found.clear(); }));
  if (broken) co_return fail(ErrorCode::kCorrupt, "a document's row that does not parse");
  co_return found;
}

}  // namespace flashstor::objects
