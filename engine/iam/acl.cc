#include "engine/iam/acl.h"

#include <algorithm>
#include <array>
#include <initializer_list>

namespace flashstor::iam {
namespace {

constexpr std::array<std::string_view, 5> kPermissionNames = {"FULL_CONTROL", "READ", "WRITE", "READ_ACP",
                                                              "WRITE_ACP"};

bool is_one_of(std::string_view action, std::initializer_list<std::string_view> actions) {
  return std::ranges::find(actions, action) != actions.end();
}

/// The permission that an action needs in the ACL; nullopt where no ACL allows it.
std::optional<Permission> needed(AclTarget target, std::string_view action) {
  if (target == AclTarget::kBucket) {
    if (is_one_of(action, {"s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"}))
      return Permission::kRead;
    if (is_one_of(action, {"s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"}))
      return Permission::kWrite;
    if (action == "s3:GetBucketAcl") return Permission::kReadAcp;
    if (action == "s3:PutBucketAcl") return Permission::kWriteAcp;
    return std::nullopt;
  }
  if (is_one_of(action, {"s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectAttributes",
                         "s3:GetObjectVersionAttributes"}))
    return Permission::kRead;
  if (is_one_of(action, {"s3:GetObjectAcl", "s3:GetObjectVersionAcl"})) return Permission::kReadAcp;
  if (is_one_of(action, {"s3:PutObjectAcl", "s3:PutObjectVersionAcl"})) return Permission::kWriteAcp;
  return std::nullopt;
}

bool is_for(const Grant& grant, const Principal& principal) {
  switch (grant.to) {
    case Grant::To::kEveryone:
      return true;
    case Grant::To::kSigned:
      return !principal.is_anonymous();
    case Grant::To::kUser:
      return !principal.is_anonymous() && grant.canonical_id == principal.canonical_id;
  }
  return false;
}

bool listed(const Grants& grants, Permission permission, const Principal& principal) {
  return std::ranges::any_of(grants, [&](const Grant& grant) {
    return (grant.permission == permission || grant.permission == Permission::kFullControl) &&
           is_for(grant, principal);
  });
}

}  // namespace

std::optional<CannedAcl> parse_canned_acl(std::string_view text) {
  if (is_one_of(text, {"private", "bucket-owner-read", "bucket-owner-full-control", "aws-exec-read"}))
    return CannedAcl::kPrivate;
  if (text == "public-read") return CannedAcl::kPublicRead;
  if (text == "public-read-write") return CannedAcl::kPublicReadWrite;
  if (text == "authenticated-read") return CannedAcl::kAuthenticatedRead;
  return std::nullopt;
}

std::string_view name_of(CannedAcl acl) {
  switch (acl) {
    case CannedAcl::kPrivate:
      return "private";
    case CannedAcl::kPublicRead:
      return "public-read";
    case CannedAcl::kPublicReadWrite:
      return "public-read-write";
    case CannedAcl::kAuthenticatedRead:
      return "authenticated-read";
    case CannedAcl::kListed:
      return "listed";
  }
  return "private";
}

std::optional<Permission> parse_permission(std::string_view text) {
  const auto found = std::ranges::find(kPermissionNames, text);
  if (found == kPermissionNames.end()) return std::nullopt;
  return static_cast<Permission>(found - kPermissionNames.begin());
}

std::string_view name_of(Permission permission) {
  return kPermissionNames[static_cast<std::size_t>(permission)];
}

std::string encode_grants(const Grants& grants) {
  std::string out;
  for (const Grant& grant : grants) {
    out.append(grant.to == Grant::To::kEveryone ? "*"
               : grant.to == Grant::To::kSigned ? "+"
                                                : grant.canonical_id);
    out.append(" ").append(name_of(grant.permission)).append("\n");
  }
  return out;
}

Result<Grants> decode_grants(std::string_view text) {
  Grants grants;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    const std::size_t space = line.find(' ');
    if (end == std::string_view::npos || space == 0 || space == std::string_view::npos)
      return fail(ErrorCode::kMalformed, "a list of grants that does not parse");
    const std::string_view who = line.substr(0, space);
    const auto permission = parse_permission(line.substr(space + 1));
    if (!permission) return fail(ErrorCode::kMalformed, "a grant with an unknown permission");
    const Grant::To to = who == "*"   ? Grant::To::kEveryone
                         : who == "+" ? Grant::To::kSigned
                                      : Grant::To::kUser;
    grants.push_back({to, to == Grant::To::kUser ? std::string(who) : std::string(), *permission});
    text.remove_prefix(end + 1);
  }
  return grants;
}

bool is_public(const Acl& acl) {
  if (acl.canned != CannedAcl::kListed) return acl.canned != CannedAcl::kPrivate;
  return std::ranges::any_of(acl.grants, [](const Grant& grant) { return grant.to != Grant::To::kUser; });
}

bool acl_allows(const Acl& acl, AclTarget target, std::string_view action, const Principal& principal) {
  const std::optional<Permission> permission = needed(target, action);
  if (!permission) return false;
  const bool reads = *permission == Permission::kRead;
  switch (acl.canned) {
    case CannedAcl::kPrivate:
      return false;
    case CannedAcl::kAuthenticatedRead:
      return reads && !principal.is_anonymous();
    case CannedAcl::kPublicRead:
      return reads;
    case CannedAcl::kPublicReadWrite:
      return reads || *permission == Permission::kWrite;
    case CannedAcl::kListed:
      return listed(acl.grants, *permission, principal);
  }
  return false;
}

bool object_acl_knows(std::string_view action) { return needed(AclTarget::kObject, action).has_value(); }

}  // namespace flashstor::iam
