#include "s3d/ops/acl_grants.h"

#include <algorithm>
#include <array>
#include <utility>

#include "engine/base/log.h"
#include "s3d/ops/bucket_policies.h"
#include "s3d/ops/xml_reader.h"

namespace flashstor::s3d {
namespace {

using iam::CannedAcl;
using iam::Grant;
using iam::Permission;

constexpr std::array<std::pair<std::string_view, Permission>, 5> kGrantHeaders = {{
    {"x-amz-grant-read", Permission::kRead},
    {"x-amz-grant-write", Permission::kWrite},
    {"x-amz-grant-read-acp", Permission::kReadAcp},
    {"x-amz-grant-write-acp", Permission::kWriteAcp},
    {"x-amz-grant-full-control", Permission::kFullControl},
}};

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

Result<Grant> grant_to_user(Call& call, std::string_view id, Permission permission) {
  auto& identities = call.services().authorizer.identities();
  if (call.services().owners.display_name(identities, id).empty())
    return call.refuse(S3Code::kInvalidArgument, "Invalid id",
                       {{"ArgumentName", "CanonicalUser/ID"}, {"ArgumentValue", std::string(id)}});
  return Grant{Grant::To::kUser, std::string(id), permission};
}

Result<Grant> grant_to_group(Call& call, std::string_view uri, Permission permission) {
  if (uri == kAllUsersGroup) return Grant{Grant::To::kEveryone, {}, permission};
  if (uri == kSignedUsersGroup) return Grant{Grant::To::kSigned, {}, permission};
  return call.refuse(S3Code::kInvalidArgument, "Invalid group uri",
                     {{"ArgumentName", "Group/URI"}, {"ArgumentValue", std::string(uri)}});
}

/// Users have no addresses here, so none of them is anybody's.
std::unexpected<Error> refuse_email(Call& call) {
  return call.refuse(S3Code::kUnresolvableGrantByEmailAddress);
}

/// `id="…", uri="…"`
Result<void> add_from_header(Call& call, std::string_view text, Permission permission, iam::Grants& grants) {
  while (!text.empty()) {
    const auto end = text.find(',');
    const std::string_view piece = trimmed(text.substr(0, end));
    const auto equals = piece.find('=');
    const std::string_view kind = trimmed(piece.substr(0, equals));
    std::string_view value = equals == std::string_view::npos ? "" : trimmed(piece.substr(equals + 1));
    if (value.size() >= 2 && value.starts_with('"') && value.ends_with('"'))
      value = value.substr(1, value.size() - 2);
    if (equal_ignoring_case(kind, "emailAddress")) return refuse_email(call);
    const bool of_group = equal_ignoring_case(kind, "uri");
    if ((!of_group && !equal_ignoring_case(kind, "id")) || grants.size() >= ops_limits::kMaxGrants)
      return call.refuse(S3Code::kInvalidArgument, "Argument format not recognized");
    auto grant = of_group ? grant_to_group(call, value, permission) : grant_to_user(call, value, permission);
    if (!grant) return std::unexpected(grant.error());
    grants.push_back(std::move(*grant));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return {};
}

Result<iam::Acl> canned_acl(Call& call, std::string_view word, std::string_view owner) {
  const auto canned = iam::parse_canned_acl(word);
  if (!canned)
    return call.refuse(S3Code::kInvalidArgument, {},
                       {{"ArgumentName", "x-amz-acl"}, {"ArgumentValue", std::string(word)}});
  iam::Acl acl{.canned = *canned};
  const bool reads = word == "bucket-owner-read";
  if ((reads || word == "bucket-owner-full-control") && call.bucket != nullptr && !owner.empty() &&
      !call.bucket->owner.empty() && call.bucket->owner != owner) {
    acl.canned = CannedAcl::kListed;
    acl.grants = {
        {Grant::To::kUser, std::string(owner), Permission::kFullControl},
        {Grant::To::kUser, call.bucket->owner, reads ? Permission::kRead : Permission::kFullControl}};
  }
  return acl;
}

/// The canned ACL that these grants come to, if one does.
CannedAcl canned_of(const iam::Grants& grants, std::string_view owner) {
  bool of_owner = false, all_read = false, all_write = false, signed_read = false;
  for (const Grant& grant : grants) {
    const bool everyone = grant.to == Grant::To::kEveryone;
    if (grant.to == Grant::To::kUser && grant.canonical_id == owner &&
        grant.permission == Permission::kFullControl) {
      of_owner = true;
    } else if (everyone && grant.permission == Permission::kRead) {
      all_read = true;
    } else if (everyone && grant.permission == Permission::kWrite) {
      all_write = true;
    } else if (grant.to == Grant::To::kSigned && grant.permission == Permission::kRead) {
      signed_read = true;
    } else {
      return CannedAcl::kListed;
    }
  }
  if (!of_owner || (signed_read && all_read) || (all_write && !all_read)) return CannedAcl::kListed;
  if (all_read) return all_write ? CannedAcl::kPublicReadWrite : CannedAcl::kPublicRead;
  return signed_read ? CannedAcl::kAuthenticatedRead : CannedAcl::kPrivate;
}

iam::Acl acl_of(iam::Grants grants, std::string_view owner) {
  const CannedAcl canned = canned_of(grants, owner);
  if (canned != CannedAcl::kListed) return {.canned = canned};
  return {.canned = CannedAcl::kListed, .grants = std::move(grants)};
}

Result<Grant> grant_from_element(Call& call, const XmlElement& element) {
  const XmlElement grantee = element.child("Grantee");
  const auto permission = iam::parse_permission(element.child("Permission").trimmed());
  if (element.name() != "Grant" || !grantee.present() || !permission)
    return call.refuse(S3Code::kMalformedACLError);
  if (const auto uri = grantee.child("URI"); uri.present())
    return grant_to_group(call, uri.trimmed(), *permission);
  if (grantee.child("EmailAddress").present()) return refuse_email(call);
  if (!grantee.child("ID").present()) return call.refuse(S3Code::kMalformedACLError);
  return grant_to_user(call, grantee.child("ID").trimmed(), *permission);
}

}  // namespace

Result<std::optional<iam::Acl>> acl_from_headers(Call& call, std::string_view owner) {
  const auto word = call.header("x-amz-acl");
  iam::Grants grants;
  bool listed = false;
  for (const auto& [name, permission] : kGrantHeaders) {
    const auto header = call.header(name);
    if (!header || header->empty()) continue;
    listed = true;
    if (auto added = add_from_header(call, *header, permission, grants); !added)
      return std::unexpected(added.error());
  }
  const bool canned = word && !word->empty();
  if (canned && listed)
    return call.refuse(S3Code::kInvalidRequest,
                       "Specifying both Canned ACLs and Header Grants is not allowed");
  if (listed) return acl_of(std::move(grants), owner);
  if (!canned) return std::optional<iam::Acl>();
  return canned_acl(call, *word, owner);
}

Result<iam::Acl> acl_from_document(Call& call, std::string_view text, std::string_view owner) {
  const auto document = XmlDocument::parse(text);
  if (!document || document->root().name() != "AccessControlPolicy")
    return call.refuse(S3Code::kMalformedACLError);
  const XmlElement root = document->root();
  if (!root.child("AccessControlList").present()) return call.refuse(S3Code::kMalformedACLError);
  if (const auto id = root.child("Owner").child("ID"); id.present() && id.trimmed() != owner)
    return fail(ErrorCode::kAccessDenied);
  iam::Grants grants;
  for (const XmlElement& element : root.child("AccessControlList").children()) {
    auto grant = grant_from_element(call, element);
    if (!grant) return std::unexpected(grant.error());
    if (grants.size() >= ops_limits::kMaxGrants) return call.refuse(S3Code::kMalformedACLError);
    grants.push_back(std::move(*grant));
  }
  return acl_of(std::move(grants), owner);
}

iam::Acl stored_acl(std::uint8_t canned, std::string_view grants) {
  iam::Acl acl{.canned = static_cast<CannedAcl>(canned)};
  if (acl.canned != CannedAcl::kListed) return acl;
  if (auto listed = iam::decode_grants(grants)) {
    acl.grants = std::move(*listed);
  } else {
    base::log_error("an ACL does not parse: {}", listed.error().describe());
  }
  return acl;
}

}  // namespace flashstor::s3d
