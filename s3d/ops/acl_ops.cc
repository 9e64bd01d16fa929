#include "s3d/ops/bucket_policies.h"
#include "s3d/ops/handlers.h"
#include "s3d/ops/object_headers.h"
#include "s3d/ops/public_access.h"
#include "s3d/ops/xml_reader.h"
#include "s3d/ops/xml_writer.h"

namespace flashstor::s3d {
namespace {

constexpr std::string_view kAllUsers = "http://acs.amazonaws.com/groups/global/AllUsers";
constexpr std::string_view kAuthenticatedUsers = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers";
constexpr std::string_view kSchema =
    "<Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"";

struct Person {
  std::string id;
  std::string name;
};

Person owner_of(Call& call, std::string_view canonical_id) {
  auto& identities = call.services().authorizer.identities();
  if (canonical_id.empty()) canonical_id = call.bucket->owner;
  if (canonical_id.empty()) canonical_id = identities.root()->canonical_id;
  return {std::string(canonical_id),
          std::string(call.services().owners.display_name(identities, canonical_id))};
}

void write_group_grant(XmlWriter& xml, std::string_view group, std::string_view permission) {
  xml.open("Grant").raw(kSchema).raw("Group\">").element("URI", group).close("Grantee");
  xml.element("Permission", permission).close("Grant");
}

void write_acl(XmlWriter& xml, const Person& owner, iam::CannedAcl acl) {
  xml.open_root("AccessControlPolicy").open("Owner");
  xml.element("ID", owner.id).element("DisplayName", owner.name).close("Owner");
  xml.open("AccessControlList");
  if (acl == iam::CannedAcl::kPublicRead || acl == iam::CannedAcl::kPublicReadWrite)
    write_group_grant(xml, kAllUsers, "READ");
  if (acl == iam::CannedAcl::kPublicReadWrite) write_group_grant(xml, kAllUsers, "WRITE");
  if (acl == iam::CannedAcl::kAuthenticatedRead) write_group_grant(xml, kAuthenticatedUsers, "READ");
  xml.open("Grant").raw(kSchema).raw("CanonicalUser\">").element("ID", owner.id);
  xml.element("DisplayName", owner.name)
      .close("Grantee")
      .element("Permission", "FULL_CONTROL")
      .close("Grant");
  xml.close("AccessControlList").close("AccessControlPolicy");
}

/// The canned ACL that a list of grants comes to. Errors: MalformedACLError; NotImplemented for grants that
/// no canned ACL makes.
Result<iam::CannedAcl> canned_from_grants(Call& call, std::string_view text, const Person& owner) {
  const auto document = XmlDocument::parse(text);
  if (!document || document->root().name() != "AccessControlPolicy")
    return call.refuse(S3Code::kMalformedACLError);
  const XmlElement root = document->root();
  if (!root.child("AccessControlList").present()) return call.refuse(S3Code::kMalformedACLError);
  if (const auto id = root.child("Owner").child("ID"); id.present() && id.trimmed() != owner.id)
    return fail(ErrorCode::kAccessDenied);
  bool all_read = false, all_write = false, some_read = false;
  for (const XmlElement& grant : root.child("AccessControlList").children()) {
    const XmlElement grantee = grant.child("Grantee");
    const std::string_view permission = grant.child("Permission").trimmed();
    if (grant.name() != "Grant" || !grantee.present() || permission.empty())
      return call.refuse(S3Code::kMalformedACLError);
    const std::string_view group = grantee.child("URI").trimmed();
    if (group.empty() && grantee.child("ID").trimmed() == owner.id && permission == "FULL_CONTROL") continue;
    if (group == kAllUsers && permission == "READ") {
      all_read = true;
    } else if (group == kAllUsers && permission == "WRITE") {
      all_write = true;
    } else if (group == kAuthenticatedUsers && permission == "READ") {
      some_read = true;
    } else {
      return call.refuse(S3Code::kNotImplemented, "Only grants that make a canned ACL are implemented.");
    }
  }
  if (all_write && all_read) return iam::CannedAcl::kPublicReadWrite;
  if (all_write) return call.refuse(S3Code::kNotImplemented, "Write without read is not a canned ACL.");
  if (all_read) return iam::CannedAcl::kPublicRead;
  return some_read ? iam::CannedAcl::kAuthenticatedRead : iam::CannedAcl::kPrivate;
}

/// The ACL that a Put…Acl request asks for, by header or by body.
Task<Result<iam::CannedAcl>> asked_acl(Call& call, Person owner) {
  const auto from_header = co_await or_return(canned_acl_header(call));
  const Buffer body = co_await or_return(call.small_body(limits::kMaxXmlBytes));
  if (from_header) {
    if (!body.empty())
      co_return call.refuse(S3Code::kInvalidRequest,
                            "Specifying both Canned ACLs and Header Grants is not allowed");
    co_await or_return(check_acl_may_be_set(call, *from_header, *call.header("x-amz-acl")));
    co_return *from_header;
  }
  if (body.empty()) co_return call.refuse(S3Code::kMissingSecurityHeader);
  const iam::CannedAcl acl = co_await or_return(canned_from_grants(call, body.view(), owner));
  // The owner's full control and nothing else is what stands where ACLs mean nothing.
  const bool of_owner = acl == iam::CannedAcl::kPrivate;
  co_await or_return(check_acl_may_be_set(call, acl, of_owner ? "bucket-owner-full-control" : ""));
  co_return acl;
}

}  // namespace

Task<Result<void>> get_bucket_acl(Call& call) {
  XmlWriter xml;
  write_acl(xml, owner_of(call, call.bucket->owner), static_cast<iam::CannedAcl>(call.bucket->acl));
  co_return co_await call.send_xml(xml);
}

Task<Result<void>> put_bucket_acl(Call& call) {
  const auto acl = co_await or_return(asked_acl(call, owner_of(call, call.bucket->owner)));
  co_await or_return(call.store().set_bucket_acl(call.bucket_name(), static_cast<std::uint8_t>(acl)));
  co_return co_await call.send_status(200);
}

Task<Result<void>> get_object_acl(Call& call) {
  const auto found = co_await or_return(call.store().head_object(
      {.bucket = call.bucket_name(), .key = call.key(), .version_id = std::string(call.query("versionId"))}));
  if (found.info->bucket_versioning != objects::Versioning::kUnversioned)
    add_version_header(call, found.info->version_id);
  XmlWriter xml;
  write_acl(xml, owner_of(call, found.info->attributes.owner),
            static_cast<iam::CannedAcl>(found.info->attributes.acl));
  co_return co_await call.send_xml(xml);
}

Task<Result<void>> put_object_acl(Call& call) {
  const std::string version_id(call.query("versionId"));
  const auto found = co_await or_return(
      call.store().head_object({.bucket = call.bucket_name(), .key = call.key(), .version_id = version_id}));
  const auto acl = co_await or_return(asked_acl(call, owner_of(call, found.info->attributes.owner)));
  const std::string changed = co_await or_return(call.store().set_object_acl(
      call.bucket_name(), call.key(), version_id, static_cast<std::uint8_t>(acl)));
  if (found.info->bucket_versioning != objects::Versioning::kUnversioned) add_version_header(call, changed);
  co_return co_await call.send_status(200);
}

}  // namespace flashstor::s3d
