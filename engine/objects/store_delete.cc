#include "engine/async/gather.h"
#include "engine/objects/store_parts.h"

namespace flashstor::objects {
namespace {

constexpr std::size_t kDeletesAtOnce = 64;

Task<Result<DeleteResult>> delete_one(StoreParts parts, BucketRef bucket, DeleteRequest request) {
  co_await or_return(check_object_key(request.key));
  DeleteVersionPayload payload{.target = {},
                               .version_id = request.version_id,
                               .conditions = std::move(request.conditions),
                               .bypass_governance = request.bypass_governance,
                               .owner = bucket->owner};
  const VersionOutcome outcome = co_await or_return(parts.change(
      bucket,
      {.kind = ObjectCommand::kDeleteVersion, .key = request.key, .make = [&payload](const Target& target) {
         payload.target = target;
         return encode(payload);
       }}));
  DeleteResult out{.version_id = request.version_id, .is_delete_marker = outcome.is_delete_marker};
  if (out.version_id.empty() && outcome.id.is_set() &&
      (!outcome.is_null || bucket->versioning != Versioning::kUnversioned))
    out.version_id = outcome.shown_id();
  co_return out;
}

Task<Result<std::string>> change_attributes(StoreParts parts, std::string bucket_name, std::string key,
                                            ChangeAttributesPayload payload) {
  BucketRef bucket = co_await or_return(parts.buckets().get(std::move(bucket_name)));
  if (payload.what == ChangeAttributesPayload::What::kRetention ||
      payload.what == ChangeAttributesPayload::What::kLegalHold) {
    if (!bucket->object_lock)
      co_return fail(ErrorCode::kInvalidArgument, "Bucket is missing Object Lock Configuration");
  }
  const VersionOutcome outcome =
      co_await or_return(parts.change(bucket, {.kind = ObjectCommand::kChangeAttributes,
                                               .key = std::move(key),
                                               .make = [&payload](const Target& target) {
                                                 payload.target = target;
                                                 return encode(payload);
                                               }}));
  co_return outcome.shown_id();
}

}  // namespace

Task<Result<DeleteResult>> ObjectStore::delete_object(DeleteRequest request) {
  BucketRef bucket = buckets_->peek(request.bucket);
  if (!bucket) bucket = co_await or_return(buckets_->get(request.bucket));
  co_return co_await delete_one(StoreParts{*this}, std::move(bucket), std::move(request));
}

Task<Result<std::vector<DeleteManyResult>>> ObjectStore::delete_objects(std::string bucket,
                                                                        std::vector<DeleteManyItem> items,
                                                                        bool bypass_governance) {
  if (items.size() > limits::kMaxDeleteObjects)
    co_return fail(ErrorCode::kInvalidArgument, "At most 1000 objects are deleted by one request.");
  const BucketRef target = co_await or_return(buckets_->get(bucket));
  std::vector<DeleteManyResult> out;
  out.reserve(items.size());
  for (std::size_t begin = 0; begin < items.size(); begin += kDeletesAtOnce) {
    const std::size_t end = std::min(items.size(), begin + kDeletesAtOnce);
    std::vector<Task<Result<DeleteResult>>> batch;
    for (std::size_t i = begin; i < end; ++i)
      batch.push_back(delete_one(StoreParts{*this}, target,
                                 {.bucket = bucket,
                                  .key = items[i].key,
                                  .version_id = items[i].version_id,
                                  .conditions = std::move(items[i].conditions),
                                  .bypass_governance = bypass_governance}));
    auto results = co_await async::gather(std::move(batch));
    for (std::size_t i = begin; i < end; ++i)
      out.push_back({.key = std::move(items[i].key),
                     .version_id = std::move(items[i].version_id),
                     .result = std::move(results[i - begin])});
  }
  co_return out;
}

Task<Result<std::string>> ObjectStore::set_tags(std::string bucket, std::string key, std::string version_id,
                                                Tags tags) {
  co_await or_return(check_tags(tags, limits::kMaxTagsPerObject));
  ChangeAttributesPayload payload{.version_id = std::move(version_id)};
  payload.what = ChangeAttributesPayload::What::kTags;
  payload.attributes.tags = std::move(tags);
  co_return co_await change_attributes(StoreParts{*this}, std::move(bucket), std::move(key),
                                       std::move(payload));
}

Task<Result<std::string>> ObjectStore::set_object_acl(std::string bucket, std::string key,
                                                      std::string version_id, std::uint8_t acl,
                                                      std::string grants) {
  ChangeAttributesPayload payload{.version_id = std::move(version_id)};
  payload.what = ChangeAttributesPayload::What::kAcl;
  payload.attributes.acl = acl;
  payload.attributes.grants = std::move(grants);
  co_return co_await change_attributes(StoreParts{*this}, std::move(bucket), std::move(key),
                                       std::move(payload));
}

Task<Result<std::string>> ObjectStore::set_retention(std::string bucket, std::string key,
                                                     std::string version_id, Retention retention,
                                                     bool bypass_governance) {
  ChangeAttributesPayload payload{.version_id = std::move(version_id)};
  payload.what = ChangeAttributesPayload::What::kRetention;
  payload.bypass_governance = bypass_governance;
  payload.attributes.retention = retention;
  co_return co_await change_attributes(StoreParts{*this}, std::move(bucket), std::move(key),
                                       std::move(payload));
}

Task<Result<std::string>> ObjectStore::set_legal_hold(std::string bucket, std::string key,
                                                      std::string version_id, bool on) {
  ChangeAttributesPayload payload{.version_id = std::move(version_id)};
  payload.what = ChangeAttributesPayload::What::kLegalHold;
  payload.attributes.legal_hold = on;
  co_return co_await change_attributes(StoreParts{*this}, std::move(bucket), std::move(key),
                                       std::move(payload));
}

Task<Result<std::string>> ObjectStore::set_posix(std::string bucket, std::string key, std::string version_id,
                                                 PosixAttributes posix) {
  ChangeAttributesPayload payload{.version_id = std::move(version_id)};
  payload.what = ChangeAttributesPayload::What::kPosix;
  payload.attributes.posix = std::move(posix);
  co_return co_await change_attributes(StoreParts{*this}, std::move(bucket), std::move(key),
                                       std::move(payload));
}

}  // namespace flashstor::objects
