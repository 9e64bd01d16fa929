#include "s3d/ops/cors.h"

#include <gtest/gtest.h>

namespace flashstor::s3d {
namespace {

std::string rule(std::string_view inside) {
  return "<CORSConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><CORSRule>" +
         std::string(inside) + "</CORSRule></CORSConfiguration>";
}

constexpr std::string_view kGetFromAll = "<AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod>";

TEST(Cors, AStarStandsForAnythingInOnePlace) {
  const auto rules =
      parse_cors(rule("<AllowedOrigin>http://*.a</AllowedOrigin><AllowedOrigin>http://b*</AllowedOrigin>"
                      "<AllowedMethod>PUT</AllowedMethod><AllowedHeader>x-amz-*</AllowedHeader>"));
  ASSERT_TRUE(rules.has_value());
  const auto allows = [&](std::string_view origin, std::string_view method,
                          std::vector<std::string_view> headers) {
    return match_cors(*rules, {.origin = origin, .method = method, .headers = std::move(headers)})
        .has_value();
  };
  EXPECT_TRUE(allows("http://x.a", "PUT", {}));
  EXPECT_TRUE(allows("http://b", "PUT", {"X-Amz-Date", "x-amz-"}));
  EXPECT_FALSE(allows("http://x.a.b", "PUT", {}));
  EXPECT_FALSE(allows("http://.A", "PUT", {})) << "origins have their case";
  EXPECT_FALSE(allows("http://x.a", "GET", {}));
  EXPECT_FALSE(allows("http://x.a", "PUT", {"x-amz-date", "authorization"}));
}

TEST(Cors, TheAnswerNamesTheOriginUnlessAllAreAllowed) {
  const auto all = parse_cors(rule(kGetFromAll));
  ASSERT_TRUE(all.has_value());
  EXPECT_EQ(match_cors(*all, {.origin = "http://a", .method = "GET", .headers = {}})->allow_origin, "*");
  const auto some =
      parse_cors(rule("<AllowedOrigin>http://*</AllowedOrigin><AllowedMethod>GET</AllowedMethod>"));
  ASSERT_TRUE(some.has_value());
  EXPECT_EQ(match_cors(*some, {.origin = "http://a", .method = "GET", .headers = {}})->allow_origin,
            "http://a");
}

TEST(Cors, RefusesWhatIsNoConfiguration) {
  const auto refusal = [](const std::string& text) { return parse_cors(text).error().code(); };
  EXPECT_EQ(refusal("<CORSConfiguration/>"), ErrorCode::kMalformed);
  EXPECT_EQ(refusal("<Other/>"), ErrorCode::kMalformed);
  EXPECT_EQ(refusal(rule("<AllowedMethod>GET</AllowedMethod>")), ErrorCode::kMalformed);
  EXPECT_EQ(refusal(rule(std::string(kGetFromAll) + "<MaxAgeSeconds>-1</MaxAgeSeconds>")),
            ErrorCode::kMalformed);
  EXPECT_EQ(refusal(rule(std::string(kGetFromAll) + "<AllowedMethod>PATCH</AllowedMethod>")),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(refusal(rule(std::string(kGetFromAll) + "<AllowedOrigin>*.*</AllowedOrigin>")),
            ErrorCode::kInvalidArgument);
  std::string many = "<CORSConfiguration>";
  for (std::size_t i = 0; i <= kMaxCorsRules; ++i)
    many.append("<CORSRule>").append(kGetFromAll).append("</CORSRule>");
  EXPECT_EQ(refusal(many + "</CORSConfiguration>"), ErrorCode::kMalformed);
}

}  // namespace
}  // namespace flashstor::s3d
