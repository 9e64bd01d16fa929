#include "engine/iam/policy.h"
#include "engine/objects/bucket_types.h"
#include "s3d/ops/bucket_policies.h"
#include "s3d/ops/handlers.h"
#include "s3d/ops/tagging_xml.h"
#include "s3d/ops/xml_writer.h"

namespace flashstor::s3d {
namespace {

constexpr const char* kPolicy = "policy";
constexpr const char* kTagging = "tagging";

/// A stored document, or why the client is told that there is none.
Result<std::string> config(Call& call, std::string_view kind, S3Code missing) {
  const auto found = call.bucket->configs.find(kind);
  if (found == call.bucket->configs.end()) return call.refuse(missing);
  return found->second;
}

}  // namespace

Task<Result<void>> get_bucket_policy(Call& call) {
  const std::string text = co_await or_return(config(call, kPolicy, S3Code::kNoSuchBucketPolicy));
  call.response().add_header("Content-Type", "application/json");
  co_return co_await call.response().send(std::string_view(text));
}

Task<Result<void>> put_bucket_policy(Call& call) {
  const Buffer body = co_await or_return(call.small_body(limits::kMaxPolicyBytes, S3Code::kEntityTooLarge));
  if (body.empty()) co_return call.refuse(S3Code::kMissingRequestBodyError);
  const auto policy = iam::Policy::parse(body.view(), iam::PolicyKind::kBucket, call.target().bucket);
  if (!policy) co_return call.refuse(S3Code::kMalformedPolicy, std::string(policy.error().message()));
  if (call.services().policies.access(call.bucket).block.block_public_policy && (*policy)->is_public())
    co_return fail(ErrorCode::kAccessDenied);
  co_await or_return(call.store().set_bucket_config(call.bucket_name(), kPolicy, std::string(body.view())));
  co_return co_await call.send_status(204);
}

Task<Result<void>> delete_bucket_policy(Call& call) {
  co_await or_return(call.store().delete_bucket_config(call.bucket_name(), kPolicy));
  co_return co_await call.send_status(204);
}

Task<Result<void>> get_bucket_policy_status(Call& call) {
  (void)co_await or_return(config(call, kPolicy, S3Code::kNoSuchBucketPolicy));
  const BucketPolicies::Access known = call.services().policies.access(call.bucket);
  const bool is_public = known.access.policy != nullptr && known.access.policy->is_public();
  XmlWriter xml;
  xml.open_root("PolicyStatus").element("IsPublic", is_public).close("PolicyStatus");
  co_return co_await call.send_xml(xml);
}

Task<Result<void>> get_bucket_tagging(Call& call) {
  const std::string stored = co_await or_return(config(call, kTagging, S3Code::kNoSuchTagSet));
  XmlWriter xml;
  write_tagging(xml, co_await or_return(parse_tagging(call, stored)));
  co_return co_await call.send_xml(xml);
}

Task<Result<void>> put_bucket_tagging(Call& call) {
  const Buffer body = co_await or_return(call.small_body(limits::kMaxXmlBytes));
  const objects::Tags tags = co_await or_return(parse_tagging(call, body.view()));
  co_await or_return(objects::check_tags(tags, limits::kMaxTagsPerBucket));
  XmlWriter xml;
  write_tagging(xml, tags);
  const Buffer document = xml.take().flatten();
  co_await or_return(
      call.store().set_bucket_config(call.bucket_name(), kTagging, std::string(document.view())));
  co_return co_await call.send_status(204);
}

Task<Result<void>> delete_bucket_tagging(Call& call) {
  co_await or_return(call.store().delete_bucket_config(call.bucket_name(), kTagging));
  co_return co_await call.send_status(204);
}

}  // namespace flashstor::s3d
