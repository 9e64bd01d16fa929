#include "s3d/node/mount_handover.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include "engine/base/hex.h"
#include "s3d/auth/canonical.h"
#include "s3d/auth/sha256.h"

namespace flashstor::s3d {
namespace {

constexpr const char* kDate = "20260102T030405Z";

std::string mac(std::string_view key, std::string_view message) {
  const Sha256Digest digest = HmacKey(key).sign(message);
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

HandoverRequest signed_request(const std::string& access_key, const std::string& secret) {
  HandoverRequest request{.bucket = "photos",
                          .mountpoint = "/mnt",
                          .options = {},
                          .access_key = access_key,
                          .date = kDate,
                          .signature = {}};
  request.signature = base::to_hex(
      mac(mac("flashstor-mount" + secret, kDate), fmt::format("photos\n/mnt\n{}\n{}", access_key, kDate)));
  return request;
}

class HandoverTest : public testing::Test {
 protected:
  Result<void> verify(const HandoverRequest& request, Nanoseconds later = {}) {
    return verify_handover(request, view_, *parse_amz_date(kDate) + later);
  }
  iam::Iam iam_{"rootuser", "rootpassword"};
  iam::IamView view_{iam_};
};

TEST_F(HandoverTest, TheSecretDecides) {
  EXPECT_TRUE(verify(signed_request("rootuser", "rootpassword")));
  EXPECT_EQ(verify(signed_request("rootuser", "another")).error().code(), ErrorCode::kSignatureMismatch);
  EXPECT_EQ(verify(signed_request("nobody", "rootpassword")).error().code(), ErrorCode::kInvalidAccessKey);
}

TEST_F(HandoverTest, EverySignedFieldCounts) {
  for (std::string HandoverRequest::* field : {&HandoverRequest::bucket, &HandoverRequest::mountpoint}) {
    HandoverRequest request = signed_request("rootuser", "rootpassword");
    request.*field += "x";
    EXPECT_EQ(verify(request).error().code(), ErrorCode::kSignatureMismatch);
  }
  HandoverRequest request = signed_request("rootuser", "rootpassword");
  request.date = "20260102T030406Z";
  EXPECT_EQ(verify(request).error().code(), ErrorCode::kSignatureMismatch);
  request.signature.clear();
  EXPECT_FALSE(verify(request));
}

TEST_F(HandoverTest, ItHoldsForAQuarterOfAnHour) {
  const HandoverRequest request = signed_request("rootuser", "rootpassword");
  EXPECT_TRUE(verify(request, std::chrono::minutes(15)));
  EXPECT_TRUE(verify(request, -std::chrono::minutes(15)));
  EXPECT_EQ(verify(request, std::chrono::minutes(16)).error().code(), ErrorCode::kRequestTimeSkewed);
  EXPECT_EQ(verify(request, -std::chrono::minutes(16)).error().code(), ErrorCode::kRequestTimeSkewed);
}

std::string message(const std::string& version, const std::string& mountpoint) {
  return R"({"version":)" + version + R"(,"bucket":"b","mountpoint":")" + mountpoint +
         R"(","options":{"ro":""},"access_key":"a","date":"d","signature":"s"})";
}

TEST(Handover, ParsesWhatClientsSend) {
  const auto request = parse_handover(message("1", "/mnt"));
  ASSERT_TRUE(request);
  EXPECT_EQ(request->bucket, "b");
  EXPECT_EQ(request->options.at("ro"), "");
  EXPECT_EQ(parse_handover(message("2", "/mnt")).error().code(), ErrorCode::kNotSupported);
  EXPECT_EQ(parse_handover(message("1", "mnt")).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(parse_handover(message("1", "/m\\nnt")).error().code(), ErrorCode::kMalformed);
  EXPECT_EQ(parse_handover(R"({"version":1})").error().code(), ErrorCode::kMalformed);
  EXPECT_EQ(parse_handover("\xff").error().code(), ErrorCode::kMalformed);
}

TEST(Handover, MountOptions) {
  const auto options = session_options({{"ro", ""},
                                        {"uid", "12"},
                                        {"gid", "34"},
                                        {"umask", "077"},
                                        {"allow_other", ""},
                                        {"_netdev", ""},
                                        {"x-systemd.requires", "a"}});
  ASSERT_TRUE(options);
  EXPECT_TRUE(options->read_only);
  EXPECT_TRUE(options->allow_other);
  EXPECT_EQ(options->uid, 12U);
  EXPECT_EQ(options->gid, 34U);
  EXPECT_EQ(options->umask, 077U);
  EXPECT_EQ(session_options({{"bogus", ""}}).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_FALSE(session_options({{"uid", "me"}}));
  EXPECT_FALSE(session_options({{"uid", ""}}));
  EXPECT_FALSE(session_options({{"umask", "9"}}));
}

}  // namespace
}  // namespace flashstor::s3d
