#include "cli/target.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "cli/alias_import.h"
#include "cli/local_file.h"
#include "cli/url.h"

namespace flashstor::cli {
namespace {

class TargetTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "flashctl-target";
    std::filesystem::remove_all(folder_);
    book_ = AliasBook::load(folder_).value();
    ASSERT_TRUE(book_.set(
        {"local", Url::parse("http://127.0.0.1:9000").value(), {"key", "secret", {}}, "us-east-1", {}}));
  }
  std::string folder_;
  AliasBook book_;
};

TEST_F(TargetTest, SplitsAtTheFirstTwoSlashes) {
  const Target target = parse_target("local/photos//a/../b/", book_);
  EXPECT_TRUE(target.remote);
  EXPECT_EQ(target.bucket, "photos");
  EXPECT_EQ(target.key, "/a/../b/");
  EXPECT_EQ(target.child("c"), "local/photos//a/../b/c");
  EXPECT_EQ(parse_target("local", book_).bucket, "");
  EXPECT_EQ(parse_target("local/photos", book_).child("c"), "local/photos/c");
}

TEST_F(TargetTest, WhatNoAliasBeginsIsLocal) {
  EXPECT_FALSE(parse_target("photos/cat.jpg", book_).remote);
  EXPECT_FALSE(parse_target("./local/x", book_).remote);
  EXPECT_FALSE(parse_target("/local/x", book_).remote);
  EXPECT_FALSE(parse_target("", book_).remote);
}

TEST_F(TargetTest, SaysWhatIsMissing) {
  EXPECT_NE(parse_remote("locl/x", book_).error().message().find("did you mean `local`"),
            std::string_view::npos);
  EXPECT_FALSE(parse_bucket("local", book_));
  EXPECT_FALSE(parse_object("local/photos/", book_));
  EXPECT_TRUE(parse_object("local/photos/cat", book_));
}

TEST_F(TargetTest, AliasesSurviveAndStayPrivate) {
  const std::string file = folder_ + "/config.json";
  EXPECT_EQ(std::filesystem::status(file).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  auto again = AliasBook::load(folder_).value();
  ASSERT_TRUE(again.find("local"));
  EXPECT_EQ(again.find("local")->credentials.secret_key, "secret");
  EXPECT_TRUE(again.remove("local"));
  EXPECT_FALSE(again.remove("local"));
  EXPECT_FALSE(AliasBook::load(folder_)->find("local"));
  EXPECT_FALSE(check_alias_name("a/b"));
  EXPECT_FALSE(check_alias_name("-a"));
  EXPECT_FALSE(check_alias_name(""));
}

TEST_F(TargetTest, ABrokenConfigIsNotOverwritten) {
  ASSERT_TRUE(write_private(folder_ + "/config.json", "{"));
  EXPECT_EQ(AliasBook::load(folder_).error().code(), ErrorCode::kMalformed);
}

TEST(PathBelow, RefusesKeysThatLeaveTheFolder) {
  EXPECT_EQ(path_below("/data", "a/b.txt"), "/data/a/b.txt");
  EXPECT_EQ(path_below("/data/", "a/"), "/data/a");
  for (const char* bad : {"../x", "a/../../x", "/etc/passwd", "a//b", ".", "..", "", "a/./b"})
    EXPECT_FALSE(path_below("/data", bad)) << bad;
  EXPECT_FALSE(path_below("/data", std::string("a\0b", 3)));
}

TEST(Url, ReadsEndpoints) {
  const Url url = Url::parse("https://Key:se%2Fc/r@t:x@S3.Example.org:9443/").value();
  EXPECT_TRUE(url.secure);
  EXPECT_EQ(url.user, "Key");
  EXPECT_EQ(url.password, "se/c/r@t:x");
  EXPECT_EQ(url.text(), "https://s3.example.org:9443");
  EXPECT_EQ(Url::parse("http://h:80")->authority(), "h");
  EXPECT_EQ(Url::parse("https://h:80")->authority(), "h:80");
  EXPECT_EQ(Url::parse("http://[::1]:9000")->authority(), "[::1]:9000");
  EXPECT_EQ(Url::parse("http://[::1]")->host, "[::1]");
  for (const char* bad : {"", "h:9000", "ftp://h", "http://", "http://h:0", "http://h:65536", "http://h:9x",
                          "http://h/path", "http://h?q", "http://nocolon@h"})
    EXPECT_FALSE(Url::parse(bad)) << bad;
  EXPECT_EQ(Url::parse("http://key:hunter2@h/path").error().message().find("hunter2"),
            std::string_view::npos);
}

TEST(AliasImport, Environment) {
  std::string first = "FLASHSTORE_HOST_a=http://k:s@h:9000";
  std::string second = "MC_HOST_b=https://k:s:token@h";
  std::string other = "PATH=/bin";
  char* environment[] = {first.data(), other.data(), second.data(), nullptr};
  const auto found = aliases_of_environment(environment);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].credentials.access_key, "k");
  EXPECT_EQ(found[0].url.text(), "http://h:9000");
  EXPECT_EQ(found[1].credentials.session_token, "token");
  EXPECT_EQ(found[1].credentials.secret_key, "s");
}

TEST(AliasImport, McAndAws) {
  const auto mc = aliases_of_mc(
      R"({"version":"10","aliases":{"play":{"url":"https://play.example","accessKey":"k","secretKey":"s","api":"S3v4"},
          "empty":{"url":"https://x","accessKey":"","secretKey":""}}})");
  ASSERT_EQ(mc.size(), 1U);
  EXPECT_EQ(mc[0].name, "play");
  EXPECT_TRUE(aliases_of_mc("not json").empty());

  const auto aws = aliases_of_aws(
      "# comment\n[default]\naws_access_key_id = AK\naws_secret_access_key=SK\nregion = eu-west-1\n\n"
      "[work]\r\naws_access_key_id=AK2\r\naws_secret_access_key=SK2\r\nendpoint_url=http://"
      "h:9000\r\n[none]\n");
  ASSERT_EQ(aws.size(), 2U);
  EXPECT_EQ(aws[0].name, "aws");
  EXPECT_EQ(aws[0].url.text(), "https://s3.eu-west-1.amazonaws.com");
  EXPECT_EQ(aws[1].name, "aws-work");
  EXPECT_EQ(aws[1].credentials.secret_key, "SK2");
  EXPECT_EQ(aws[1].url.text(), "http://h:9000");
}

}  // namespace
}  // namespace flashstor::cli
