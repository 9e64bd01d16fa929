#include <algorithm>

#include "engine/async/gather.h"
#include "engine/base/hex.h"
#include "engine/objects/keys.h"
#include "engine/objects/queries.h"
#include "engine/objects/store_parts.h"

namespace flashstor::objects {
namespace {

constexpr std::uint32_t kFewestFromASet = 16;

// One set's part of a listing.
struct Cursor {
  cluster::SetApi* set = nullptr;
  ListScan scan;
  ListPage page;
  std::size_t at = 0;
  bool started = false;

  [[nodiscard]] bool empty() const { return at == page.items.size(); }
  [[nodiscard]] bool needs_more() const { return empty() && (!started || page.more); }
  [[nodiscard]] const ListItem& front() const { return page.items[at]; }
};

Task<Result<void>> fill(Cursor* cursor) {
  while (cursor->needs_more()) {
    if (cursor->started) cursor->scan.start = std::move(cursor->page.resume);
    cursor->started = true;
    cursor->at = 0;
    cursor->page = co_await or_return(ask_list(*cursor->set, cursor->scan));
  }
  co_return {};
}

struct Merged {
  std::vector<ListItem> items;
  bool is_truncated = false;
};

// Merges what the sets list, at most `max` items; the same common prefix from several sets counts once.
Task<Result<Merged>> merge(cluster::ClusterApi* cluster, ListScan scan, std::uint32_t max) {
  const std::uint32_t sets = cluster->set_count();
  scan.max = sets == 1 ? max + 1 : (max + 1) * 3 / (2 * sets) + kFewestFromASet;
  std::vector<Cursor> cursors(sets);
  std::vector<Task<Result<void>>> fills;
  for (std::uint32_t i = 0; i < sets; ++i) {
    cursors[i].set = &cluster->set_at(i);
    cursors[i].scan = scan;
    fills.push_back(fill(&cursors[i]));
  }
  for (auto& result : co_await async::gather(std::move(fills)))
    if (!result) co_return std::unexpected(result.error());
  Merged out;
  if (sets == 1) {
    out.items = std::move(cursors[0].page.items);
    out.is_truncated = out.items.size() > max;
    if (out.is_truncated) out.items.pop_back();
    co_return out;
  }
  for (;;) {
    Cursor* first = nullptr;
    for (Cursor& cursor : cursors) {
      if (cursor.needs_more()) co_await or_return(fill(&cursor));
      if (cursor.empty()) continue;
      if (first == nullptr || cursor.front().entry.key < first->front().entry.key) first = &cursor;
    }
    if (first == nullptr) co_return out;
    ListItem& item = first->page.items[first->at++];
    const bool again = item.is_prefix && !out.items.empty() && out.items.back().is_prefix &&
                       out.items.back().entry.key == item.entry.key;
    if (again) continue;
    if (out.items.size() == max) {
      out.is_truncated = true;
      co_return out;
    }
    out.items.push_back(std::move(item));
  }
}

}  // namespace

Task<Result<ListResult>> ObjectStore::list_objects(ListRequest request) {
  BucketRef bucket = buckets_->peek(request.bucket);
  if (!bucket) bucket = co_await or_return(buckets_->get(request.bucket));
  ListResult out;
  std::string after = std::move(request.start_after);
  if (!request.continuation_token.empty()) {
    auto token = base::from_base64(request.continuation_token);
    if (!token) co_return fail(ErrorCode::kInvalidArgument, "The continuation token provided is incorrect");
    after = std::move(*token);
  }
  const auto max = static_cast<std::uint32_t>(std::min<std::size_t>(request.max_keys, limits::kMaxListKeys));
  if (max == 0) co_return out;
  ListScan scan;
  scan.bucket = bucket->id;
  if (!after.empty()) scan.start = list_start_after(bucket->id, request.prefix, request.delimiter, after);
  scan.prefix = std::move(request.prefix);
  scan.delimiter = std::move(request.delimiter);
  Merged page = co_await or_return(merge(&cluster_, std::move(scan), max));
  out.is_truncated = page.is_truncated;
  if (out.is_truncated) {
    out.next_marker = page.items.back().entry.key;
    out.next_continuation_token = base::to_base64(out.next_marker);
  }
  for (ListItem& item : page.items) {
    if (item.is_prefix)
      out.common_prefixes.push_back(std::move(item.entry.key));
    else
      out.objects.push_back(std::move(item.entry));
  }
  co_return out;
}

Task<Result<ListVersionsResult>> ObjectStore::list_versions(ListVersionsRequest request) {
  BucketRef bucket = buckets_->peek(request.bucket);
  if (!bucket) bucket = co_await or_return(buckets_->get(request.bucket));
  if (request.key_marker.empty() && !request.version_id_marker.empty())
    co_return fail(ErrorCode::kInvalidArgument,
                   "A version-id marker cannot be specified without a key marker.");
  ListVersionsResult out;
  const auto max = static_cast<std::uint32_t>(std::min<std::size_t>(request.max_keys, limits::kMaxListKeys));
  if (max == 0) co_return out;
  ListScan scan;
  scan.bucket = bucket->id;
  scan.with_versions = true;
  const std::string& marker = request.key_marker;
  if (!request.version_id_marker.empty()) {
    cluster::SetApi& set = cluster_.set_for(bucket->id, marker);
    const auto null = co_await or_return(
        ask_version(set, {.bucket = bucket->id, .key = marker, .version_id = std::string(kNullVersionId)}));
    if (null) scan.middle_null = null->id;
    auto id = VersionId::from_text(request.version_id_marker);
    if (request.version_id_marker == kNullVersionId && null) id = null->id;
    if (id) {
      scan.middle_key = marker;
      scan.start = version_key(bucket->id, marker, *id).append(1, '\0');
    } else if (request.version_id_marker == kNullVersionId) {
      // The null version went after the page that ended with it (whoever empties a bucket does that): the key
      // begins again, and what is left of it is listed.
      scan.start = versions_prefix(bucket->id, marker);
    } else {
      co_return fail(ErrorCode::kInvalidArgument, "Invalid version id specified");
    }
  } else if (!marker.empty()) {
    scan.start = list_start_after(bucket->id, request.prefix, request.delimiter, marker);
  }
  scan.prefix = std::move(request.prefix);
  scan.delimiter = std::move(request.delimiter);
  Merged page = co_await or_return(merge(&cluster_, std::move(scan), max));
  out.is_truncated = page.is_truncated;
  if (out.is_truncated) {
    const ListItem& last = page.items.back();
    out.next_key_marker = last.entry.key;
    if (!last.is_prefix) out.next_version_id_marker = last.entry.version_id;
  }
  for (ListItem& item : page.items) {
    if (item.is_prefix)
      out.common_prefixes.push_back(std::move(item.entry.key));
    else
      out.versions.push_back(std::move(item.entry));
  }
  co_return out;
}

}  // namespace flashstor::objects
