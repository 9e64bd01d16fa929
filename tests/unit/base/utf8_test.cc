#include "engine/base/utf8.h"

#include <gtest/gtest.h>

#include "engine/base/json.h"

namespace flashstor::base {
namespace {

TEST(Utf8Test, TakesWellFormedCharactersOnly) {
  EXPECT_EQ(utf8_size(""), 0U);
  EXPECT_EQ(utf8_size("a\xff"), 1U);
  EXPECT_EQ(utf8_size("\xc3\xa4"), 2U);
  EXPECT_EQ(utf8_size("\xe2\x82\xac!"), 3U);
  EXPECT_EQ(utf8_size("\xf0\x9f\x98\x80"), 4U);
  for (const std::string_view bad : {"\x80", "\xc3", "\xc3(", "\xc0\xaf", "\xe0\x80\x80", "\xed\xa0\x80",
                                     "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "\xff"})
    EXPECT_EQ(utf8_size(bad), 0U) << bad;
}

TEST(Utf8Test, RepairsByteForByte) {
  EXPECT_EQ(utf8_repaired("a\xff\xc3\xa4\xc3"), "a\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd");
  EXPECT_EQ(utf8_repaired("plain"), "plain");
}

// A fuzzer's finding: an error that names a user whose name is no UTF-8 was answered as JSON that no parser
// takes.
TEST(Utf8Test, JsonIsUtf8WhateverItHolds) {
  const Json json = Json::object({{"na\xffme", Json(std::string_view("ali\x99\xf5"))}});
  for (const std::string& text : {json.dump(), json.pretty()}) {
    const auto read = Json::parse(text, {.bytes = 1000});
    ASSERT_TRUE(read.has_value()) << text;
    EXPECT_EQ(read->members().front().name, "na\xef\xbf\xbdme");
  }
}

}  // namespace
}  // namespace flashstor::base
