#pragma once

#include <string_view>

#include "engine/iam/request_context.h"
#include "engine/objects/bucket_types.h"
#include "s3d/ops/call.h"

namespace flashstor::s3d {

inline constexpr std::string_view kBucketOwnerKey = "flashstor:bucketowner";

/// What policies may ask of a request: addresses, headers, query parameters, tags. Computes only what is
/// asked. `bucket` is the one asked about (nullptr: one that is not there yet); `object_tags` are those of
/// the object as it is, where they were read.
class RequestConditions final : public iam::ConditionKeysApi {
 public:
  RequestConditions(Call& call, Request& request, const objects::Bucket* bucket,
                    const objects::Tags* object_tags)
      : call_(call), request_(request), bucket_(bucket), object_tags_(object_tags) {}
  bool find(std::string_view key, iam::ConditionValues& values) const override;

 private:
  bool find_aws(std::string_view key, iam::ConditionValues& values) const;
  bool find_s3(std::string_view key, iam::ConditionValues& values) const;
  bool find_request_tag(std::string_view key, iam::ConditionValues& values) const;
  bool add_header(std::string_view name, iam::ConditionValues& values) const;
  bool add_query(std::string_view name, iam::ConditionValues& values) const;
  Call& call_;
  Request& request_;
  const objects::Bucket* bucket_;
  const objects::Tags* object_tags_;
};

/// The access key of who owns the bucket, for the condition key flashstor:BucketOwner. False when it has no
/// owner who is still there.
[[nodiscard]] bool add_bucket_owner(Services& services, const objects::Bucket& bucket,
                                    iam::ConditionValues& values);

/// `a=1&b=2` as the x-amz-tagging header has it. Errors: kInvalidArgument.
[[nodiscard]] Result<objects::Tags> parse_tagging_header(std::string_view text);

/// Percent-decoding; '+' is a space when `plus`. Broken escapes stay as they are.
[[nodiscard]] std::string url_decode(std::string_view text, bool plus);

}  // namespace flashstor::s3d
