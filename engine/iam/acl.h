#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/error.h"
#include "engine/iam/request_context.h"

namespace flashstor::iam {

/// The canned ACLs that mean something here. Stored as their number: do not renumber.
enum class CannedAcl : std::uint8_t {
  kPrivate = 0,
  kPublicRead = 1,
  kPublicReadWrite = 2,
  kAuthenticatedRead = 3,
  kListed = 4  ///< None of them: what it grants is listed (Acl::grants).
};

enum class AclTarget : std::uint8_t { kBucket, kObject };

enum class Permission : std::uint8_t { kFullControl, kRead, kWrite, kReadAcp, kWriteAcp };

struct Grant {
  enum class To : std::uint8_t { kUser, kEveryone, kSigned };  ///< kSigned: everyone who signed.
  To to = To::kUser;
  std::string canonical_id;  ///< Of kUser.
  Permission permission = Permission::kRead;
  bool operator==(const Grant&) const = default;
};
using Grants = std::vector<Grant>;

/// The ACL of a bucket or an object.
struct Acl {
  CannedAcl canned = CannedAcl::kPrivate;
  Grants grants;  ///< Of kListed, in the order given; what the owner may do is in it only where it was said.
  bool operator==(const Acl&) const = default;
};

/// The ACL that the header value `x-amz-acl` names; bucket-owner-read, bucket-owner-full-control and
/// aws-exec-read are kPrivate, as they are where the owner of the object owns the bucket too. nullopt for an
/// unknown word.
[[nodiscard]] std::optional<CannedAcl> parse_canned_acl(std::string_view text);
[[nodiscard]] std::string_view name_of(CannedAcl acl);

/// "READ", "FULL_CONTROL", …, as S3 writes them. nullopt for an unknown word.
[[nodiscard]] std::optional<Permission> parse_permission(std::string_view text);
[[nodiscard]] std::string_view name_of(Permission permission);

/// Grants as they are stored: a line each, who and what ("*", "+" or the canonical id; the permission's
/// name). Errors: kMalformed for bytes that encode_grants never wrote.
[[nodiscard]] std::string encode_grants(const Grants& grants);
[[nodiscard]] Result<Grants> decode_grants(std::string_view text);

/// Does it give anything to everyone, or to everyone who signed?
[[nodiscard]] bool is_public(const Acl& acl);

/// Does the ACL of a bucket or of an object by itself allow `action` ("s3:GetObject")? Bucket: read is
/// s3:ListBucket, s3:ListBucketVersions and s3:ListBucketMultipartUploads; write is s3:PutObject,
/// s3:DeleteObject and s3:AbortMultipartUpload. Object: read is s3:GetObject, s3:GetObjectVersion and
/// s3:GetObjectAttributes of it. The ACL itself is read and written with the two permissions that only lists
/// of grants give. Nothing gives access to policies or configuration. No principal is taken for the owner:
/// that is for policies to say.
[[nodiscard]] bool acl_allows(const Acl& acl, AclTarget target, std::string_view action,
                              const Principal& principal);
/// Whether some ACL of an object could allow it.
[[nodiscard]] bool object_acl_knows(std::string_view action);

}  // namespace flashstor::iam
