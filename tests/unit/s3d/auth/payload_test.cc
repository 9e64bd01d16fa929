#include "tests/unit/s3d/auth/auth_fixture.h"

namespace flashstor::s3d {
namespace {

// The examples of AWS, "Transferring payload in multiple chunks" and "… including trailing headers".
struct Example {
  std::string sha;
  std::string more;
  std::string names;
  std::string seed;
  std::string first;
  std::string second;
  std::string last;
  std::string trailer;
};

const Example kChunks{
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "Content-Length: 66824\r\n",
    "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;"
    "x-amz-storage-class",
    "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
    "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
    "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
    ""};
const Example kTrailer{
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
    "x-amz-trailer: x-amz-checksum-crc32c\r\n",
    "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;"
    "x-amz-trailer",
    "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
    "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
    "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
    "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
    "x-amz-checksum-crc32c:sOO8/Q==\r\n"
    "x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n"};

std::string head_of(const Example& e) {
  return "PUT /examplebucket/chunkObject.txt HTTP/1.1\r\nHost: s3.amazonaws.com\r\nx-amz-date: "
         "20130524T000000Z\r\n"
         "x-amz-storage-class: REDUCED_REDUNDANCY\r\nContent-Encoding: aws-chunked\r\n"
         "x-amz-decoded-content-length: 66560\r\nx-amz-content-sha256: " +
         e.sha + "\r\n" + e.more + authorization(e.names, e.seed);
}

std::string body_of(const Example& e) {
  return "10000;chunk-signature=" + e.first + "\r\n" + std::string(65536, 'a') +
         "\r\n400;chunk-signature=" + e.second + "\r\n" + std::string(1024, 'a') +
         "\r\n0;chunk-signature=" + e.last + "\r\n" + e.trailer + "\r\n";
}

class PayloadTest : public AuthTest {
 public:
  /// The whole payload of an example with this body, or its error; the trailers go to `trailers`.
  Result<std::string> decode(const Example& e, std::string body, std::size_t piece = SIZE_MAX) {
    Request& request = request_of(head_of(e), std::move(body), piece);
    identity_ = verify(request);
    if (!identity_) return std::unexpected(identity_.error().error);
    auto payload = Payload::open(request, *identity_);
    if (!payload) return std::unexpected(payload.error());
    EXPECT_EQ((*payload)->length(), 66560U);
    auto all = read_payload(**payload);
    failure = (*payload)->failure();
    trailers.clear();
    for (const HeaderField& field : (*payload)->trailers())
      trailers += std::string(field.name) + "=" + std::string(field.value) + ";";
    return all;
  }
  ErrorCode code_of_decoding(const Example& e, std::string body) {
    const auto all = decode(e, std::move(body));
    EXPECT_FALSE(all.has_value());
    return all ? ErrorCode::kInternal : all.error().code();
  }
  /// A body framed without signatures: UNSIGNED trailer.
  Result<std::string> decode_unsigned(std::string length, std::string body, std::size_t piece = SIZE_MAX) {
    Request& request = request_of(
        "PUT /b/k HTTP/1.1\r\nHost: h\r\nx-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\r\n"
        "x-amz-decoded-content-length: " +
            length + "\r\n",
        std::move(body), piece);
    identity_ = verify(request);
    if (!identity_) return std::unexpected(identity_.error().error);
    auto payload = Payload::open(request, *identity_);
    if (!payload) return std::unexpected(payload.error());
    auto all = read_payload(**payload);
    trailers.clear();
    for (const HeaderField& field : (*payload)->trailers())
      trailers += std::string(field.name) + "=" + std::string(field.value) + ";";
    return all;
  }
  std::optional<AuthFailure> failure;
  std::string trailers;

 private:
  Verdict identity_ =
      std::unexpected(AuthError{.cause = AuthFailure::kMalformed, .error = ErrorCode::kInternal});
};

TEST_F(PayloadTest, ExampleChunks) {
  for (const std::size_t piece : {SIZE_MAX, std::size_t{1000}, std::size_t{7}, std::size_t{1}}) {
    const auto all = decode(kChunks, body_of(kChunks), piece);
    ASSERT_TRUE(all.has_value()) << all.error().describe();
    EXPECT_EQ(*all, std::string(66560, 'a'));
    EXPECT_EQ(trailers, "");
  }
}

TEST_F(PayloadTest, ExampleTrailer) {
  for (const std::size_t piece : {SIZE_MAX, std::size_t{1000}, std::size_t{7}, std::size_t{1}}) {
    const auto all = decode(kTrailer, body_of(kTrailer), piece);
    ASSERT_TRUE(all.has_value()) << all.error().describe();
    EXPECT_EQ(*all, std::string(66560, 'a'));
    EXPECT_EQ(trailers, "x-amz-checksum-crc32c=sOO8/Q==;");
  }
}

TEST_F(PayloadTest, AChangedChunkOrTrailerDoesNotPass) {
  std::string body = body_of(kChunks);
  body[200] = 'b';
  EXPECT_EQ(code_of_decoding(kChunks, body), ErrorCode::kSignatureMismatch);
  EXPECT_EQ(failure, AuthFailure::kBadChunkSignature);
  body = body_of(kChunks);
  body[body.rfind("b6c6")] = 'c';
  EXPECT_EQ(code_of_decoding(kChunks, body), ErrorCode::kSignatureMismatch);
  body = body_of(kTrailer);
  body.replace(body.find("sOO8"), 4, "sOO9");
  EXPECT_EQ(code_of_decoding(kTrailer, body), ErrorCode::kSignatureMismatch);
}

TEST_F(PayloadTest, BrokenFramingIsToldApart) {
  const std::string whole = body_of(kChunks);
  EXPECT_EQ(code_of_decoding(kChunks, whole.substr(0, 3000)), ErrorCode::kIncompleteBody);
  EXPECT_EQ(code_of_decoding(kChunks, whole.substr(0, 65000 + 700)), ErrorCode::kIncompleteBody);
  EXPECT_EQ(code_of_decoding(kChunks, whole + "more"), ErrorCode::kMalformed);
  EXPECT_EQ(code_of_decoding(kChunks, "zz;chunk-signature=" + kChunks.first + "\r\n"), ErrorCode::kMalformed);
  EXPECT_EQ(code_of_decoding(kChunks, "10000\r\n" + std::string(65536, 'a')), ErrorCode::kMalformed);
  EXPECT_EQ(code_of_decoding(kChunks, "fffff;chunk-signature=" + kChunks.first + "\r\n"),
            ErrorCode::kMalformed);
  EXPECT_EQ(code_of_decoding(kChunks, std::string(9000, '1')), ErrorCode::kMalformed);
  std::string none = body_of(kTrailer);
  none.erase(none.find("x-amz-trailer-signature"));
  EXPECT_EQ(code_of_decoding(kTrailer, none + "\r\n"), ErrorCode::kIncompleteBody);
}

TEST_F(PayloadTest, UnsignedTrailers) {
  for (const std::size_t piece : {SIZE_MAX, std::size_t{1}}) {
    const auto all = decode_unsigned("5", "5\r\nhello\r\n0\r\nX-Amz-Checksum-CRC32: NhCmhg==\r\n\r\n", piece);
    ASSERT_TRUE(all.has_value()) << all.error().describe();
    EXPECT_EQ(*all, "hello");
    EXPECT_EQ(trailers, "x-amz-checksum-crc32=NhCmhg==;");
  }
  EXPECT_EQ(*decode_unsigned("2", "2\r\nab\r\n0\r\nx-amz-checksum-crc32:a\r\n\r\n\r\n"),
            "ab");  // as minio-go ends it
  EXPECT_EQ(decode_unsigned("2", "2\r\nab\r\n0\r\n\r\n\r\n\r\n\r\n\r\n").error().code(),
            ErrorCode::kMalformed);
  EXPECT_EQ(*decode_unsigned("0", "0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"), "");
  EXPECT_EQ(trailers, "x-amz-checksum-crc32=AAAAAA==;");
  EXPECT_EQ(decode_unsigned("6", "5\r\nhello\r\n0\r\n\r\n").error().code(), ErrorCode::kIncompleteBody);
  EXPECT_EQ(decode_unsigned("4", "5\r\nhello\r\n0\r\n\r\n").error().code(), ErrorCode::kMalformed);
  EXPECT_EQ(decode_unsigned("5", "2\r\nhello\r\n0\r\n\r\n").error().code(), ErrorCode::kMalformed);
  EXPECT_EQ(decode_unsigned("x", "0\r\n\r\n").error().code(), ErrorCode::kMalformed);
}

TEST_F(PayloadTest, TheSignedHashIsThatOfTheBody) {
  const std::string hash = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";  // of "hello"
  for (const std::string body : {"hello", "hellp", "hell", ""}) {
    Request& request =
        request_of("PUT /b/k HTTP/1.1\r\nHost: h\r\nx-amz-content-sha256: " + hash + "\r\n", body, 2);
    const auto identity = verify(request);
    ASSERT_TRUE(identity.has_value());
    auto payload = Payload::open(request, *identity);
    const auto all = read_payload(**payload);
    EXPECT_EQ(all.has_value(), body == "hello");
    if (all) continue;
    EXPECT_EQ(all.error().code(), ErrorCode::kBadDigest);
    EXPECT_EQ((*payload)->failure(), AuthFailure::kPayloadHashMismatch);
  }
}

}  // namespace
}  // namespace flashstor::s3d
