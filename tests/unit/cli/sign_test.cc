#include "cli/sign.h"

#include <gtest/gtest.h>

#include "cli/clock.h"
#include "cli/digest.h"
#include "engine/base/hex.h"

namespace flashstor::cli {
namespace {

// The examples that AWS publishes: "Authenticating Requests: Using the Authorization Header", "… Query
// Parameters".
const Credentials kCredentials{"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", {}};
const std::string kNothing = base::to_hex(sha256(""));

SigningScope scope() { return {"us-east-1", "s3", parse_iso("2013-05-24T00:00:00Z").value()}; }

SigningInput input(std::string method, std::string path, Query query = {}, Headers headers = {},
                   std::string hash = kNothing) {
  return {std::move(method),  "examplebucket.s3.amazonaws.com",
          std::move(path),    std::move(query),
          std::move(headers), std::move(hash)};
}

std::string signature_of(const Headers& headers) {
  for (const Header& header : headers) {
    const auto at = header.value.find("Signature=");
    if (header.name == "Authorization" && at != std::string::npos) return header.value.substr(at + 10);
  }
  return {};
}

TEST(Sign, GetObjectWithRange) {
  const Headers headers =
      sign_headers(input("GET", "/test.txt", {}, {{"Range", "bytes=0-9"}}), kCredentials, scope());
  EXPECT_EQ(signature_of(headers), "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  EXPECT_EQ(headers.back().value.substr(0, headers.back().value.find(", Signature")),
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
            "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date");
}

TEST(Sign, PutObject) {
  const Headers headers = sign_headers(
      input("PUT", "/test%24file.text", {},
            {{"Date", "Fri, 24 May 2013 00:00:00 GMT"}, {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
            base::to_hex(sha256("Welcome to Amazon S3."))),
      kCredentials, scope());
  EXPECT_EQ(signature_of(headers), "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

TEST(Sign, SubResourceAndQuery) {
  EXPECT_EQ(signature_of(sign_headers(input("GET", "/", {{"lifecycle", ""}}), kCredentials, scope())),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
  EXPECT_EQ(signature_of(
                sign_headers(input("GET", "/", {{"prefix", "J"}, {"max-keys", "2"}}), kCredentials, scope())),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

TEST(Sign, PresignedUrl) {
  const std::string query =
      presign_query(input("GET", "/test.txt"), kCredentials, scope(), std::chrono::seconds(86400));
  EXPECT_EQ(
      query,
      "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2F"
      "aws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature="
      "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
}

TEST(Sign, SessionTokenIsSigned) {
  Credentials session = kCredentials;
  session.session_token = "token";
  const Headers headers = sign_headers(input("GET", "/"), session, scope());
  EXPECT_NE(headers.back().value.find("x-amz-security-token"), std::string::npos);
}

TEST(Sign, QuerySortsByEncodedName) {
  EXPECT_EQ(canonical_query({{"b", "2"}, {"a b", "ü"}, {"a", "x/y"}, {"a", "+"}}),
            "a=%2B&a=x%2Fy&a%20b=%C3%BC&b=2");
}

}  // namespace
}  // namespace flashstor::cli
