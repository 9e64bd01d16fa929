#include "s3d/ops/public_access.h"

#include "s3d/ops/bucket_policies.h"
#include "s3d/ops/handlers.h"
#include "s3d/ops/xml_reader.h"
#include "s3d/ops/xml_writer.h"

namespace flashstor::s3d {
namespace {

std::optional<bool> flag(const XmlElement& root, std::string_view name) {
  const std::string_view text = root.child(name).trimmed();
  if (text.empty() || equal_ignoring_case(text, "false")) return false;
  if (equal_ignoring_case(text, "true")) return true;
  return std::nullopt;
}

std::optional<PublicAccessBlock> parse_block(std::string_view text) {
  const auto document = XmlDocument::parse(text);
  if (!document || document->root().name() != "PublicAccessBlockConfiguration") return std::nullopt;
  const XmlElement root = document->root();
  const auto acls = flag(root, "BlockPublicAcls");
  const auto ignored = flag(root, "IgnorePublicAcls");
  const auto policy = flag(root, "BlockPublicPolicy");
  const auto buckets = flag(root, "RestrictPublicBuckets");
  if (!acls || !ignored || !policy || !buckets) return std::nullopt;
  return PublicAccessBlock{*acls, *ignored, *policy, *buckets};
}

Buffer block_document(const PublicAccessBlock& block) {
  XmlWriter xml;
  xml.open_root("PublicAccessBlockConfiguration").element("BlockPublicAcls", block.block_public_acls);
  xml.element("IgnorePublicAcls", block.ignore_public_acls);
  xml.element("BlockPublicPolicy", block.block_public_policy);
  xml.element("RestrictPublicBuckets", block.restrict_public_buckets);
  xml.close("PublicAccessBlockConfiguration");
  return xml.take().flatten();
}

Task<Result<void>> store_config(Call& call, std::string_view kind, std::string text, int status) {
  co_await or_return(call.store().set_bucket_config(call.bucket_name(), std::string(kind), std::move(text)));
  co_return co_await call.send_status(status);
}

Task<Result<void>> delete_config(Call& call, std::string_view kind) {
  co_await or_return(call.store().delete_bucket_config(call.bucket_name(), std::string(kind)));
  co_return co_await call.send_status(204);
}

}  // namespace

PublicAccessBlock parse_public_access_block(std::string_view document) {
  return parse_block(document).value_or(PublicAccessBlock{});
}

bool is_object_ownership(std::string_view text) {
  return text == kOwnerEnforced || text == "BucketOwnerPreferred" || text == "ObjectWriter";
}

Result<void> check_acl_may_be_set(Call& call, const iam::Acl& acl, std::string_view word) {
  const BucketPolicies::Access known = call.services().policies.access(call.bucket);
  if (known.acls_disabled && word != "bucket-owner-full-control")
    return call.refuse(S3Code::kAccessControlListNotSupported);
  if (known.block.block_public_acls && iam::is_public(acl)) return fail(ErrorCode::kAccessDenied);
  return {};
}

Task<Result<void>> get_public_access_block(Call& call) {
  const auto found = call.bucket->configs.find(kPublicAccessBlock);
  if (found == call.bucket->configs.end())
    co_return call.refuse(S3Code::kNoSuchPublicAccessBlockConfiguration);
  call.response().add_header("Content-Type", "application/xml");
  co_return co_await call.response().send(std::string_view(found->second));
}

Task<Result<void>> put_public_access_block(Call& call) {
  const Buffer body = co_await or_return(call.small_body(limits::kMaxXmlBytes));
  const auto block = parse_block(body.view());
  if (!block) co_return call.refuse(S3Code::kMalformedXML);
  const Buffer document = block_document(*block);
  co_return co_await store_config(call, kPublicAccessBlock, std::string(document.view()), 200);
}

Task<Result<void>> delete_public_access_block(Call& call) {
  co_return co_await delete_config(call, kPublicAccessBlock);
}

Task<Result<void>> get_bucket_ownership_controls(Call& call) {
  const auto found = call.bucket->configs.find(kOwnership);
  if (found == call.bucket->configs.end()) co_return call.refuse(S3Code::kOwnershipControlsNotFoundError);
  XmlWriter xml;
  xml.open_root("OwnershipControls").open("Rule").element("ObjectOwnership", found->second);
  xml.close("Rule").close("OwnershipControls");
  co_return co_await call.send_xml(xml);
}

Task<Result<void>> put_bucket_ownership_controls(Call& call) {
  const Buffer body = co_await or_return(call.small_body(limits::kMaxXmlBytes));
  const auto document = XmlDocument::parse(body.view());
  if (!document || document->root().name() != "OwnershipControls" || document->root().count("Rule") != 1)
    co_return call.refuse(S3Code::kMalformedXML);
  const std::string ownership(document->root().child("Rule").child("ObjectOwnership").trimmed());
  if (!is_object_ownership(ownership)) co_return call.refuse(S3Code::kMalformedXML);
  if (ownership == kOwnerEnforced && call.bucket->acl != static_cast<std::uint8_t>(iam::CannedAcl::kPrivate))
    co_return call.refuse(S3Code::kInvalidBucketAclWithObjectOwnership);
  co_return co_await store_config(call, kOwnership, ownership, 200);
}

Task<Result<void>> delete_bucket_ownership_controls(Call& call) {
  co_return co_await delete_config(call, kOwnership);
}

}  // namespace flashstor::s3d
