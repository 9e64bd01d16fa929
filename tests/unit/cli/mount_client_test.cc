#include "cli/mount_client.h"

#include <gtest/gtest.h>

#include "cli/clock.h"
#include "cli/digest.h"
#include "engine/base/hex.h"
#include "engine/base/json.h"

namespace flashstor::cli {
namespace {

MountRequest request() {
  return {"/run/none.sock",
          "photos",
          "/mnt/photos",
          {{"ro", ""}, {"uid", "7"}},
          "alice",
          "secret",
          parse_iso("2026-11-23T08:00:00Z").value(),
          ""};
}

TEST(MountClient, SignsTheNodesChallengeToo) {
  MountRequest far = request();
  far.challenge = "00ff";
  const std::string key = hmac_sha256("flashstor-mountsecret", "20261123T080000Z");
  EXPECT_EQ(mount_signature(far, "20261123T080000Z"),
            base::to_hex(hmac_sha256(key, "photos\n/mnt/photos\nalice\n20261123T080000Z\n00ff")));
  EXPECT_NE(mount_message(far).find("\"challenge\":\"00ff\""), std::string::npos);
  EXPECT_EQ(mount_message(request()).find("challenge"), std::string::npos);
}

TEST(MountClient, SignsBucketPlaceKeyAndDate) {
  const std::string key = hmac_sha256("flashstor-mountsecret", "20261123T080000Z");
  EXPECT_EQ(mount_signature(request(), "20261123T080000Z"),
            base::to_hex(hmac_sha256(key, "photos\n/mnt/photos\nalice\n20261123T080000Z")));
  // Held fast: the node's side is written to the same text.
  EXPECT_EQ(mount_signature(request(), "20261123T080000Z"),
            "4153f548b1d719039aa5379f23273230d1079875563efce76e202861325d35a1");
}

TEST(MountClient, MessageHasAllButTheSecret) {
  const auto message = Json::parse(mount_message(request())).value();
  EXPECT_EQ(message.int_or("version"), 1);
  EXPECT_EQ(message.string_or("bucket"), "photos");
  EXPECT_EQ(message.string_or("mountpoint"), "/mnt/photos");
  EXPECT_EQ(message.get("options").string_or("uid"), "7");
  EXPECT_TRUE(message.get("options").has("ro"));
  EXPECT_EQ(message.string_or("date"), "20261123T080000Z");
  EXPECT_EQ(message.string_or("signature"), mount_signature(request(), "20261123T080000Z"));
  EXPECT_EQ(mount_message(request()).find("secret"), std::string::npos);
}

TEST(MountClient, RefusesBeforeAnythingIsMounted) {
  EXPECT_EQ(mount_through_node(request()).error().code(), ErrorCode::kNotFound);  // No such folder.
  MountRequest no_node = request();
  no_node.mountpoint = testing::TempDir();
  const auto refused = mount_through_node(no_node);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message().find("no node serves mounts"), std::string_view::npos);
}

TEST(MountClient, Options) {
  const auto options = parse_mount_options("ro,,uid=1000,name=a=b");
  ASSERT_TRUE(options);
  EXPECT_EQ(options->size(), 3U);
  EXPECT_EQ(options->at("ro"), "");
  EXPECT_EQ(options->at("name"), "a=b");
  EXPECT_FALSE(parse_mount_options("=x"));
}

}  // namespace
}  // namespace flashstor::cli
