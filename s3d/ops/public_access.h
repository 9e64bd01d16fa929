#pragma once

#include <string>
#include <string_view>

#include "engine/iam/acl.h"
#include "s3d/ops/call.h"

namespace flashstor::s3d {

/// PublicAccessBlockConfiguration: what may not be public in a bucket, whatever ACLs and policies say.
struct PublicAccessBlock {
  bool block_public_acls = false;        ///< Writes that set a public ACL are refused.
  bool ignore_public_acls = false;       ///< Public ACLs that are there give nothing.
  bool block_public_policy = false;      ///< A public bucket policy is refused.
  bool restrict_public_buckets = false;  ///< A public bucket policy gives nothing to who did not sign.
};

inline constexpr std::string_view kPublicAccessBlock = "public-access-block";  ///< Kind of bucket config.
inline constexpr std::string_view kOwnership = "ownership";                    ///< Likewise.
inline constexpr std::string_view kOwnerEnforced = "BucketOwnerEnforced";

/// The stored document of a PublicAccessBlock; nothing is blocked where it does not parse or is empty.
[[nodiscard]] PublicAccessBlock parse_public_access_block(std::string_view document);
/// One of the three values of x-amz-object-ownership.
[[nodiscard]] bool is_object_ownership(std::string_view text);

/// May the request set this ACL, given by `x-amz-acl: word` (empty: by a list of grants)? Errors (refused on
/// the call): AccessControlListNotSupported where the bucket's owner owns all and ACLs mean nothing,
/// AccessDenied for a public ACL in a bucket that blocks them.
[[nodiscard]] Result<void> check_acl_may_be_set(Call& call, const iam::Acl& acl, std::string_view word);

}  // namespace flashstor::s3d
