#include "engine/iam/acl.h"

#include <gtest/gtest.h>

namespace flashstor::iam {
namespace {

constexpr Principal kNobody{};
constexpr Principal kAlice{Principal::Kind::kUser, "alice", "a11ce"};
constexpr Principal kBob{Principal::Kind::kUser, "bob", "b0b"};

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
    return acl_allows({.canned = acl}, AclTarget::kBucket, action, anonymous ? kNobody : kAlice);
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
    return acl_allows({.canned = acl}, AclTarget::kObject, action, anonymous ? kNobody : kAlice);
  };
  EXPECT_TRUE(allows(CannedAcl::kPublicRead, "s3:GetObject", true));
  EXPECT_TRUE(allows(CannedAcl::kPublicReadWrite, "s3:GetObjectVersion", true));
  EXPECT_FALSE(allows(CannedAcl::kPublicReadWrite, "s3:PutObject", true)) << "writing is the bucket's ACL";
  EXPECT_FALSE(allows(CannedAcl::kPublicRead, "s3:GetObjectAcl", true));
  EXPECT_TRUE(allows(CannedAcl::kAuthenticatedRead, "s3:GetObject", false));
  EXPECT_FALSE(allows(CannedAcl::kAuthenticatedRead, "s3:GetObject", true));
}

TEST(Acl, AListGivesEachWhatItSaysAndNobodyMore) {
  const auto allows = [](const Grants& grants, AclTarget target, std::string_view action,
                         const Principal& who) {
    return acl_allows({.canned = CannedAcl::kListed, .grants = grants}, target, action, who);
  };
  const Grants alice_reads = {{Grant::To::kUser, "a11ce", Permission::kRead}};
  EXPECT_TRUE(allows(alice_reads, AclTarget::kObject, "s3:GetObject", kAlice));
  EXPECT_FALSE(allows(alice_reads, AclTarget::kObject, "s3:GetObject", kBob));
  EXPECT_FALSE(allows(alice_reads, AclTarget::kObject, "s3:GetObject", kNobody));
  EXPECT_FALSE(allows(alice_reads, AclTarget::kObject, "s3:GetObjectAcl", kAlice));
  EXPECT_FALSE(allows(alice_reads, AclTarget::kBucket, "s3:PutObject", kAlice));
  const Grants alice_all = {{Grant::To::kUser, "a11ce", Permission::kFullControl}};
  for (const std::string_view action : {"s3:GetObject", "s3:GetObjectAcl", "s3:PutObjectAcl"})
    EXPECT_TRUE(allows(alice_all, AclTarget::kObject, action, kAlice)) << action;
  for (const std::string_view action :
       {"s3:ListBucket", "s3:PutObject", "s3:AbortMultipartUpload", "s3:GetBucketAcl", "s3:PutBucketAcl"})
    EXPECT_TRUE(allows(alice_all, AclTarget::kBucket, action, kAlice)) << action;
  for (const std::string_view action : {"s3:PutBucketPolicy", "s3:DeleteBucket", "s3:GetObject"})
    EXPECT_FALSE(allows(alice_all, AclTarget::kBucket, action, kAlice)) << action;
  const Grants signed_acp = {{Grant::To::kSigned, {}, Permission::kReadAcp}};
  EXPECT_TRUE(allows(signed_acp, AclTarget::kObject, "s3:GetObjectAcl", kBob));
  EXPECT_FALSE(allows(signed_acp, AclTarget::kObject, "s3:GetObjectAcl", kNobody));
  EXPECT_TRUE(is_public({.canned = CannedAcl::kListed, .grants = signed_acp}));
  EXPECT_FALSE(is_public({.canned = CannedAcl::kListed, .grants = alice_all}));
  EXPECT_FALSE(allows({}, AclTarget::kObject, "s3:GetObject", kAlice));
}

TEST(Acl, GrantsGoBothWaysThroughTheirStoredForm) {
  const Grants grants = {{Grant::To::kEveryone, {}, Permission::kRead},
                         {Grant::To::kSigned, {}, Permission::kWriteAcp},
                         {Grant::To::kUser, "a11ce", Permission::kFullControl}};
  EXPECT_EQ(encode_grants(grants), "* READ\n+ WRITE_ACP\na11ce FULL_CONTROL\n");
  EXPECT_EQ(*decode_grants(encode_grants(grants)), grants);
  EXPECT_TRUE(decode_grants("")->empty());
  for (const std::string_view bad : {"* READ", "* EAT\n", "READ\n", " READ\n", "\n"})
    EXPECT_FALSE(decode_grants(bad).has_value()) << bad;
}

}  // namespace
}  // namespace flashstor::iam
