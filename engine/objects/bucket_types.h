#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/error.h"
#include "engine/objects/types.h"

namespace flashstor::objects {

/// A bucket and everything set on it, as it was at one moment; shared by the requests of a loop.
struct Bucket {
  std::string name;
  Uuid id;
  std::string owner;
  std::string region;
  WallTime created{};
  std::uint64_t epoch = 1;  ///< Raised by changes that every writer must know of before it writes.
  Versioning versioning = Versioning::kUnversioned;
  std::uint8_t acl = 0;  ///< iam::CannedAcl by number.
  std::string grants;    ///< iam::encode_grants, of the ACL kListed.
  bool object_lock = false;
  Uuid deleting;  ///< Not nil: a deletion is under way (its token).
  /// Documents by kind ("policy", "tagging", "cors", "lifecycle", …): opaque bytes of the doors.
  std::map<std::string, std::string, std::less<>> configs;
};
using BucketRef = std::shared_ptr<const Bucket>;

struct CreateBucketRequest {
  std::string name;
  std::string owner;
  std::string region;
  std::uint8_t acl = 0;
  std::string grants = {};
  bool object_lock = false;                                      ///< Turns versioning on too.
  std::map<std::string, std::string, std::less<>> configs = {};  ///< Documents that it has from the start.
};
struct ListBucketsRequest {
  std::string prefix;
  std::string continuation_token;  ///< The last name of the page before.
  std::uint32_t max_buckets = 10'000;
};
struct ListBucketsResult {
  std::vector<BucketRef> buckets;  ///< Sorted by name.
  bool is_truncated = false;
  std::string next_continuation_token;
};

/// S3's rules for general purpose buckets ("Bucket naming rules"). Errors: kInvalidBucketName, in words.
[[nodiscard]] Result<void> check_bucket_name(std::string_view name);
/// Errors: kInvalidArgument (empty), kKeyTooLong, kMalformed (not UTF-8).
[[nodiscard]] Result<void> check_object_key(std::string_view key);
/// S3's rules for tags. `max_tags`: 10 for objects, 50 for buckets. Errors: kInvalidTag.
[[nodiscard]] Result<void> check_tags(const Tags& tags, std::size_t max_tags);

}  // namespace flashstor::objects
