#include "engine/iam/acl.h"

#include <gtest/gtest.h>

namespace flashstor::iam {
namespace {

TEST(Acl, NamesGoBothWays) {
  for (const CannedAcl acl : {CannedAcl::kPrivate, CannedAcl::kPublicRead, CannedAcl::kPublicReadWrite,
                              CannedAcl::kAuthenticatedRead})
    EXPECT_EQ(parse_canned_acl(name_of(acl)), acl);
  EXPECT_EQ(parse_canned_acl("bucket-owner-full-control"), CannedAcl::kPrivate);
  EXPECT_EQ(parse_canned_acl("public"), std::nullopt);
  EXPECT_EQ(parse_canned_acl(""), std::nullopt);
}

TEST(Acl, OfABucket) {
  const auto allows = [](CannedAcl acl, std::string_view action, bool anonymous) {
    return acl_allows(acl, AclTarget::kBucket, action, anonymous);
  };
  EXPECT_FALSE(allows(CannedAcl::kPrivate, "s3:ListBucket", false));
  EXPECT_TRUE(allows(CannedAcl::kPublicRead, "s3:ListBucket", true));
  EXPECT_FALSE(allows(CannedAcl::kPublicRead, "s3:PutObject", true));
  EXPECT_FALSE(allows(CannedAcl::kPublicRead, "s3:GetObject", true)) << "reading objects is the objects' ACL";
  EXPECT_TRUE(allows(CannedAcl::kPublicReadWrite, "s3:PutObject", true));
  EXPECT_TRUE(allows(CannedAcl::kPublicReadWrite, "s3:DeleteObject", true));
  EXPECT_FALSE(allows(CannedAcl::kPublicReadWrite, "s3:PutBucketPolicy", false));
  EXPECT_TRUE(allows(CannedAcl::kAuthenticatedRead, "s3:ListBucket", false));
  EXPECT_FALSE(allows(CannedAcl::kAuthenticatedRead, "s3:ListBucket", true));
}

TEST(Acl, OfAnObject) {
  const auto allows = [](CannedAcl acl, std::string_view action, bool anonymous) {
    return acl_allows(acl, AclTarget::kObject, action, anonymous);
  };
  EXPECT_TRUE(allows(CannedAcl::kPublicRead, "s3:GetObject", true));
  EXPECT_TRUE(allows(CannedAcl::kPublicReadWrite, "s3:GetObjectVersion", true));
  EXPECT_FALSE(allows(CannedAcl::kPublicReadWrite, "s3:PutObject", true)) << "writing is the bucket's ACL";
  EXPECT_FALSE(allows(CannedAcl::kPublicRead, "s3:GetObjectAcl", true));
  EXPECT_TRUE(allows(CannedAcl::kAuthenticatedRead, "s3:GetObject", false));
  EXPECT_FALSE(allows(CannedAcl::kAuthenticatedRead, "s3:GetObject", true));
}

}  // namespace
}  // namespace flashstor::iam
