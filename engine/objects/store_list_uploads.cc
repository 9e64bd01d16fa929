#include <algorithm>

#include "engine/async/gather.h"
#include "engine/objects/keys.h"
#include "engine/objects/store_parts.h"
#include "engine/objects/upload_rows.h"

namespace flashstor::objects {
namespace {

// Sorted as S3 lists uploads: by key, then in the order in which they were begun (ids begin with the time).
bool comes_before(const UploadItem& a, const UploadItem& b) {
  if (a.key != b.key) return a.key < b.key;
  return a.upload < b.upload;
}

}  // namespace

Task<Result<ListUploadsResult>> ObjectStore::list_uploads(ListUploadsRequest request) {
  const BucketRef bucket = co_await or_return(buckets_->get(request.bucket));
  const auto max =
      static_cast<std::uint32_t>(std::min<std::size_t>(request.max_uploads, limits::kMaxListKeys));
  ListUploadsResult out;
  if (max == 0) co_return out;
  UploadScan scan{.bucket = bucket->id, .prefix = request.prefix, .delimiter = request.delimiter};
  scan.max = max + 1;
  if (!request.key_marker.empty()) {
    scan.start = list_start_after(bucket->id, request.prefix, request.delimiter, request.key_marker);
    if (!request.upload_id_marker.empty()) {
      const auto upload = Uuid::from_text(request.upload_id_marker);
      if (!upload) co_return fail(ErrorCode::kInvalidArgument, "Invalid uploadId marker");
      scan.start = after_prefix(upload_key(bucket->id, request.key_marker, *upload));
    }
  }
  // Each set gives as much as the whole page can hold, so one round is enough.
  std::vector<Task<Result<std::vector<UploadItem>>>> asked;
  for (std::uint32_t i = 0; i < cluster_.set_count(); ++i)
    asked.push_back(ask_uploads(cluster_.set_at(i), scan));
  std::vector<UploadItem> all;
  for (auto& page : co_await async::gather(std::move(asked))) {
    if (!page) co_return std::unexpected(page.error());
    for (UploadItem& item : *page) all.push_back(std::move(item));
  }
  std::ranges::sort(all, comes_before);
  const auto same_prefix = [](const UploadItem& a, const UploadItem& b) {
    return a.is_prefix && b.is_prefix && a.key == b.key;
  };
  all.erase(std::unique(all.begin(), all.end(), same_prefix), all.end());
  out.is_truncated = all.size() > max;
  if (out.is_truncated) {
    all.resize(max);
    out.next_key_marker = all.back().key;
    if (!all.back().is_prefix) out.next_upload_id_marker = all.back().upload.to_text();
  }
  for (UploadItem& item : all) {
    if (item.is_prefix) {
      out.common_prefixes.push_back(std::move(item.key));
      continue;
    }
    VersionRow& object = item.row.object;
    out.uploads.push_back({.key = std::move(item.key),
                           .upload_id = item.upload.to_text(),
                           .initiated = base::from_nanoseconds(object.header.created_ns),
                           .attributes = std::move(object.attributes),
                           .checksum_kind = object.checksum.kind,
                           .checksum_composite = object.checksum.composite});
  }
  co_return out;
}

}  // namespace flashstor::objects
