#pragma once

#include <optional>
#include <string_view>

#include "engine/iam/acl.h"
#include "s3d/ops/call.h"

/// ACLs as requests give them: a canned one, headers of grants, or a document.
namespace flashstor::s3d {

inline constexpr std::string_view kAllUsersGroup = "http://acs.amazonaws.com/groups/global/AllUsers";
inline constexpr std::string_view kSignedUsersGroup =
    "http://acs.amazonaws.com/groups/global/AuthenticatedUsers";

/// The ACL that x-amz-acl or x-amz-grant-* ask for on something that `owner` (a canonical id) owns; nullopt
/// without these headers. bucket-owner-read and -full-control are lists where another than `owner` owns the
/// bucket. Errors (refused on the call): InvalidArgument (an unknown word, nobody with that id),
/// UnresolvableGrantByEmailAddress (users have none), InvalidRequest (both kinds of headers).
[[nodiscard]] Result<std::optional<iam::Acl>> acl_from_headers(Call& call, std::string_view owner);

/// The ACL of an AccessControlPolicy document; what a canned ACL gives is that one. Errors (refused on the
/// call): MalformedACLError, AccessDenied (another owner), and of acl_from_headers for grantees.
[[nodiscard]] Result<iam::Acl> acl_from_document(Call& call, std::string_view text, std::string_view owner);

/// The stored ACL. One whose grants do not parse gives nobody anything.
[[nodiscard]] iam::Acl stored_acl(std::uint8_t canned, std::string_view grants);

}  // namespace flashstor::s3d
