#include "s3d/ops/bucket_policies.h"

#include "engine/base/log.h"
#include "engine/objects/limits.h"
#include "s3d/ops/acl_grants.h"

namespace flashstor::s3d {

BucketPolicies::Access BucketPolicies::access(const objects::BucketRef& bucket) {
  auto [at, fresh] = entries_.try_emplace(bucket->name);
  Entry& entry = at->second;
  if (entry.bucket != bucket) {
    if (fresh && entries_.size() > objects::limits::kMaxCachedBuckets) {
      entries_.clear();
      return access(bucket);
    }
    entry = Entry{.bucket = bucket, .acl = stored_acl(bucket->acl, bucket->grants)};
    if (!entry.acl.grants.empty()) entry.grants = std::make_shared<const iam::Grants>(entry.acl.grants);
    if (const auto found = bucket->configs.find(kPublicAccessBlock); found != bucket->configs.end())
      entry.block = parse_public_access_block(found->second);
    if (const auto found = bucket->configs.find(kOwnership); found != bucket->configs.end())
      entry.acls_disabled = found->second == kOwnerEnforced;
    if (const auto found = bucket->configs.find("policy"); found != bucket->configs.end()) {
      auto parsed = iam::Policy::parse(found->second, iam::PolicyKind::kBucket, bucket->name);
      entry.valid = parsed.has_value();
      if (parsed) {
        entry.policy = std::move(*parsed);
      } else {
        base::log_error("policy of bucket {} does not parse: {}", bucket->name, parsed.error().describe());
      }
    }
  }
  Access out{.access = {.policy = entry.policy, .acl = entry.acl.canned, .grants = entry.grants},
             .valid = entry.valid,
             .block = entry.block,
             .acls_disabled = entry.acls_disabled};
  if (out.ignores(entry.acl)) {
    out.access.acl = iam::CannedAcl::kPrivate;
    out.access.grants = nullptr;
  }
  return out;
}

std::string_view OwnerNames::display_name(iam::IamView& identities, std::string_view canonical_id) {
  const iam::Snapshot& now = identities.current();
  if (now.epoch != epoch_) {
    names_.clear();
    names_.emplace(now.root->canonical_id, now.root->access_key);
    for (const auto& [access_key, identity] : now.users) names_.emplace(identity->canonical_id, access_key);
    epoch_ = now.epoch;
  }
  const auto found = names_.find(std::string(canonical_id));
  return found == names_.end() ? std::string_view() : found->second;
}

}  // namespace flashstor::s3d
