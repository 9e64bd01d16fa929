#include "s3d/node/mount_access.h"

#include <fmt/format.h>

#include "s3d/ops/conditions.h"

namespace flashstor::s3d {
namespace {

std::string_view action_of(fusefs::AccessKind kind) {
  switch (kind) {
    case fusefs::AccessKind::kRead:
      return "s3:GetObject";
    case fusefs::AccessKind::kWrite:
      return "s3:PutObject";
    case fusefs::AccessKind::kDelete:
      return "s3:DeleteObject";
    case fusefs::AccessKind::kList:
      return "s3:ListBucket";
  }
  return "s3:GetObject";
}

/// The condition keys that an access through a mount has: it comes from this machine, and no network saw it.
class MountConditions final : public iam::ConditionKeysApi {
 public:
  MountConditions(Services& services, const objects::Bucket& bucket, std::string_view path)
      : services_(services), bucket_(bucket), path_(path) {}
  bool find(std::string_view key, iam::ConditionValues& values) const override {
    if (key == "aws:sourceip") {
      values.emplace_back("127.0.0.1");
    } else if (key == "aws:securetransport") {
      values.emplace_back("true");
    } else if (key == "s3:prefix") {
      values.emplace_back(path_.empty() ? std::string() : std::string(path_) + "/");
    } else if (key == "s3:delimiter") {
      values.emplace_back("/");
    } else {
      return key == kBucketOwnerKey && add_bucket_owner(services_, bucket_, values);
    }
    return true;
  }

 private:
  Services& services_;
  const objects::Bucket& bucket_;
  std::string_view path_;
};

}  // namespace

Result<void> MountAccess::check(fusefs::AccessKind kind, std::string_view path) {
  return decide(action_of(kind), path);
}

Result<void> MountAccess::decide(std::string_view action, std::string_view path) {
  if (bucket_ == nullptr) return fail(ErrorCode::kAccessDenied, "the bucket is gone");
  const auto who = services_.authorizer.identities().find(access_key_);
  if (!who) return fail(ErrorCode::kAccessDenied, "the mount's user is gone or disabled");
  const BucketPolicies::Access known = services_.policies.access(bucket_);
  const bool of_bucket = action == "s3:ListBucket";
  const std::string resource = iam::resource_arn(bucket_->name, of_bucket ? std::string_view() : path);
  const MountConditions conditions(services_, *bucket_, path);
  const iam::Decision decision = services_.authorizer.decide(*who, known.access,
                                                             {.action = action,
                                                              .resource = resource,
                                                              .now = services_.runtime.wall_now(),
                                                              .conditions = &conditions});
  // A policy that does not parse lets nobody but root in, as over S3.
  if (decision.allowed && (known.valid || decision.reason == iam::Reason::kRoot)) return {};
  return fail(ErrorCode::kAccessDenied, fmt::format("{} may not {}", access_key_, action));
}

Result<void> MountAccess::check_mount() {
  if (bucket_ == nullptr) return fail(ErrorCode::kAccessDenied, "the bucket is gone");
  const auto who = services_.authorizer.identities().find(access_key_);
  if (!who) return fail(ErrorCode::kAccessDenied, "no such user, or disabled");
  const BucketPolicies::Access known = services_.policies.access(bucket_);
  if (services_.authorizer.needs_object_tags(*who, known.access))
    return fail(ErrorCode::kNotSupported,
                "policies that look at the tags of objects cannot hold for a mount");
  if (decide("s3:ListBucket", "")) return {};
  return decide("s3:GetObject", "*");
}

}  // namespace flashstor::s3d
