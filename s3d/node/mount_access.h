#pragma once

#include <string>
#include <string_view>

#include "fusefs/access.h"
#include "s3d/ops/bucket_policies.h"
#include "s3d/ops/services.h"

namespace flashstor::s3d {

/// What a mount may do: what its identity may do over S3 at that moment. A user who was removed or disabled
/// may do nothing more. Threads: the mount's loop.
class MountAccess final : public fusefs::AccessApi {
 public:
  /// `services` are those of the mount's loop and outlive it.
  MountAccess(Services& services, objects::BucketRef bucket, std::string access_key)
      : services_(services), bucket_(std::move(bucket)), access_key_(std::move(access_key)) {}

  Result<void> check(fusefs::AccessKind kind, std::string_view path) override;
  /// Whether the identity may mount the bucket at all: list it or read from it. Errors: kAccessDenied;
  /// kNotSupported where policies look at the tags of objects, which a mount does not read for each access.
  [[nodiscard]] Result<void> check_mount();
  /// The bucket as it is now; nullptr when it was removed: then nothing is allowed.
  void set_bucket(objects::BucketRef bucket) { bucket_ = std::move(bucket); }

 private:
  [[nodiscard]] Result<void> decide(std::string_view action, std::string_view path);
  Services& services_;
  objects::BucketRef bucket_;
  std::string access_key_;
};

}  // namespace flashstor::s3d
