#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

#include "engine/iam/authorizer.h"
#include "engine/objects/bucket_types.h"
#include "s3d/ops/public_access.h"

namespace flashstor::s3d {

/// The parsed policies of buckets, one loop's. A policy is parsed when its bucket was seen to have changed.
class BucketPolicies {
 public:
  /// What the bucket says about access; views into `bucket`. A stored policy that no longer parses gives
  /// access to nobody but root: the answer of `valid` is then false.
  struct Access {
    iam::BucketAccess access;
    bool valid = true;
    PublicAccessBlock block;
    bool acls_disabled = false;  ///< The bucket's owner owns every object, and ACLs give nothing.
    /// Whether this ACL, of the bucket (which `access` then does not have) or of an object, gives nothing.
    [[nodiscard]] bool ignores(const iam::Acl& acl) const {
      return acls_disabled || (block.ignore_public_acls && iam::is_public(acl));
    }
  };
  [[nodiscard]] Access access(const objects::BucketRef& bucket);

 private:
  struct Entry {
    objects::BucketRef bucket;
    iam::PolicyRef policy;
    iam::Acl acl;
    std::shared_ptr<const iam::Grants> grants;
    bool valid = true;
    PublicAccessBlock block;
    bool acls_disabled = false;
  };
  std::unordered_map<std::string, Entry> entries_;
};

/// Who an owner's canonical id belongs to, for the DisplayName of answers; one loop's.
class OwnerNames {
 public:
  /// The access key, or empty when nobody has that id (any more).
  [[nodiscard]] std::string_view display_name(iam::IamView& identities, std::string_view canonical_id);

 private:
  std::uint64_t epoch_ = 0;
  std::unordered_map<std::string, std::string> names_;
};

}  // namespace flashstor::s3d
