#include "engine/iam/acl.h"

#include <algorithm>
#include <array>

namespace flashstor::iam {
namespace {

constexpr std::array<std::string_view, 3> kBucketRead = {"s3:ListBucket", "s3:ListBucketVersions",
                                                         "s3:ListBucketMultipartUploads"};
constexpr std::array<std::string_view, 2> kBucketWrite = {"s3:PutObject", "s3:DeleteObject"};
constexpr std::array<std::string_view, 4> kObjectRead = {
    "s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectAttributes", "s3:GetObjectVersionAttributes"};

template <std::size_t N>
bool holds(const std::array<std::string_view, N>& actions, std::string_view action) {
  return std::ranges::find(actions, action) != actions.end();
}

}  // namespace

std::optional<CannedAcl> parse_canned_acl(std::string_view text) {
  if (text == "private" || text == "bucket-owner-read" || text == "bucket-owner-full-control" ||
      text == "aws-exec-read")
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
  }
  return "private";
}

bool acl_allows(CannedAcl acl, AclTarget target, std::string_view action, bool is_anonymous) {
  const bool reads = target == AclTarget::kBucket ? holds(kBucketRead, action) : holds(kObjectRead, action);
  switch (acl) {
    case CannedAcl::kPrivate:
      return false;
    case CannedAcl::kAuthenticatedRead:
      return reads && !is_anonymous;
    case CannedAcl::kPublicRead:
      return reads;
    case CannedAcl::kPublicReadWrite:
      return reads || (target == AclTarget::kBucket && holds(kBucketWrite, action));
  }
  return false;
}

}  // namespace flashstor::iam
