#include "engine/objects/store_parts.h"

#include <algorithm>

#include "engine/objects/keys.h"
#include "engine/objects/queries.h"
#include "engine/objects/row_codec.h"

namespace flashstor::objects {

Task<Result<VersionOutcome>> StoreParts::change(BucketRef bucket, Change change) const {
  cluster::SetApi& set = set_of(*bucket, change.key);
  for (std::size_t attempt = 0;; ++attempt) {
    cluster::Command command;
    command.kind = static_cast<cluster::CommandKind>(change.kind);
    command.request_id = Uuid::make(random());
    command.locks = change.locks.empty() ? write_locks(bucket->id, change.key) : change.locks;
    if (!change.referrer.is_nil()) command.locks.push_back(referrer_lock(change.referrer));
    command.payload = change.make(
        {.bucket = bucket->id, .epoch = bucket->epoch, .versioning = bucket->versioning, .key = change.key});
    command.data = change.data;
    command.bytes = change.bytes;
    auto result = co_await set.execute(std::move(command));
    if (result) {
      VersionOutcome outcome = co_await or_return(decode_outcome(result->response));
      if (!outcome.drops.empty()) co_await drop_references(set.info().index, outcome.drops);
      co_return outcome;
    }
    const Error& error = result.error();
    const bool stale = error.code() == ErrorCode::kStale;
    const bool frozen = error.code() == ErrorCode::kConflict;
    if ((!stale && !frozen) || attempt == limits::kMaxStaleRetries) co_return std::unexpected(error);
    if (frozen) {
      const bool again = co_await or_return(settle_frozen(bucket->name, std::string(error.message())));
      if (!again) co_return fail(ErrorCode::kConflict, "The bucket is being deleted by another request.");
    }
    buckets().clear();
    BucketRef now = co_await or_return(buckets().get(bucket->name));
    if (now->id != bucket->id)
      co_return fail(ErrorCode::kNoSuchBucket, "The specified bucket does not exist");
    bucket = std::move(now);
  }
}

Task<Result<StoreParts::ReadRow>> StoreParts::read_row(const Bucket& bucket, const std::string& key,
                                                       const std::string& version_id) const {
  cluster::SetApi& set = set_of(bucket, key);
  const auto found =
      co_await or_return(ask_version(set, {.bucket = bucket.id, .key = key, .version_id = version_id}));
  if (!found)
    co_return version_id.empty() ? fail(ErrorCode::kNoSuchKey, "The specified key does not exist.")
                                 : fail(ErrorCode::kNoSuchVersion, "The specified version does not exist.");
  co_return ReadRow{.row = co_await or_return(decode_version(found->value)), .is_latest = found->is_latest};
}

Task<Result<void>> StoreParts::inflate(const Bucket& bucket, const std::string& key, VersionRow& row) const {
  if (row.header.layout != Layout::kSlicesRow) co_return {};
  const auto value = co_await or_return(ask_extent_row(set_of(bucket, key), slices_key(row.extent_root)));
  if (!value) co_return fail(ErrorCode::kNotFound, "a version's slices are gone");
  SlicesRow list = co_await or_return(decode_slices(*value));
  row.slices = std::move(list.slices);
  row.parts = std::move(list.parts);
  row.header.layout = Layout::kSlices;
  co_return {};
}

VersionRef make_known(const Bucket& bucket, std::string key, VersionRow row, bool is_latest) {
  auto known = std::make_shared<KnownVersion>();
  ObjectInfo& info = known->info;
  info.key = std::move(key);
  info.version_id = row.shown_id();
  info.is_latest = is_latest;
  info.is_delete_marker = row.header.kind == RowKind::kDeleteMarker;
  info.size = row.header.size;
  info.etag = row.header.etag;
  info.last_modified = base::from_nanoseconds(row.header.created_ns);
  info.attributes = std::move(row.attributes);
  info.checksum = std::move(row.checksum);
  info.parts_count = row.parts_count;
  info.bucket_versioning = bucket.versioning;
  known->row = std::move(row);
  return known;
}

Result<void> check_attributes(const ObjectAttributes& attributes) {
  std::size_t bytes = 0;
  for (const auto& [name, value] : attributes.user_metadata) bytes += name.size() + value.size();
  if (bytes > limits::kMaxUserMetadataBytes)
    return fail(ErrorCode::kMetadataTooLarge,
                "Your metadata headers exceed the maximum allowed metadata size");
  return check_tags(attributes.tags, limits::kMaxTagsPerObject);
}

std::string place_slices(VersionRow& row, std::vector<Slice> slices, std::vector<PartInfo> parts,
                         Random& random) {
  row.parts_count = static_cast<std::uint32_t>(parts.size());
  row.slices.clear();
  row.parts.clear();
  row.extent_root = Uuid{};
  row.segment_bytes = 0;
  row.publish_revision = 0;
  ByteWriter sizes;
  write_slices(sizes, slices);
  write_parts(sizes, parts);
  if (sizes.view().size() > limits::kMaxSlicesInRowBytes) {
    row.header.layout = Layout::kSlicesRow;
    row.extent_root = Uuid::make(random);
    return encode_slices({.parts = std::move(parts), .slices = std::move(slices)});
  }
  row.header.layout = slices.empty() ? Layout::kEmpty : Layout::kSlices;
  row.slices = std::move(slices);
  row.parts = std::move(parts);
  return {};
}

}  // namespace flashstor::objects
