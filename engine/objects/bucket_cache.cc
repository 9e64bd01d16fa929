#include "engine/objects/bucket_cache.h"

#include "engine/objects/bucket_record.h"

namespace flashstor::objects {

BucketRef BucketCache::peek(std::string_view name) {
  const std::uint64_t now = epoch_.now();
  if (now != seen_) {
    buckets_.clear();
    seen_ = now;
  }
  const auto at = buckets_.find(name);
  return at == buckets_.end() ? nullptr : at->second;
}

Task<Result<BucketRef>> BucketCache::get(std::string name) {
  if (BucketRef known = peek(name)) co_return known;
  const std::uint64_t before = epoch_.now();
  const auto document = co_await or_return(store_.read(bucket_path(name)));
  if (!document) co_return fail(ErrorCode::kNoSuchBucket, "The specified bucket does not exist");
  BucketRef bucket = std::make_shared<const Bucket>(co_await or_return(decode_bucket(document->bytes)));
  // What was read while something changed may be older than the change.
  if (before == epoch_.now() && before == seen_) {
    if (buckets_.size() >= limits::kMaxCachedBuckets) buckets_.clear();
    buckets_[std::move(name)] = bucket;
  }
  co_return bucket;
}

}  // namespace flashstor::objects
