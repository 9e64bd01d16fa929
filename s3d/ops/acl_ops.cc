#include "s3d/ops/acl_grants.h"
#include "s3d/ops/bucket_policies.h"
#include "s3d/ops/handlers.h"
#include "s3d/ops/object_headers.h"
#include "s3d/ops/public_access.h"
#include "s3d/ops/xml_writer.h"

namespace flashstor::s3d {
namespace {

constexpr std::string_view kSchema =
    "<Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"";

/// The canonical id of who owns a bucket, or an object whose row names `canonical_id`.
std::string owner_of(Call& call, std::string_view canonical_id) {
  if (canonical_id.empty()) canonical_id = call.bucket->owner;
  if (!canonical_id.empty()) return std::string(canonical_id);
  return call.services().authorizer.identities().root()->canonical_id;
}

void write_person(Call& call, XmlWriter& xml, std::string_view id) {
  xml.element("ID", id);
  xml.element("DisplayName",
              call.services().owners.display_name(call.services().authorizer.identities(), id));
}

void write_grant(Call& call, XmlWriter& xml, const iam::Grant& grant) {
  xml.open("Grant").raw(kSchema);
  if (grant.to == iam::Grant::To::kUser) {
    xml.raw("CanonicalUser\">");
    write_person(call, xml, grant.canonical_id);
  } else {
    xml.raw("Group\">")
        .element("URI", grant.to == iam::Grant::To::kEveryone ? kAllUsersGroup : kSignedUsersGroup);
  }
  xml.close("Grantee").element("Permission", iam::name_of(grant.permission)).close("Grant");
}

/// What a canned ACL comes to, spelled out.
iam::Grants grants_of(const iam::Acl& acl, const std::string& owner) {
  using enum iam::CannedAcl;
  using To = iam::Grant::To;
  if (acl.canned == kListed) return acl.grants;
  iam::Grants grants;
  if (acl.canned == kPublicRead || acl.canned == kPublicReadWrite)
    grants.push_back({To::kEveryone, {}, iam::Permission::kRead});
  if (acl.canned == kPublicReadWrite) grants.push_back({To::kEveryone, {}, iam::Permission::kWrite});
  if (acl.canned == kAuthenticatedRead) grants.push_back({To::kSigned, {}, iam::Permission::kRead});
  grants.push_back({To::kUser, owner, iam::Permission::kFullControl});
  return grants;
}

void write_acl(Call& call, XmlWriter& xml, const std::string& owner, const iam::Acl& acl) {
  xml.open_root("AccessControlPolicy").open("Owner");
  write_person(call, xml, owner);
  xml.close("Owner").open("AccessControlList");
  for (const iam::Grant& grant : grants_of(acl, owner)) write_grant(call, xml, grant);
  xml.close("AccessControlList").close("AccessControlPolicy");
}

/// The ACL that a Put…Acl request asks for, by header or by body.
Task<Result<iam::Acl>> asked_acl(Call& call, std::string owner) {
  const auto from_headers = co_await or_return(acl_from_headers(call, owner));
  const Buffer body = co_await or_return(call.small_body(limits::kMaxXmlBytes));
  if (from_headers) {
    if (!body.empty())
      co_return call.refuse(S3Code::kInvalidRequest,
                            "Specifying both Canned ACLs and Header Grants is not allowed");
    co_await or_return(check_acl_may_be_set(call, *from_headers, call.header("x-amz-acl").value_or("")));
    co_return *from_headers;
  }
  if (body.empty()) co_return call.refuse(S3Code::kMissingSecurityHeader);
  iam::Acl acl = co_await or_return(acl_from_document(call, body.view(), owner));
  // The owner's full control and nothing else is what stands where ACLs mean nothing.
  const bool of_owner = acl.canned == iam::CannedAcl::kPrivate;
  co_await or_return(check_acl_may_be_set(call, acl, of_owner ? "bucket-owner-full-control" : ""));
  co_return acl;
}

}  // namespace

Task<Result<void>> get_bucket_acl(Call& call) {
  XmlWriter xml;
  write_acl(call, xml, owner_of(call, call.bucket->owner), stored_acl(call.bucket->acl, call.bucket->grants));
  co_return co_await call.send_xml(xml);
}

Task<Result<void>> put_bucket_acl(Call& call) {
  const iam::Acl acl = co_await or_return(asked_acl(call, owner_of(call, call.bucket->owner)));
  co_await or_return(call.store().set_bucket_acl(call.bucket_name(), static_cast<std::uint8_t>(acl.canned),
                                                 iam::encode_grants(acl.grants)));
  co_return co_await call.send_status(200);
}

Task<Result<void>> get_object_acl(Call& call) {
  const auto found = co_await or_return(call.store().head_object(
      {.bucket = call.bucket_name(), .key = call.key(), .version_id = std::string(call.query("versionId"))}));
  const objects::ObjectAttributes& attributes = found.info->attributes;
  if (found.info->bucket_versioning != objects::Versioning::kUnversioned)
    add_version_header(call, found.info->version_id);
  XmlWriter xml;
  write_acl(call, xml, owner_of(call, attributes.owner), stored_acl(attributes.acl, attributes.grants));
  co_return co_await call.send_xml(xml);
}

Task<Result<void>> put_object_acl(Call& call) {
  const std::string version_id(call.query("versionId"));
  const auto found = co_await or_return(
      call.store().head_object({.bucket = call.bucket_name(), .key = call.key(), .version_id = version_id}));
  const iam::Acl acl = co_await or_return(asked_acl(call, owner_of(call, found.info->attributes.owner)));
  const std::string changed = co_await or_return(
      call.store().set_object_acl(call.bucket_name(), call.key(), version_id,
                                  static_cast<std::uint8_t>(acl.canned), iam::encode_grants(acl.grants)));
  if (found.info->bucket_versioning != objects::Versioning::kUnversioned) add_version_header(call, changed);
  co_return co_await call.send_status(200);
}

}  // namespace flashstor::s3d
