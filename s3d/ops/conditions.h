#pragma once

#include <string_view>

#include "engine/iam/request_context.h"
#include "engine/objects/types.h"
#include "s3d/ops/call.h"

namespace flashstor::s3d {

/// What policies may ask of a request: addresses, headers, query parameters, tags. Computes only what is
/// asked. `object_tags` are those of the object as it is, where they were read.
class RequestConditions final : public iam::ConditionKeysApi {
 public:
  RequestConditions(const Call& call, Request& request, const objects::Tags* object_tags)
      : call_(call), request_(request), object_tags_(object_tags) {}
  bool find(std::string_view key, iam::ConditionValues& values) const override;

 private:
  bool find_aws(std::string_view key, iam::ConditionValues& values) const;
  bool find_s3(std::string_view key, iam::ConditionValues& values) const;
  bool find_request_tag(std::string_view key, iam::ConditionValues& values) const;
  bool add_header(std::string_view name, iam::ConditionValues& values) const;
  bool add_query(std::string_view name, iam::ConditionValues& values) const;
  const Call& call_;
  Request& request_;
  const objects::Tags* object_tags_;
};

/// `a=1&b=2` as the x-amz-tagging header has it. Errors: kInvalidArgument.
[[nodiscard]] Result<objects::Tags> parse_tagging_header(std::string_view text);

/// Percent-decoding; '+' is a space when `plus`. Broken escapes stay as they are.
[[nodiscard]] std::string url_decode(std::string_view text, bool plus);

}  // namespace flashstor::s3d
