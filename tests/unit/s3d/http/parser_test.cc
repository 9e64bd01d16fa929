#include "s3d/http/parser.h"

#include <gtest/gtest.h>

#include <string>

namespace flashstor::s3d {
namespace {

class Parser : public ::testing::Test {
 protected:
  std::expected<Request::Parts, ParseFailure> parse(const std::string& lines) {
    kept_.push_back(std::make_unique<std::string>(lines + "\r\n"));
    return parse_request(*kept_.back(), arena_);
  }
  /// A request line with a host and `more` header lines.
  std::expected<Request::Parts, ParseFailure> get(const std::string& target, const std::string& more = "") {
    return parse("GET " + target + " HTTP/1.1\r\nHost: h\r\n" + more);
  }
  Refusal refusal_of(const std::string& more) {
    const auto parts = get("/", more);
    EXPECT_FALSE(parts.has_value()) << more;
    return parts ? Refusal::kNoMemory : parts.error().refusal;
  }
  ArenaPool pool_{16, 16};
  Arena arena_{pool_};
  std::vector<std::unique_ptr<std::string>> kept_;
};

TEST_F(Parser, SplitsTheTarget) {
  const auto parts = get("/bucket/a%20b//c+d?list-type=2&prefix=x%2Fy+z&acl&empty=");
  ASSERT_TRUE(parts.has_value());
  const Request request(*parts);
  EXPECT_EQ(request.method(), "GET");
  EXPECT_EQ(request.raw_path(), "/bucket/a%20b//c+d");
  EXPECT_EQ(request.path(), "/bucket/a b//c+d");
  EXPECT_EQ(request.raw_query(), "list-type=2&prefix=x%2Fy+z&acl&empty=");
  ASSERT_EQ(request.query().size(), 4U);
  EXPECT_EQ(request.find_query("prefix")->value, "x/y z");
  EXPECT_FALSE(request.find_query("acl")->has_value);
  EXPECT_TRUE(request.find_query("empty")->has_value);
  EXPECT_EQ(request.find_query("Prefix"), nullptr);
  EXPECT_EQ(request.host(), "h");
}

TEST_F(Parser, FindsHeadersInAnyCaseAndShowsDuplicates) {
  const auto parts = get("/", "X-Amz-Meta-A:   one  \r\nx-amz-meta-a: two\r\nEmpty:\r\n");
  ASSERT_TRUE(parts.has_value());
  const Request request(*parts);
  EXPECT_EQ(request.header("x-amz-META-a"), "one");
  EXPECT_EQ(request.count("x-amz-meta-a"), 2U);
  EXPECT_EQ(request.header("empty"), "");
  EXPECT_EQ(request.header("absent"), std::nullopt);
  EXPECT_TRUE(parts->keep_alive);
}

TEST_F(Parser, ReadsBodyFraming) {
  EXPECT_EQ(get("/", "Content-Length: 12\r\n")->content_length, 12U);
  EXPECT_TRUE(get("/", "Transfer-Encoding: Chunked\r\n")->chunked);
  EXPECT_TRUE(get("/", "Expect: 100-Continue\r\n")->expects_continue);
  EXPECT_FALSE(get("/", "Connection: close\r\n")->keep_alive);
  EXPECT_FALSE(parse("GET / HTTP/1.0\r\n")->keep_alive);
}

TEST_F(Parser, RefusesWhatTwoServersCouldReadDifferently) {
  EXPECT_EQ(refusal_of("Content-Length: 1\r\nContent-Length: 1\r\n"), Refusal::kSmuggling);
  EXPECT_EQ(refusal_of("Content-Length: 1, 1\r\n"), Refusal::kSmuggling);
  EXPECT_EQ(refusal_of("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"), Refusal::kSmuggling);
  EXPECT_EQ(refusal_of("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n"), Refusal::kSmuggling);
  EXPECT_EQ(refusal_of("Transfer-Encoding: gzip, chunked\r\n"), Refusal::kSmuggling);
  EXPECT_EQ(refusal_of("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), Refusal::kSmuggling);
  EXPECT_EQ(refusal_of("Host: other\r\n"), Refusal::kSmuggling);
  EXPECT_EQ(refusal_of("A: b\r\n folded\r\n"), Refusal::kSmuggling);
  EXPECT_EQ(refusal_of("A: b\rc\r\n"), Refusal::kSmuggling);
}

TEST_F(Parser, RefusesMalformedBlocks) {
  EXPECT_EQ(refusal_of("Content-Length: -1\r\n"), Refusal::kMalformed);
  EXPECT_EQ(refusal_of("Content-Length:\r\n"), Refusal::kMalformed);
  EXPECT_EQ(refusal_of("Content-Length: 99999999999999999999\r\n"), Refusal::kMalformed);
  EXPECT_EQ(refusal_of("No colon\r\n"), Refusal::kMalformed);
  EXPECT_EQ(refusal_of("Name : value\r\n"), Refusal::kMalformed);
  EXPECT_EQ(refusal_of("A: b\x01\r\n"), Refusal::kMalformed);
  EXPECT_FALSE(parse("GET / HTTP/1.1\r\n").has_value());  // no Host
  EXPECT_EQ(parse("GET / HTTP/2.0\r\nHost: h\r\n").error().status, 505);
  EXPECT_FALSE(parse("GET  / HTTP/1.1\r\nHost: h\r\n").has_value());
  EXPECT_FALSE(parse("G@T / HTTP/1.1\r\nHost: h\r\n").has_value());
  EXPECT_FALSE(get("bucket").has_value());
  EXPECT_FALSE(get("/%zz").has_value());
  EXPECT_FALSE(get("/%2").has_value());
  EXPECT_FALSE(get("/?a=%f").has_value());
  EXPECT_EQ(get("/" + std::string(20'000, 'a')).error().status, 400);
}

TEST_F(Parser, TakesAnAbsoluteTargetOfItsOwnHost) {
  EXPECT_EQ(get("http://h/b/k?x")->path, "/b/k");
  EXPECT_EQ(get("http://other/b/k").error().refusal, Refusal::kSmuggling);
}

TEST(HeaderScanTest, FindsTheEndInPieces) {
  const std::string block = "GET / HTTP/1.1\r\nHost: h\r\n\r\nbody";
  HeaderScan scan;
  for (std::size_t size = 0; size <= block.size(); ++size) {
    const auto end = scan.find_end(std::string_view(block).substr(0, size));
    ASSERT_TRUE(end.has_value());
    EXPECT_EQ(*end, size >= block.size() - 4 ? block.size() - 4 : 0) << size;
    if (*end > 0) break;
  }
  HeaderScan bare;
  EXPECT_EQ(bare.find_end("GET / HTTP/1.1\nHost: h\n\n").error().refusal, Refusal::kSmuggling);
}

}  // namespace
}  // namespace flashstor::s3d
