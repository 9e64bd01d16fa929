#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "engine/objects/bucket_types.h"
#include "engine/objects/object_store.h"
#include "engine/objects/system_store.h"

namespace flashstor::objects {

/// The buckets that a loop has seen since any bucket of the process changed. Threads: one loop.
class BucketCache {
 public:
  BucketCache(SystemStore store, BucketEpoch& epoch) : store_(store), epoch_(epoch) {}

  /// The bucket when it is known, without waiting.
  [[nodiscard]] BucketRef peek(std::string_view name);
  /// Errors: kNoSuchBucket.
  Task<Result<BucketRef>> get(std::string name);
  void clear() { buckets_.clear(); }
  [[nodiscard]] SystemStore& store() { return store_; }

 private:
  SystemStore store_;
  BucketEpoch& epoch_;
  std::uint64_t seen_ = 0;
  std::map<std::string, BucketRef, std::less<>> buckets_;
};

}  // namespace flashstor::objects
