#pragma once

#include <string>
#include <string_view>

#include "engine/objects/object_types.h"
#include "s3d/ops/call.h"

namespace flashstor::s3d {

inline constexpr std::string_view kObjectLock = "object-lock";  ///< Kind of bucket config.

/// What new objects of a bucket are put under. Mode kNone: nothing.
struct DefaultRetention {
  objects::RetentionMode mode = objects::RetentionMode::kNone;
  std::uint32_t days = 0;   ///< One of the two is 0.
  std::uint32_t years = 0;  ///< Of 365 days.
};

/// Retention and legal hold of a write: x-amz-object-lock-*, else the bucket's default from now on. Asks for
/// the further permissions (s3:PutObjectRetention, s3:PutObjectLegalHold) of what headers say. Errors
/// (refused on the call): InvalidRequest for a bucket without object lock, InvalidArgument, kAccessDenied.
Task<Result<void>> apply_object_lock(Call& call, objects::ObjectAttributes& attributes);

/// The retention that the bucket gives to an object made at that moment; kNone without a default.
[[nodiscard]] objects::Retention default_retention(Call& call, WallTime made);

/// The default retention of an object put together from parts counts from now, not from when its upload
/// began: makes it that long. The object has the shorter one from its first moment on, so it is never
/// without.
Task<void> extend_default_retention(Call& call, std::string version_id);
/// Whether the upload that the call completes got its retention from the bucket.
Task<bool> has_default_retention(Call& call);

/// x-amz-object-lock-* of GET and HEAD, for those who may know.
Task<void> add_object_lock_headers(Call& call, const objects::ObjectInfo& info);

/// Does the request ask for x-amz-bypass-governance-retention, and may it for this key?
Task<bool> may_bypass_governance(Call& call, std::string_view key);

[[nodiscard]] std::string_view mode_name(objects::RetentionMode mode);

}  // namespace flashstor::s3d
