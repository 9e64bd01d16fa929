#include "engine/iam/secret_box.h"

#include <gtest/gtest.h>

namespace flashstor::iam {
namespace {

TEST(SecretBox, OpensWhatItSealed) {
  base::SeededRandom random(1);
  const SecretBox box("root", "password");
  for (const std::string& secret : {std::string(), std::string("secret"), std::string(1000, 'x')}) {
    const auto sealed = box.seal(secret, "alice", random);
    ASSERT_TRUE(sealed.has_value());
    EXPECT_EQ(sealed->size(), 1 + 16 + 12 + secret.size() + 16);
    EXPECT_TRUE(secret.empty() || sealed->find(secret) == std::string::npos);
    EXPECT_EQ(SecretBox("root", "password").open(*sealed, "alice").value(), secret);
  }
  EXPECT_NE(box.seal("secret", "alice", random).value(), box.seal("secret", "alice", random).value());
}

TEST(SecretBox, OtherCredentialsOrAnotherNameDoNotOpenIt) {
  base::SeededRandom random(2);
  const std::string sealed = SecretBox("root", "password").seal("secret", "alice", random).value();
  EXPECT_EQ(SecretBox("root", "passwore").open(sealed, "alice").error().code(), ErrorCode::kCorrupt);
  EXPECT_EQ(SecretBox("roo", "tpassword").open(sealed, "alice").error().code(), ErrorCode::kCorrupt);
  EXPECT_EQ(SecretBox("root", "password").open(sealed, "bob").error().code(), ErrorCode::kCorrupt);
}

TEST(SecretBox, AnyFlippedBitIsSeen) {
  base::SeededRandom random(3);
  const SecretBox box("root", "password");
  const std::string sealed = box.seal("secret", "alice", random).value();
  for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    std::string broken = sealed;
    broken[bit / 8] = static_cast<char>(broken[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(box.open(broken, "alice").has_value()) << bit;
  }
  for (std::size_t size = 0; size < sealed.size(); ++size)
    EXPECT_FALSE(box.open(sealed.substr(0, size), "alice").has_value()) << size;
}

}  // namespace
}  // namespace flashstor::iam
