#pragma once

#include <cstdint>
#include <memory>

#include "engine/iam/acl.h"
#include "engine/iam/iam.h"
#include "engine/iam/policy.h"

namespace flashstor::iam {

/// What a bucket itself says about who may do what. Views and references are borrowed for the call.
struct BucketAccess {
  PolicyRef policy;  ///< nullptr: no bucket policy.
  CannedAcl acl = CannedAcl::kPrivate;
  std::shared_ptr<const Grants> grants;  ///< Of kListed.
};

enum class Reason : std::uint8_t {
  kRoot,            ///< Allowed: root.
  kIdentityPolicy,  ///< Allowed by a policy attached to the user.
  kBucketPolicy,    ///< Allowed by the bucket's policy.
  kAcl,             ///< Allowed by the ACL of the bucket or object.
  kExplicitDeny,    ///< Denied by a Deny statement.
  kNothingAllows,   ///< Denied because nobody allowed it.
};
[[nodiscard]] std::string_view name_of(Reason reason);

struct Decision {
  bool allowed = false;
  Reason reason = Reason::kNothingAllows;
  /// Denied so far, but the ACL of the object itself could allow it: read the object and ask
  /// with_object_acl().
  bool object_acl_may_allow = false;
};

/// The decision once the object's own ACL is known. Only turns a denial into an allowance where nothing
/// denied explicitly.
[[nodiscard]] Decision with_object_acl(const Decision& decision, const Acl& object_acl,
                                       std::string_view action, const Principal& principal);

/// One loop's decisions, with its cache. Explicit deny wins; then root, or any Allow of identity policies,
/// bucket policy or ACL. Root is the account that owns every bucket: a bucket policy may deny it what it asks
/// for, but never the bucket policy itself (s3:GetBucketPolicy, s3:PutBucketPolicy, s3:DeleteBucketPolicy),
/// so that no bucket is ever lost. Whoever made a bucket has no right to it but what policies give.
///
/// The cache is keyed by identity, action, bucket, the bucket's policy and ACL, and is valid for one epoch.
/// What it keeps is the part of the policies that these do not settle: often nothing, and the answer is
/// there; else the few statements whose resource pattern or condition must be looked at for each request. So
/// no answer that depends on the key or on a condition is ever reused. Threads: one. A hit takes no lock and
/// allocates nothing.
class Authorizer {
 public:
  explicit Authorizer(const Iam& iam);
  Authorizer(const Authorizer&) = delete;
  Authorizer& operator=(const Authorizer&) = delete;
  ~Authorizer();

  [[nodiscard]] Decision decide(const IdentityRef& identity, const BucketAccess& bucket,
                                const RequestContext& request);
  /// Whether deciding this may ask for s3:ExistingObjectTag/…, so that the caller reads the object's tags
  /// first.
  [[nodiscard]] bool needs_object_tags(const IdentityRef& identity, const BucketAccess& bucket) const;
  /// Identities at the current epoch.
  [[nodiscard]] IamView& identities() { return view_; }

  struct Counters {
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;
    std::uint64_t epoch_changes = 0;
    std::uint64_t denied_explicitly = 0;
    std::uint64_t denied_by_default = 0;
  };
  [[nodiscard]] const Counters& counters() const { return counters_; }

 private:
  struct Cache;
  IamView view_;
  std::uint64_t epoch_ = 0;
  std::unique_ptr<Cache> cache_;
  Counters counters_;
};

}  // namespace flashstor::iam
