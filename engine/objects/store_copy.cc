#include "engine/base/hex.h"
#include "engine/codec/checksum.h"
#include "engine/objects/checksums.h"
#include "engine/objects/extent_map.h"
#include "engine/objects/object_reader.h"
#include "engine/objects/store_parts.h"

namespace flashstor::objects {

Task<Result<StoreParts::Source>> StoreParts::find_source(std::string bucket, std::string key,
                                                         std::string version_id,
                                                         const Conditions& conditions) const {
  Source source;
  source.bucket = co_await or_return(buckets().get(std::move(bucket)));
  ReadRow found = co_await or_return(read_row(*source.bucket, key, version_id));
  if (found.row.header.kind == RowKind::kDeleteMarker)
    co_return version_id.empty()
        ? fail(ErrorCode::kNoSuchKey, "The specified key does not exist.")
        : fail(ErrorCode::kInvalidArgument,
               "The source of a copy request may not specifically refer to a delete marker by version id.");
  co_await or_return(check_source_conditions(conditions, found.row.header));
  source.key = std::move(key);
  source.row = std::move(found.row);
  source.is_latest = found.is_latest;
  co_await or_return(inflate(*source.bucket, source.key, source.row));
  co_return source;
}

Task<Result<std::vector<Slice>>> StoreParts::share(const Source& source, std::uint64_t offset,
                                                   std::uint64_t length, std::uint32_t home) const {
  std::vector<Slice> slices;
  if (length == 0) co_return slices;
  co_await or_return(for_each_extent(set_of(*source.bucket, source.key), source.row, offset, length,
                                     [&slices](const Extent& extent) {
                                       slices.push_back({.data = extent.data,
                                                         .offset = extent.data_offset,
                                                         .length = extent.length,
                                                         .referrer = extent.referrer});
                                       return true;
                                     }));
  co_return co_await add_references(*source.bucket, source.key, source.row.id, std::move(slices), home);
}

Task<Result<StoreParts::Digested>> StoreParts::digest(const Source& source, std::uint64_t offset,
                                                      std::uint64_t length, ChecksumKind kind) const {
  const auto md5 = codec::make_hasher(codec::ChecksumKind::kMd5);
  const auto checksum = kind == ChecksumKind::kNone ? nullptr : codec::make_hasher(codec_kind(kind));
  const auto reader =
      co_await or_return(store.open_reader(source.bucket, source.key, source.row, offset, length));
  for (;;) {
    const BufferChain window = co_await or_return(reader->next());
    if (window.empty()) break;
    for (const Buffer& each : window.slices()) {
      md5->update(each.span());
      if (checksum) checksum->update(each.span());
    }
  }
  co_return Digested{.md5_hex = base::to_hex(md5->finish()),
                     .checksum = checksum ? checksum->finish() : std::string()};
}

namespace {

// The attributes of the copy: the source's where the directives say so.
ObjectAttributes copied_attributes(const CopyRequest& request, const ObjectAttributes& source) {
  ObjectAttributes out = request.attributes;
  if (request.metadata == Directive::kCopy) {
    out.headers = source.headers;
    out.user_metadata = source.user_metadata;
    out.posix = source.posix;
    if (out.posix) {
      // The copy is a file of its own.
      out.posix->inode = Uuid{};
      out.posix->nlink = 1;
      out.posix->is_link = false;
    }
  }
  if (request.tagging == Directive::kCopy) out.tags = source.tags;
  return out;
}

Result<void> check_copy(const CopyRequest& request, const StoreParts::Source& source) {
  if (source.row.header.size > limits::kMaxPutBytes)
    return fail(ErrorCode::kEntityTooLarge,
                "The specified copy source is larger than the maximum allowable size for a copy source.");
  const bool onto_itself =
      request.bucket == request.source_bucket && request.key == request.source_key && source.is_latest;
  if (onto_itself && request.metadata == Directive::kCopy &&
      request.attributes.storage_class == source.row.attributes.storage_class &&
      request.attributes.website_redirect == source.row.attributes.website_redirect)
    return fail(ErrorCode::kInvalidArgument,
                "This copy request is illegal because it is trying to copy an object to itself without "
                "changing the object's metadata, storage class, website redirect location or encryption "
                "attributes.");
  return {};
}

}  // namespace

// The source may be replaced between the look at it and the references to its data: then it is looked at
// anew.
Task<Result<CopyResult>> ObjectStore::copy_object(CopyRequest request) {
  const StoreParts parts{*this};
  for (std::size_t attempt = 0;; ++attempt) {
    auto done = co_await parts.copy(request);
    if (done || done.error().code() != ErrorCode::kConflict || attempt == limits::kMaxStaleRetries)
      co_return done;
  }
}

Task<Result<CopyResult>> StoreParts::copy(const CopyRequest& request) const {
  const StoreParts& parts = *this;
  co_await or_return(check_object_key(request.key));
  co_await or_return(check_attributes(request.attributes));
  const BucketRef bucket = co_await or_return(buckets().get(request.bucket));
  const auto source = co_await or_return(parts.find_source(
      request.source_bucket, request.source_key, request.source_version_id, request.source_conditions));
  co_await or_return(check_copy(request, source));
  PutVersionPayload payload{.conditions = request.conditions};
  VersionRow& row = payload.row;
  row.header.size = source.row.header.size;
  row.header.etag = source.row.header.etag;
  row.attributes = copied_attributes(request, source.row.attributes);
  row.checksum = source.row.checksum;
  const ChecksumKind kind = request.checksum_kind;
  if (kind != ChecksumKind::kNone && (kind != row.checksum.kind || row.checksum.composite)) {
    auto digest = co_await or_return(parts.digest(source, 0, row.header.size, kind));
    row.checksum = {.kind = kind, .composite = false, .value = std::move(digest.checksum)};
  }
  cluster::SetApi& home = parts.set_of(*bucket, request.key);
  const std::vector<Slice> shared =
      co_await or_return(parts.share(source, 0, row.header.size, home.info().index));
  payload.slices_row = place_slices(row, shared, source.row.parts, random());
  const auto outcome = co_await parts.change(bucket, {.kind = ObjectCommand::kPutVersion,
                                                      .key = request.key,
                                                      .make =
                                                          [&payload](const Target& target) {
                                                            payload.target = target;
                                                            return encode(payload);
                                                          },
                                                      .referrer = referrer_of(shared)});
  if (!outcome) {
    if (outcome.error().code() != ErrorCode::kUnknownOutcome) co_await parts.give_back(home, shared);
    co_return std::unexpected(outcome.error());
  }
  co_await parts.settle_references(home.info().index, shared);
  CopyResult out{.etag = row.header.etag,
                 .last_modified = base::from_nanoseconds(outcome->id.time_ns),
                 .checksum = row.checksum};
  if (!outcome->is_null || bucket->versioning != Versioning::kUnversioned)
    out.version_id = outcome->shown_id();
  if (source.bucket->versioning != Versioning::kUnversioned) out.source_version_id = source.row.shown_id();
  co_return out;
}

}  // namespace flashstor::objects
