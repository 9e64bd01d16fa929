#include "tests/unit/s3d/auth/auth_fixture.h"

namespace flashstor::s3d {
namespace {

// The examples of AWS, "Signature calculations for the Authorization header" and "… using query parameters".
constexpr std::string_view kEmpty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr std::string_view kGetSignature = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";

std::string get_object(std::string_view signature = kGetSignature, std::string more = "") {
  return fmt::format(
             "GET /test.txt HTTP/1.1\r\nHost: examplebucket.s3.amazonaws.com\r\nRange: bytes=0-9\r\n"
             "x-amz-content-sha256: {}\r\nx-amz-date: 20130524T000000Z\r\n{}",
             kEmpty, more) +
         authorization("host;range;x-amz-content-sha256;x-amz-date", signature);
}

std::string presigned(
    std::string_view expires = "86400", std::string_view more = "",
    std::string_view signature = "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404") {
  return fmt::format(
      "GET "
      "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-"
      "1%2Fs3%2F"
      "aws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires={}&X-Amz-SignedHeaders=host&X-Amz-Signature={} "
      "HTTP/1.1\r\n"
      "Host: examplebucket.s3.amazonaws.com\r\n{}",
      expires, signature, more);
}

TEST_F(AuthTest, ExampleGetObject) {
  const auto identity = verify(request_of(get_object()));
  ASSERT_TRUE(identity.has_value()) << identity.error().canonical_request;
  EXPECT_FALSE(identity->anonymous);
  EXPECT_EQ(identity->access_key, kExampleKey);
  EXPECT_EQ(identity->credential->access_key, kExampleKey);
  EXPECT_EQ(identity->region, "us-east-1");
  EXPECT_EQ(identity->payload, PayloadKind::kHash);
}

TEST_F(AuthTest, ExamplePutObject) {
  const auto identity = verify(request_of(
      "PUT /test$file.text HTTP/1.1\r\nHost: examplebucket.s3.amazonaws.com\r\nDate: Fri, 24 May 2013 "
      "00:00:00 GMT\r\n"
      "x-amz-date: 20130524T000000Z\r\nx-amz-storage-class: REDUCED_REDUNDANCY\r\n"
      "x-amz-content-sha256: 44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072\r\n" +
      authorization("date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
                    "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd")));
  ASSERT_TRUE(identity.has_value()) << identity.error().canonical_request;
}

TEST_F(AuthTest, ExamplesWithQuery) {
  const std::string tail = fmt::format(
      " HTTP/1.1\r\nHost: examplebucket.s3.amazonaws.com\r\nx-amz-date: "
      "20130524T000000Z\r\nx-amz-content-sha256: {}\r\n",
      kEmpty);
  const std::string names = "host;x-amz-content-sha256;x-amz-date";
  EXPECT_TRUE(
      verify(request_of(
                 "GET /?lifecycle" + tail +
                 authorization(names, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543")))
          .has_value());
  EXPECT_TRUE(
      verify(request_of(
                 "GET /?prefix=J&max-keys=2" + tail +
                 authorization(names, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")))
          .has_value());
}

TEST_F(AuthTest, ExamplePresigned) {
  const auto identity = verify(request_of(presigned()));
  ASSERT_TRUE(identity.has_value()) << identity.error().canonical_request;
  EXPECT_TRUE(identity->presigned);
  EXPECT_EQ(identity->payload, PayloadKind::kUnsigned);
  EXPECT_TRUE(verify(request_of(presigned()), "20130524T235959Z").has_value());
}

TEST_F(AuthTest, PresignedHasItsTime) {
  EXPECT_EQ(cause_of(presigned(), "20130525T000001Z"), AuthFailure::kExpired);
  EXPECT_EQ(cause_of(presigned(), "20130523T234000Z"), AuthFailure::kNotYetValid);
  EXPECT_EQ(cause_of(presigned("604801")), AuthFailure::kMalformed);
  EXPECT_EQ(cause_of(presigned("0")), AuthFailure::kMalformed);
  EXPECT_EQ(cause_of(presigned("-5")), AuthFailure::kMalformed);
  EXPECT_EQ(cause_of(presigned("1x")), AuthFailure::kMalformed);
  EXPECT_EQ(cause_of(presigned("86399")), AuthFailure::kBadSignature);
  EXPECT_EQ(cause_of(presigned("86400", "x-amz-acl: public-read\r\n")), AuthFailure::kUnsignedHeader);
  EXPECT_TRUE(
      verify(request_of(presigned("86400", "x-amz-content-sha256: UNSIGNED-PAYLOAD\r\n"))).has_value());
}

TEST_F(AuthTest, AChangedRequestDoesNotMatch) {
  auto verdict =
      verify(request_of(get_object("a0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")));
  ASSERT_FALSE(verdict.has_value());
  EXPECT_EQ(verdict.error().cause, AuthFailure::kBadSignature);
  EXPECT_EQ(verdict.error().error.code(), ErrorCode::kSignatureMismatch);
  EXPECT_TRUE(verdict.error().string_to_sign.starts_with("AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/"));
  EXPECT_TRUE(verdict.error().canonical_request.starts_with("GET\n/test.txt\n\nhost:examplebucket"));
  std::string other = get_object();
  other.replace(other.find("bytes=0-9"), 9, "bytes=0-8");
  EXPECT_EQ(cause_of(other), AuthFailure::kBadSignature);
  other = get_object();
  other.replace(0, 13, "GET /test.txu");
  EXPECT_EQ(cause_of(other), AuthFailure::kBadSignature);
}

TEST_F(AuthTest, EachFailureHasItsCause) {
  EXPECT_EQ(cause_of(get_object(), "20130524T001501Z"), AuthFailure::kSkewed);
  EXPECT_EQ(cause_of(get_object(), "20130523T234459Z"), AuthFailure::kSkewed);
  EXPECT_TRUE(verify(request_of(get_object()), "20130524T001459Z").has_value());
  EXPECT_EQ(cause_of(get_object(kGetSignature, "x-amz-acl: private\r\n")), AuthFailure::kUnsignedHeader);
  const std::string plain = fmt::format(
      "GET / HTTP/1.1\r\nHost: h\r\nx-amz-date: 20130524T000000Z\r\nx-amz-content-sha256: {}\r\n", kEmpty);
  const std::string names = "host;x-amz-content-sha256;x-amz-date";
  EXPECT_EQ(cause_of(plain + authorization("x-amz-content-sha256;x-amz-date", kGetSignature)),
            AuthFailure::kUnsignedHeader);
  EXPECT_EQ(cause_of(plain + authorization(names, kGetSignature, "20130524/eu-west-1/s3/aws4_request")),
            AuthFailure::kWrongScope);
  EXPECT_EQ(cause_of(plain + authorization(names, kGetSignature, "20130524/us-east-1/ec2/aws4_request")),
            AuthFailure::kWrongScope);
  EXPECT_EQ(cause_of(plain + authorization(names, kGetSignature, "20130525/us-east-1/s3/aws4_request")),
            AuthFailure::kWrongScope);
  EXPECT_EQ(cause_of(plain + authorization(names, kGetSignature, "20130524/us-east-1/s3/aws5_request")),
            AuthFailure::kMalformed);
  EXPECT_EQ(cause_of(plain + authorization(names, "short")), AuthFailure::kMalformed);
  EXPECT_EQ(
      cause_of(plain + authorization(names, kGetSignature, "20130524/us-east-1/s3/aws4_request", "NOBODY")),
      AuthFailure::kUnknownKey);
  EXPECT_EQ(cause_of(plain + "Authorization: AWS key:signature\r\n"), AuthFailure::kUnsupportedVersion);
  EXPECT_EQ(cause_of(plain + "Authorization: AWS4-ECDSA-P256-SHA256 Credential=x\r\n"),
            AuthFailure::kUnsupportedVersion);
  EXPECT_EQ(cause_of("GET /?AWSAccessKeyId=a&Signature=b&Expires=1 HTTP/1.1\r\nHost: h\r\n"),
            AuthFailure::kUnsupportedVersion);
  EXPECT_EQ(cause_of("GET / HTTP/1.1\r\nHost: h\r\n" + authorization(names, kGetSignature)),
            AuthFailure::kMissingDate);
  EXPECT_EQ(cause_of("GET / HTTP/1.1\r\nHost: h\r\nx-amz-date: Fri, 24 May 2013 00:00:00 GMT\r\n"
                     "x-amz-content-sha256: UNSIGNED-PAYLOAD\r\n" +
                     authorization("host;x-amz-content-sha256;x-amz-date", kGetSignature)),
            AuthFailure::kBadSignature)
      << "an HTTP date in x-amz-date is a date";
  EXPECT_EQ(cause_of("GET / HTTP/1.1\r\nHost: h\r\nx-amz-date: 20130524T000000Z\r\n" +
                     authorization("host;x-amz-date", kGetSignature)),
            AuthFailure::kMissingPayloadHash);
  EXPECT_EQ(
      cause_of(
          "GET / HTTP/1.1\r\nHost: h\r\nx-amz-date: 20130524T000000Z\r\nx-amz-content-sha256: nonsense\r\n" +
          authorization(names, kGetSignature)),
      AuthFailure::kMissingPayloadHash);
  EXPECT_EQ(cause_of(presigned("86400", authorization(names, kGetSignature))), AuthFailure::kAmbiguous);
}

TEST_F(AuthTest, TokensMustFit) {
  const std::string head = fmt::format(
      "GET / HTTP/1.1\r\nHost: h\r\nx-amz-date: 20130524T000000Z\r\nx-amz-content-sha256: {}\r\n", kEmpty);
  const std::string scope = "20130524/us-east-1/s3/aws4_request";
  const std::string names = "host;x-amz-content-sha256;x-amz-date";
  EXPECT_EQ(cause_of(head + authorization(names, kGetSignature, scope, "temp")), AuthFailure::kBadToken);
  const std::string with = names + ";x-amz-security-token";
  EXPECT_EQ(
      cause_of(head + "x-amz-security-token: wrong\r\n" + authorization(with, kGetSignature, scope, "temp")),
      AuthFailure::kBadToken);
  EXPECT_EQ(cause_of(head + "x-amz-security-token: the-token\r\n" +
                     authorization(with, kGetSignature, scope, "temp")),
            AuthFailure::kBadSignature);
  EXPECT_EQ(cause_of(head + "x-amz-security-token: any\r\n" + authorization(with, kGetSignature, scope)),
            AuthFailure::kBadToken);
}

TEST_F(AuthTest, WithoutASignatureARequestIsAnonymous) {
  const auto identity = verify(request_of("GET /b/k?versionId=x HTTP/1.1\r\nHost: h\r\n"));
  ASSERT_TRUE(identity.has_value());
  EXPECT_TRUE(identity->anonymous);
  EXPECT_EQ(identity->credential, nullptr);
  EXPECT_EQ(credentials.lookups, 0);
}

TEST_F(AuthTest, AChangedSecretTakesEffectAtOnce) {
  EXPECT_TRUE(verify(request_of(get_object())).has_value());
  credentials.keys[std::string(kExampleKey)].secret = "another";
  EXPECT_EQ(cause_of(get_object()), AuthFailure::kBadSignature);
}

TEST_F(AuthTest, CanonicalRequestEncodesOnceAndSorts) {
  Request& request = request_of(
      "GET /b/a%2Fb//c+d%20e/../%C3%A9?z=1&a=%2F+x&a=&A&%C3%A9=~ HTTP/1.1\r\nHost: h:9000\r\nX-Two:  a   b "
      "\r\nx-two: c\r\n");
  EXPECT_EQ(canonical_request(request, "host;x-two", "H", false),
            "GET\n/b/a/b//c%2Bd%20e/../%C3%A9\n%C3%A9=~&A=&a=&a=%2F%20x&z=1\nhost:h:9000\nx-two:a "
            "b,c\n\nhost;x-two\nH");
}

TEST(Dates, ParseStrictly) {
  EXPECT_EQ(parse_amz_date("20130524T000000Z"), parse_http_date("Fri, 24 May 2013 00:00:00 GMT"));
  EXPECT_EQ(base::to_nanoseconds(*parse_amz_date("19700101T000001Z")), 1'000'000'000);
  for (const std::string_view bad : {"", "20130524T000000", "20131324T000000Z", "20130532T000000Z",
                                     "20130524 000000Z", "20130524T250000Z", "2013O524T000000Z"})
    EXPECT_FALSE(parse_amz_date(bad).has_value()) << bad;
  EXPECT_FALSE(parse_http_date("Fri, 24 Mai 2013 00:00:00 GMT").has_value());
}

}  // namespace
}  // namespace flashstor::s3d
