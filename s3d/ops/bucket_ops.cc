#include <algorithm>

#include "engine/objects/bucket_types.h"
#include "s3d/ops/acl_grants.h"
#include "s3d/ops/conditions.h"
#include "s3d/ops/handlers.h"
#include "s3d/ops/object_headers.h"
#include "s3d/ops/public_access.h"
#include "s3d/ops/xml_reader.h"
#include "s3d/ops/xml_writer.h"

namespace flashstor::s3d {
namespace {

/// The names that the server keeps for itself.
bool is_reserved(std::string_view bucket) { return bucket == ops_limits::kInternalBucketName; }

/// The region of a CreateBucketConfiguration; empty for a request without a body.
Result<std::string> location_constraint(Call& call, std::string_view body) {
  if (body.empty()) return std::string();
  const auto document = XmlDocument::parse(body);
  if (!document || document->root().name() != "CreateBucketConfiguration")
    return call.refuse(S3Code::kMalformedXML);
  for (const XmlElement& element : document->root().children())
    if (element.name() != "LocationConstraint" && element.name() != "Tags")
      return call.refuse(S3Code::kNotImplemented, {}, {{"Element", std::string(element.name())}});
  if (!document->root().child("Tags").children().empty())
    return call.refuse(S3Code::kNotImplemented, "Tags in CreateBucketConfiguration are not implemented.");
  return std::string(document->root().child("LocationConstraint").trimmed());
}

/// x-amz-object-ownership and x-amz-bucket-object-lock-enabled of a new bucket.
Result<void> take_settings(Call& call, objects::CreateBucketRequest& request) {
  if (const auto ownership = call.header("x-amz-object-ownership")) {
    if (!is_object_ownership(*ownership))
      return call.refuse(S3Code::kInvalidArgument, {}, {{"ArgumentName", "x-amz-object-ownership"}});
    if (*ownership == kOwnerEnforced && request.acl != static_cast<std::uint8_t>(iam::CannedAcl::kPrivate))
      return call.refuse(S3Code::kInvalidBucketAclWithObjectOwnership);
    request.configs.emplace(kOwnership, *ownership);
  }
  if (const auto lock = call.header("x-amz-bucket-object-lock-enabled")) {
    request.object_lock = equal_ignoring_case(*lock, "true");
    if (!request.object_lock && !equal_ignoring_case(*lock, "false"))
      return call.refuse(S3Code::kInvalidArgument, {},
                         {{"ArgumentName", "x-amz-bucket-object-lock-enabled"}});
  }
  return {};
}

/// The further permissions that these settings need.
Task<Result<void>> authorise_settings(Call& call, const objects::CreateBucketRequest& request) {
  if (request.acl != static_cast<std::uint8_t>(iam::CannedAcl::kPrivate))
    co_await or_return(call.authorise("s3:PutBucketAcl", {}, {}));
  if (!request.configs.empty()) co_await or_return(call.authorise("s3:PutBucketOwnershipControls", {}, {}));
  if (request.object_lock) {
    co_await or_return(call.authorise("s3:PutBucketObjectLockConfiguration", {}, {}));
    co_await or_return(call.authorise("s3:PutBucketVersioning", {}, {}));
  }
  co_return Result<void>();
}

bool is_as_asked(const objects::Bucket& bucket, const objects::CreateBucketRequest& request) {
  const auto is_there = [&](const auto& config) {
    const auto found = bucket.configs.find(config.first);
    return found != bucket.configs.end() && found->second == config.second;
  };
  return bucket.acl == request.acl && bucket.grants == request.grants &&
         (bucket.object_lock || !request.object_lock) && std::ranges::all_of(request.configs, is_there);
}

/// Does ListBuckets show this bucket to the caller? Those that his own policies let him list: what somebody
/// else opened to everybody is not his.
bool may_see(Call& call, const objects::BucketRef& bucket) {
  const iam::BucketAccess known;
  iam::ConditionMap conditions;
  if (iam::ConditionValues owner; add_bucket_owner(call.services(), *bucket, owner))
    conditions.set_all(kBucketOwnerKey, std::move(owner));
  const std::string resource = iam::resource_arn(bucket->name);
  for (const std::string_view action : {"s3:ListBucket", "s3:GetBucketLocation"}) {
    const iam::RequestContext context{.action = action,
                                      .resource = resource,
                                      .now = call.services().runtime.wall_now(),
                                      .conditions = &conditions};
    if (call.services().authorizer.decide(call.who, known, context).allowed) return true;
  }
  return false;
}

void write_owner(Call& call, XmlWriter& xml) {
  xml.open("Owner").element("ID", call.who->canonical_id);
  xml.element("DisplayName", call.who->access_key).close("Owner");
}

}  // namespace

Task<Result<void>> list_buckets(Call& call) {
  if (call.is_anonymous()) co_return fail(ErrorCode::kAccessDenied);
  const std::uint32_t max = co_await or_return(call.query_number("max-buckets", ops_limits::kMaxBuckets));
  if (max == 0 || max > ops_limits::kMaxBuckets)
    co_return call.refuse(S3Code::kInvalidArgument,
                          "Argument max-buckets must be an integer between 1 and 10000",
                          {{"ArgumentName", "max-buckets"}, {"ArgumentValue", std::to_string(max)}});
  const std::string_view region = call.query("bucket-region");
  auto page = co_await or_return(
      call.store().list_buckets({.prefix = std::string(call.query("prefix")),
                                 .continuation_token = std::string(call.query("continuation-token")),
                                 .max_buckets = max}));
  XmlWriter xml;
  xml.open_root("ListAllMyBucketsResult");
  write_owner(call, xml);
  xml.open("Buckets");
  for (const objects::BucketRef& bucket : page.buckets) {
    if (!may_see(call, bucket)) continue;
    const std::string_view at = bucket->region.empty() ? call.services().facts.region : bucket->region;
    if (!region.empty() && region != at) continue;
    xml.open("Bucket").element("Name", bucket->name).element("CreationDate", bucket->created);
    if (call.has_query("max-buckets")) xml.element("BucketRegion", at);
    xml.close("Bucket");
  }
  xml.close("Buckets");
  if (call.has_query("prefix")) xml.element("Prefix", call.query("prefix"));
  if (page.is_truncated) xml.element("ContinuationToken", page.next_continuation_token);
  xml.close("ListAllMyBucketsResult");
  co_return co_await call.send_xml(xml);
}

Task<Result<void>> create_bucket(Call& call) {
  if (call.is_anonymous()) co_return fail(ErrorCode::kAccessDenied);
  const Buffer body = co_await or_return(call.small_body(limits::kMaxXmlBytes));
  const std::string asked = co_await or_return(location_constraint(call, body.view()));
  const std::string& here = call.services().facts.region;
  if (!asked.empty() && asked != here && !call.services().facts.any_region)
    co_return call.refuse(S3Code::kInvalidLocationConstraint, {}, {{"LocationConstraint", asked}});
  const auto asked_acl = co_await or_return(acl_from_headers(call, call.who->canonical_id));
  const iam::Acl acl = asked_acl.value_or(iam::Acl{});
  call.body_conditions.emplace_back("s3:locationconstraint", asked.empty() ? here : asked);
  co_await or_return(call.authorise("s3:CreateBucket", {}, {}));
  objects::CreateBucketRequest request{.name = call.bucket_name(),
                                       .owner = call.who->canonical_id,
                                       .region = asked.empty() ? here : asked,
                                       .acl = static_cast<std::uint8_t>(acl.canned),
                                       .grants = iam::encode_grants(acl.grants)};
  co_await or_return(take_settings(call, request));
  co_await or_return(authorise_settings(call, request));
  if (is_reserved(call.target().bucket)) co_return call.refuse(S3Code::kInvalidBucketName);
  const auto made = co_await call.store().create_bucket(request);
  // In us-east-1 making one's own bucket again is success, where it is as it was asked for.
  if (!made) {
    const bool own = made.error().code() == ErrorCode::kBucketOwnedByCaller && here == "us-east-1";
    if (!own || !is_as_asked(*co_await or_return(call.store().head_bucket(call.bucket_name())), request))
      co_return std::unexpected(made.error());
  }
  call.response().add_header("Location", "/" + call.bucket_name());
  co_return co_await call.send_status(200);
}

Task<Result<void>> head_bucket(Call& call) {
  const std::string& region = call.bucket->region;
  call.response().add_header("x-amz-bucket-region", region.empty() ? call.services().facts.region : region);
  call.response().add_header("x-amz-access-point-alias", "false");
  co_return co_await call.send_status(200);
}

Task<Result<void>> delete_bucket(Call& call) {
  co_await or_return(call.store().delete_bucket(call.bucket_name()));
  co_return co_await call.send_status(204);
}

Task<Result<void>> get_bucket_location(Call& call) {
  const std::string& region = call.bucket->region;
  XmlWriter xml;
  if (region.empty() || region == "us-east-1") {
    xml.raw("<LocationConstraint xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"/>");
  } else {
    xml.open_root("LocationConstraint").raw(region).close("LocationConstraint");
  }
  co_return co_await call.send_xml(xml);
}

Task<Result<void>> get_bucket_versioning(Call& call) {
  XmlWriter xml;
  xml.open_root("VersioningConfiguration");
  if (call.bucket->versioning != objects::Versioning::kUnversioned)
    xml.element("Status", call.bucket->versioning == objects::Versioning::kEnabled ? "Enabled" : "Suspended");
  xml.close("VersioningConfiguration");
  co_return co_await call.send_xml(xml);
}

Task<Result<void>> put_bucket_versioning(Call& call) {
  const Buffer body = co_await or_return(call.small_body(limits::kMaxXmlBytes));
  const auto document = XmlDocument::parse(body.view());
  if (!document || document->root().name() != "VersioningConfiguration")
    co_return call.refuse(S3Code::kMalformedXML);
  const XmlElement root = document->root();
  const std::string_view status = root.child("Status").trimmed();
  if (root.child("MfaDelete").trimmed() == "Enabled")
    co_return call.refuse(S3Code::kNotImplemented, "MFA delete is not implemented.");
  if (!root.child("Status").present())
    co_return call.refuse(S3Code::kIllegalVersioningConfigurationException);
  if (status != "Enabled" && status != "Suspended") co_return call.refuse(S3Code::kMalformedXML);
  co_await or_return(call.store().set_versioning(call.bucket_name(), status == "Enabled"
                                                                         ? objects::Versioning::kEnabled
                                                                         : objects::Versioning::kSuspended));
  co_return co_await call.send_status(200);
}

}  // namespace flashstor::s3d
