#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace flashstor::iam {

/// The canned ACLs that mean something here. Stored as their number: do not renumber.
enum class CannedAcl : std::uint8_t {
  kPrivate = 0,
  kPublicRead = 1,
  kPublicReadWrite = 2,
  kAuthenticatedRead = 3
};

enum class AclTarget : std::uint8_t { kBucket, kObject };

/// The ACL that the header value `x-amz-acl` names; bucket-owner-read, bucket-owner-full-control and
/// aws-exec-read are kPrivate, since one account owns every bucket and object. nullopt for an unknown word.
[[nodiscard]] std::optional<CannedAcl> parse_canned_acl(std::string_view text);
[[nodiscard]] std::string_view name_of(CannedAcl acl);

/// Does the ACL of a bucket or of an object by itself allow `action` ("s3:GetObject") to somebody who does
/// not own it? Bucket: read is s3:ListBucket, s3:ListBucketVersions and s3:ListBucketMultipartUploads; write
/// is s3:PutObject and s3:DeleteObject. Object: read is s3:GetObject, s3:GetObjectVersion and
/// s3:GetObjectAttributes of it. authenticated-read gives read to everyone who signed. Nothing gives access
/// to ACLs, policies or configuration.
[[nodiscard]] bool acl_allows(CannedAcl acl, AclTarget target, std::string_view action, bool is_anonymous);

}  // namespace flashstor::iam
