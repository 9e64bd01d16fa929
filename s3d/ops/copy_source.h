#pragma once

#include <string>

#include "engine/objects/bucket_types.h"
#include "s3d/ops/call.h"

namespace flashstor::s3d {

/// What x-amz-copy-source names.
struct CopySource {
  std::string bucket;
  std::string key;
  std::string version_id;
};

/// `[/]bucket/key[?versionId=id]`, percent-encoded. Errors (refused on the call): InvalidArgument.
[[nodiscard]] Result<CopySource> parse_copy_source(Call& call);

/// Its bucket, when the caller may read the source. Errors: kNoSuchBucket, kAccessDenied.
Task<Result<objects::BucketRef>> authorise_copy_source(Call& call, const CopySource& source);

}  // namespace flashstor::s3d
