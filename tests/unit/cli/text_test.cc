#include "cli/text.h"

#include <gtest/gtest.h>

#include <vector>

#include "cli/clock.h"

namespace flashstor::cli {
namespace {

TEST(Text, PercentCoding) {
  EXPECT_EQ(percent_encode("a b/ü+%~", true), "a%20b/%C3%BC%2B%25~");
  EXPECT_EQ(percent_encode("a/b"), "a%2Fb");
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all.push_back(static_cast<char>(byte));
  EXPECT_EQ(percent_decode(percent_encode(all)), all);
  EXPECT_EQ(percent_decode("a+b%2B", true), "a b+");
  EXPECT_EQ(percent_decode("a+b", false), "a+b");
  for (const char* bad : {"%", "%4", "%zz", "a%4"}) EXPECT_FALSE(percent_decode(bad)) << bad;
}

TEST(Text, Bytes) {
  EXPECT_EQ(counted(0, "object"), "0 objects");
  EXPECT_EQ(counted(1, "bucket"), "1 bucket");
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(1023), "1023 B");
  EXPECT_EQ(human_bytes(1536), "1.5 KiB");
  EXPECT_EQ(human_bytes(1024 * 1024 - 1), "1.0 MiB");
  EXPECT_EQ(human_bytes(~0ULL), "16.0 EiB");
  EXPECT_EQ(parse_bytes("10MiB"), 10U * 1024 * 1024);
  EXPECT_EQ(parse_bytes("10MB"), 10'000'000U);
  EXPECT_EQ(parse_bytes("2g"), 2ULL << 30);
  EXPECT_EQ(parse_bytes("77"), 77U);
  EXPECT_EQ(parse_bytes("1.5K"), 1536U);
  for (const char* bad : {"", "x", "-1", "5xib", "5mm", "99999999E"}) EXPECT_FALSE(parse_bytes(bad)) << bad;
}

TEST(Text, Durations) {
  EXPECT_EQ(parse_duration("7d12h"), std::chrono::hours(180));
  EXPECT_EQ(parse_duration("90m"), std::chrono::minutes(90));
  for (const char* bad : {"", "5", "m", "5y", "0s", "1h-1m"}) EXPECT_FALSE(parse_duration(bad)) << bad;
  EXPECT_EQ(human_duration(std::chrono::seconds(59)), "59s");
  EXPECT_EQ(human_duration(std::chrono::seconds(192)), "3m12s");
  EXPECT_EQ(human_duration(std::chrono::seconds(90'000)), "1d01h");
}

TEST(Text, Globs) {
  EXPECT_TRUE(glob_match("*.jpg", "a/b.jpg"));
  EXPECT_TRUE(glob_match("a?c*", "abcdef"));
  EXPECT_TRUE(glob_match("*a*b*", "xxaybz"));
  EXPECT_TRUE(glob_match("**", ""));
  EXPECT_FALSE(glob_match("*.jpg", "a.jpeg"));
  EXPECT_FALSE(glob_match("", "a"));
  EXPECT_FALSE(glob_match("?", ""));
}

TEST(Text, NearestWord) {
  const std::vector<std::string> known = {"list", "mirror", "ls", "remove"};
  EXPECT_EQ(nearest("lst", known), "list");
  EXPECT_EQ(nearest("miror", known), "mirror");
  EXPECT_FALSE(nearest("completely", known));
  EXPECT_FALSE(nearest("x", known));
}

TEST(Text, ControlBytesDoNotReachTheTerminal) { EXPECT_EQ(printable("a\x1b[2J\nü"), "a\\x1b[2J\\x0aü"); }

TEST(Clock, ReadsAndWritesTimes) {
  const WallTime time = parse_iso("2013-05-24T01:02:03.456Z").value();
  EXPECT_EQ(iso_basic(time), "20130524T010203Z");
  EXPECT_EQ(iso_extended(time), "2013-05-24T01:02:03.456Z");
  EXPECT_EQ(display_time(time), "2013-05-24 01:02:03 UTC");
  EXPECT_EQ(iso_basic(parse_http_date("Fri, 24 May 2013 01:02:03 GMT").value()), "20130524T010203Z");
  for (const char* bad : {"", "2013", "2013-13-01T00:00:00Z", "2013-01-01 00:00:00"})
    EXPECT_FALSE(parse_iso(bad)) << bad;
  for (const char* bad : {"", "Fri, 24 Mai 2013 01:02:03 GMT", "Fri, 24 anF 2013 01:02:03 GMT"})
    EXPECT_FALSE(parse_http_date(bad)) << bad;
}

}  // namespace
}  // namespace flashstor::cli
