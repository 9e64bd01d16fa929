#include "engine/iam/wildcard.h"

#include <gtest/gtest.h>

#include <string>

#include "engine/iam/pattern.h"

namespace flashstor::iam {
namespace {

std::string compiled(std::string_view text) { return Pattern::compile(text, {.variables = false})->text(); }

bool matches(std::string_view pattern, std::string_view text) {
  return wildcard_match(compiled(pattern), text);
}

TEST(Wildcard, MatchesTheWholeText) {
  EXPECT_TRUE(matches("abc", "abc"));
  EXPECT_FALSE(matches("abc", "abcd"));
  EXPECT_FALSE(matches("abcd", "abc"));
  EXPECT_TRUE(matches("", ""));
  EXPECT_FALSE(matches("", "a"));
  EXPECT_TRUE(matches("*", ""));
  EXPECT_FALSE(matches("?", ""));
  EXPECT_TRUE(matches("a*c", "ac"));
  EXPECT_TRUE(matches("a*c", "abcbc"));
  EXPECT_FALSE(matches("a*c", "abcb"));
  EXPECT_TRUE(matches("a**c*", "abc"));
  EXPECT_TRUE(matches("*a?b*", "xxaxbxx"));
  EXPECT_TRUE(matches("bucket/*", "bucket/a/b/c"));
}

TEST(Wildcard, AQuestionMarkTakesOneCharacterNotOneByte) {
  EXPECT_TRUE(matches("?", "\xc3\xa9"));
  EXPECT_TRUE(matches("a?b",
                      "a\xe2\x82\xac"
                      "b"));
  EXPECT_FALSE(matches("??", "\xc3\xa9"));
}

TEST(Wildcard, BytesOfAKeyAreNeverWildcards) {
  EXPECT_FALSE(wildcard_match("ab", "a\xff"));
  EXPECT_TRUE(matches("a*", "a\xff\xfe"));
  EXPECT_FALSE(matches("a\\*", "a\\b\\c") && matches("\\", "/"));
}

TEST(Wildcard, FoldedIgnoresTheCaseOfTheText) {
  const std::string pattern = Pattern::compile("s3:Get*", {.folded = true})->text();
  EXPECT_TRUE(wildcard_match_folded(pattern, "S3:GETObject"));
  EXPECT_FALSE(wildcard_match_folded(pattern, "s3:PutObject"));
}

TEST(Wildcard, ManyStarsEndInTime) {
  const std::string text(1024, 'a');
  EXPECT_FALSE(matches("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", text));
}

TEST(Wildcard, CoverageSaysAllNoneOrSome) {
  const auto coverage = [](std::string_view pattern) { return wildcard_coverage(compiled(pattern), "b/"); };
  EXPECT_EQ(coverage("*"), Coverage::kAll);
  EXPECT_EQ(coverage("b/*"), Coverage::kAll);
  EXPECT_EQ(coverage("b*"), Coverage::kAll);
  EXPECT_EQ(coverage("?/*"), Coverage::kAll);
  EXPECT_EQ(coverage("b/?*"), Coverage::kSome);
  EXPECT_EQ(coverage("b/a*"), Coverage::kSome);
  EXPECT_EQ(coverage("*x"), Coverage::kSome);
  EXPECT_EQ(coverage("b"), Coverage::kNone);
  EXPECT_EQ(coverage("c/*"), Coverage::kNone);
  EXPECT_EQ(coverage("b2/*"), Coverage::kNone);
}

TEST(Pattern, RefusesBrokenVariables) {
  for (const std::string_view text :
       {"${", "${aws:username", "${}", "${nocolon}", "${aws:x, nodefault}", "${aws:x,'}"}) {
    const auto pattern = Pattern::compile(text, {});
    ASSERT_FALSE(pattern.has_value()) << text;
    EXPECT_EQ(pattern.error().code(), ErrorCode::kMalformed);
  }
}

TEST(Pattern, FillsInVariablesAsLiterals) {
  const Principal who{Principal::Kind::kUser, "ali*", {}};
  const RequestContext request{};
  const RequestKeys keys(who, request);
  const auto home = Pattern::compile("home/${aws:username}/*", {});
  EXPECT_TRUE(home->matches("home/ali*/x", keys));
  EXPECT_FALSE(home->matches("home/alice/x", keys)) << "a star in a name must stay a star";
  EXPECT_TRUE(Pattern::compile("${*}${?}${$}", {})->matches("*?$", keys));
  EXPECT_FALSE(Pattern::compile("${*}", {})->matches("x", keys));
  EXPECT_TRUE(Pattern::compile("${aws:PrincipalTag/team, 'none'}", {})->matches("none", keys));
  EXPECT_FALSE(Pattern::compile("${s3:prefix}", {})->matches("", keys)) << "without a value nothing matches";
  EXPECT_TRUE(Pattern::compile("${s3:prefix}", {.variables = false})->matches("${s3:prefix}", keys));
}

TEST(Pattern, ALongOneIsRefused) {
  EXPECT_TRUE(Pattern::compile(std::string(2048, 'a'), {}).has_value());
  EXPECT_FALSE(Pattern::compile(std::string(2049, 'a'), {}).has_value());
}

}  // namespace
}  // namespace flashstor::iam
