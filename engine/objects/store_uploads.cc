#include <algorithm>

#include "engine/async/gather.h"
#include "engine/objects/keys.h"
#include "engine/objects/store_parts.h"
#include "engine/objects/upload_rows.h"

namespace flashstor::objects {
namespace {

Result<Uuid> parse_upload_id(const std::string& text) {
  const auto id = Uuid::from_text(text);
  if (id) return *id;
  return fail(ErrorCode::kNoSuchUpload, "The specified multipart upload does not exist.");
}

Result<void> check_part_number(std::uint32_t number) {
  if (number >= 1 && number <= limits::kMaxParts) return {};
  return fail(ErrorCode::kInvalidArgument, "Part number must be an integer between 1 and 10000, inclusive");
}

std::vector<cluster::LockName> part_locks(const Bucket& bucket, const std::string& key, const Uuid& upload,
                                          std::uint32_t number) {
  return {{cluster::lock_name(Family::kUploads, part_key(bucket.id, key, upload, number)), true},
          {cluster::lock_name(Family::kIntents, gate_key(bucket.id)), false}};
}

cluster::LockName upload_lock(const Bucket& bucket, const std::string& key, const Uuid& upload) {
  return {cluster::lock_name(Family::kUploads, upload_key(bucket.id, key, upload)), true};
}

UploadInfo info_of(std::string key, const Uuid& upload, VersionRow object) {
  return {.key = std::move(key),
          .upload_id = upload.to_text(),
          .initiated = base::from_nanoseconds(object.header.created_ns),
          .attributes = std::move(object.attributes),
          .checksum_kind = object.checksum.kind,
          .checksum_composite = object.checksum.composite};
}

// The kind of checksum that a part must have: its upload's.
Result<ChecksumKind> part_checksum_kind(const UploadRow& upload, ChecksumKind given) {
  const ChecksumKind kind = upload.object.checksum.kind;
  if (given != ChecksumKind::kNone && kind != ChecksumKind::kNone && given != kind)
    return fail(ErrorCode::kInvalidArgument,
                "The checksum algorithm of a part must be the one that the upload was created with.");
  return kind == ChecksumKind::kNone ? given : kind;
}

struct PartToStore {
  BucketRef bucket;
  std::string key;
  PutPartPayload payload;
  DataRef data;
  BufferChain bytes;
};

Task<Result<VersionOutcome>> store_part(StoreParts parts, PartToStore part) {
  PutPartPayload& payload = part.payload;
  StoreParts::Change change{.kind = ObjectCommand::kPutPart,
                            .key = part.key,
                            .make =
                                [&payload](const Target& target) {
                                  payload.target = target;
                                  return encode(payload);
                                },
                            .data = part.data,
                            .bytes = std::move(part.bytes),
                            .referrer = referrer_of(payload.slices)};
  change.locks = part_locks(*part.bucket, part.key, payload.upload, payload.part.number);
  co_return co_await parts.change(part.bucket, std::move(change));
}

}  // namespace

Task<Result<UploadInfo>> ObjectStore::create_upload(CreateUploadRequest request) {
  const StoreParts parts{*this};
  co_await or_return(check_object_key(request.key));
  co_await or_return(check_attributes(request.attributes));
  const bool is_crc = checksum_bytes(request.checksum_kind) <= 8;
  if (!request.checksum_composite && !is_crc)
    co_return fail(ErrorCode::kInvalidArgument, "The FULL_OBJECT checksum type cannot be used with SHA.");
  const BucketRef bucket = co_await or_return(buckets_->get(request.bucket));
  CreateUploadPayload payload;
  payload.row.attributes = request.attributes;
  payload.row.checksum = {.kind = request.checksum_kind, .composite = request.checksum_composite};
  StoreParts::Change change{
      .kind = ObjectCommand::kCreateUpload, .key = request.key, .make = [&payload](const Target& target) {
        payload.target = target;
        return encode(payload);
      }};
  change.locks = {{cluster::lock_name(Family::kIntents, gate_key(bucket->id)), false}};
  const VersionOutcome outcome = co_await or_return(parts.change(bucket, std::move(change)));
  payload.row.header.created_ns = outcome.id.time_ns;
  co_return info_of(std::move(request.key), outcome.upload_id, std::move(payload.row));
}

Task<Result<UploadPartResult>> ObjectStore::upload_part(UploadPartRequest request) {
  const StoreParts parts{*this};
  co_await or_return(check_part_number(request.part_number));
  const Uuid upload = co_await or_return(parse_upload_id(request.upload_id));
  const BucketRef bucket = co_await or_return(buckets_->get(request.bucket));
  cluster::SetApi& set = parts.set_of(*bucket, request.key);
  const UploadAnswer known =
      co_await or_return(ask_upload(set, {.bucket = bucket->id, .key = request.key, .upload = upload}));
  request.checksum.kind = co_await or_return(part_checksum_kind(known.upload, request.checksum.kind));
  TakenBody taken =
      co_await or_return(parts.take_body(set, {.body = request.body,
                                               .expected_md5 = std::move(request.expected_md5),
                                               .expected_sha256 = std::move(request.expected_sha256),
                                               .checksum = std::move(request.checksum),
                                               .trailing_checksum = std::move(request.trailing_checksum),
                                               .storage_class = known.upload.object.attributes.storage_class,
                                               .max_bytes = limits::kMaxPartBytes}));
  PartToStore part{.bucket = bucket, .key = std::move(request.key)};
  part.payload.upload = upload;
  part.payload.part = {.number = request.part_number,
                       .size = taken.size,
                       .etag = taken.md5_hex,
                       .checksum = taken.checksum.value};
  part.payload.has_data = taken.size != 0;
  if (taken.size != 0)
    part.payload.slices.push_back({.data = taken.data, .offset = 0, .length = taken.size, .referrer = {}});
  part.data = taken.data;
  part.bytes = std::move(taken.bytes);
  co_await or_return(store_part(parts, std::move(part)));
  co_return UploadPartResult{.etag = std::move(taken.md5_hex), .checksum = std::move(taken.checksum)};
}

Task<Result<UploadPartCopyResult>> ObjectStore::upload_part_copy(UploadPartCopyRequest request) {
  const StoreParts parts{*this};
  co_await or_return(check_part_number(request.part_number));
  const Uuid upload = co_await or_return(parse_upload_id(request.upload_id));
  const BucketRef bucket = co_await or_return(buckets_->get(request.bucket));
  cluster::SetApi& set = parts.set_of(*bucket, request.key);
  const UploadAnswer known =
      co_await or_return(ask_upload(set, {.bucket = bucket->id, .key = request.key, .upload = upload}));
  const auto source =
      co_await or_return(parts.find_source(std::move(request.source_bucket), std::move(request.source_key),
                                           std::move(request.source_version_id), request.source_conditions));
  const std::uint64_t size = source.row.header.size;
  std::uint64_t first = 0;
  std::uint64_t length = size;
  if (request.range) {
    if (!request.range->first || !request.range->last || *request.range->last < *request.range->first ||
        *request.range->last >= size)
      co_return fail(ErrorCode::kInvalidRange, "The x-amz-copy-source-range value is not valid.");
    first = *request.range->first;
    length = *request.range->last - first + 1;
  }
  if (length > limits::kMaxPartBytes) co_return fail(ErrorCode::kEntityTooLarge, "A part has at most 5 GiB.");
  PartToStore part{.bucket = bucket, .key = std::move(request.key)};
  part.payload.upload = upload;
  part.payload.part = {.number = request.part_number, .size = length};
  // An ETag of a part is the MD5 of its bytes: known for a whole object, read for anything else.
  const ChecksumKind kind = known.upload.object.checksum.kind;
  const bool known_md5 = length == size && source.row.header.etag.size() == 32;
  if (!known_md5 || kind != ChecksumKind::kNone) {
    auto digest = co_await or_return(parts.digest(source, first, length, kind));
    part.payload.part.etag = std::move(digest.md5_hex);
    part.payload.part.checksum = std::move(digest.checksum);
  } else {
    part.payload.part.etag = source.row.header.etag;
  }
  part.payload.slices = co_await or_return(parts.share(source, first, length, set.info().index));
  UploadPartCopyResult out{.etag = part.payload.part.etag};
  out.checksum = {.kind = kind, .composite = false, .value = part.payload.part.checksum};
  if (source.bucket->versioning != Versioning::kUnversioned) out.source_version_id = source.row.shown_id();
  const std::vector<Slice> shared = part.payload.slices;
  const auto outcome = co_await store_part(parts, std::move(part));
  if (!outcome) {
    if (outcome.error().code() != ErrorCode::kUnknownOutcome) co_await parts.give_back(set, shared);
    co_return std::unexpected(outcome.error());
  }
  co_await parts.settle_references(set.info().index, shared);
  out.last_modified = base::from_nanoseconds(outcome->id.time_ns);
  co_return out;
}

Task<Result<PutResult>> ObjectStore::complete_upload(CompleteUploadRequest request) {
  const StoreParts parts{*this};
  const Uuid upload = co_await or_return(parse_upload_id(request.upload_id));
  const BucketRef bucket = co_await or_return(buckets_->get(request.bucket));
  if (request.parts.empty() || request.parts.size() > limits::kMaxParts)
    co_return fail(ErrorCode::kMalformed, "You must specify at least one part");
  CompleteUploadPayload payload{.upload = upload,
                                .parts = std::move(request.parts),
                                .conditions = std::move(request.conditions),
                                .checksum = std::move(request.checksum),
                                .expected_size = request.expected_size,
                                .min_part_bytes = options_.min_part_bytes};
  StoreParts::Change change{
      .kind = ObjectCommand::kCompleteUpload, .key = request.key, .make = [&payload](const Target& target) {
        payload.target = target;
        return encode(payload);
      }};
  change.locks = write_locks(bucket->id, request.key);
  change.locks.push_back(upload_lock(*bucket, request.key, upload));
  VersionOutcome outcome = co_await or_return(parts.change(bucket, std::move(change)));
  // The object is there; what is left of the upload may also go later.
  (void)co_await parts.sweep_upload(bucket, request.key, upload, AbortUploadPayload::Mode::kSweep);
  PutResult out{.etag = std::move(outcome.etag),
                .version_id = {},
                .checksum = std::move(outcome.checksum),
                .size = outcome.size};
  if (!outcome.is_null || bucket->versioning != Versioning::kUnversioned) out.version_id = outcome.shown_id();
  co_return out;
}

Task<Result<void>> StoreParts::sweep_upload(BucketRef bucket, std::string key, Uuid upload,
                                            AbortUploadPayload::Mode mode) const {
  AbortUploadPayload payload{.upload = upload, .mode = mode};
  for (;;) {
    Change change{.kind = ObjectCommand::kAbortUpload, .key = key, .make = [&payload](const Target& target) {
                    payload.target = target;
                    return encode(payload);
                  }};
    change.locks = {upload_lock(*bucket, key, upload)};
    const VersionOutcome outcome = co_await or_return(this->change(bucket, std::move(change)));
    if (!outcome.more) co_return {};
    if (payload.mode == AbortUploadPayload::Mode::kAbort) payload.mode = AbortUploadPayload::Mode::kSweep;
  }
}

Task<Result<void>> ObjectStore::abort_upload(AbortUploadRequest request) {
  const Uuid upload = co_await or_return(parse_upload_id(request.upload_id));
  const BucketRef bucket = co_await or_return(buckets_->get(request.bucket));
  co_return co_await StoreParts{*this}.sweep_upload(bucket, std::move(request.key), upload,
                                                    AbortUploadPayload::Mode::kAbort);
}

Task<Result<void>> StoreParts::abort_all_uploads(BucketRef bucket) const {
  for (std::uint32_t i = 0; i < cluster().set_count(); ++i) {
    for (;;) {
      UploadScan scan;
      scan.bucket = bucket->id;
      scan.with_ended = true;
      const auto items = co_await or_return(ask_uploads(cluster().set_at(i), std::move(scan)));
      if (items.empty()) break;
      for (const UploadItem& item : items) {
        const auto swept =
            co_await sweep_upload(bucket, item.key, item.upload, AbortUploadPayload::Mode::kErase);
        if (!swept && swept.error().code() != ErrorCode::kNoSuchUpload) co_return swept;
      }
    }
  }
  co_return {};
}

Task<Result<ListPartsResult>> ObjectStore::list_parts(ListPartsRequest request) {
  const Uuid upload = co_await or_return(parse_upload_id(request.upload_id));
  const BucketRef bucket = co_await or_return(buckets_->get(request.bucket));
  const auto max = static_cast<std::uint32_t>(std::min<std::size_t>(request.max_parts, limits::kMaxListKeys));
  UploadAnswer answer = co_await or_return(
      ask_upload(cluster_.set_for(bucket->id, request.key), {.bucket = bucket->id,
                                                             .key = request.key,
                                                             .upload = upload,
                                                             .after_part = request.part_marker,
                                                             .max_parts = max + 1}));
  ListPartsResult out;
  out.is_truncated = answer.parts.size() > max;
  if (out.is_truncated) answer.parts.pop_back();
  out.upload = info_of(std::move(request.key), upload, std::move(answer.upload.object));
  for (PartRow& row : answer.parts) {
    ListedPart& part = out.parts.emplace_back();
    static_cast<PartInfo&>(part) = std::move(row.part);
    part.last_modified = base::from_nanoseconds(row.created_ns);
  }
  if (!out.parts.empty()) out.next_part_marker = out.parts.back().number;
  co_return out;
}

}  // namespace flashstor::objects
