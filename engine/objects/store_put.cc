#include "engine/objects/store_parts.h"

namespace flashstor::objects {

Task<Result<PutResult>> ObjectStore::put_object(PutRequest request) {
  const StoreParts parts{*this};
  co_await or_return(check_object_key(request.key));
  co_await or_return(check_attributes(request.attributes));
  BucketRef bucket = buckets_->peek(request.bucket);
  if (!bucket) bucket = co_await or_return(buckets_->get(request.bucket));
  cluster::SetApi& set = parts.set_of(*bucket, request.key);
  TakenBody taken =
      co_await or_return(parts.take_body(set, {.body = request.body,
                                               .expected_md5 = std::move(request.expected_md5),
                                               .expected_sha256 = std::move(request.expected_sha256),
                                               .checksum = std::move(request.checksum),
                                               .trailing_checksum = std::move(request.trailing_checksum),
                                               .storage_class = request.attributes.storage_class,
                                               .max_bytes = limits::kMaxPutBytes}));
  PutVersionPayload payload{.target = {}, .conditions = std::move(request.conditions)};
  VersionRow& row = payload.row;
  row.header.size = taken.size;
  row.header.etag = taken.md5_hex;
  row.attributes = std::move(request.attributes);
  row.checksum = taken.checksum;
  payload.has_data = taken.size != 0;
  if (payload.has_data) {
    row.header.layout = Layout::kSlices;
    row.slices.push_back({.data = taken.data, .offset = 0, .length = taken.size, .referrer = {}});
  }
  const VersionOutcome outcome =
      co_await or_return(parts.change(bucket, {.kind = ObjectCommand::kPutVersion,
                                               .key = std::move(request.key),
                                               .make =
                                                   [&payload](const Target& target) {
                                                     payload.target = target;
                                                     return encode(payload);
                                                   },
                                               .data = taken.data,
                                               .bytes = std::move(taken.bytes)}));
  PutResult out{.etag = std::move(taken.md5_hex),
                .version_id = {},
                .checksum = std::move(taken.checksum),
                .size = taken.size};
  if (!outcome.is_null || bucket->versioning != Versioning::kUnversioned) out.version_id = outcome.shown_id();
  co_return out;
}

}  // namespace flashstor::objects
