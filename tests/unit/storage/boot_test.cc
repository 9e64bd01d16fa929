#include "engine/storage/boot.h"

#include <gtest/gtest.h>

#include "tests/support/sim_file_io.h"

namespace flashstor::storage {
namespace {

class BootTest : public ::testing::Test {
 protected:
  BootTest() {
    EXPECT_TRUE(io_.make_directory("").has_value());
    EXPECT_TRUE(io_.make_directory("/drive").has_value());
    EXPECT_TRUE(io_.make_directory("/drive/.flashstor").has_value());
    EXPECT_TRUE(io_.sync_directory("").has_value());
    EXPECT_TRUE(io_.sync_directory("/drive").has_value());
  }
  bool enter(const std::string& boot, bool clean) {
    const auto doubt = enter_boot(io_, "/drive", boot, clean);
    EXPECT_TRUE(doubt.has_value());
    return doubt.value_or(false);
  }
  SimFileIo io_;
};

TEST_F(BootTest, AProcessThatIsKilledLeavesNoDoubt) {
  EXPECT_FALSE(enter("one", true));
  EXPECT_FALSE(enter("one", false));
  EXPECT_FALSE(enter("one", false));
}

TEST_F(BootTest, AnotherBootWithoutAnOrderlyStopDoes) {
  EXPECT_FALSE(enter("one", true));
  EXPECT_TRUE(enter("two", false));
  EXPECT_TRUE(enter("two", false)) << "nobody has trusted it since";
  EXPECT_TRUE(enter("two", true)) << "an orderly stop does not bring back what was lost";
  EXPECT_TRUE(enter("three", true));
  ASSERT_TRUE(trust_boot(io_, "/drive", "three").has_value());
  EXPECT_FALSE(enter("three", false));
}

TEST_F(BootTest, AnOrderlyStopBeforeTheNextBootLeavesNoDoubt) {
  EXPECT_FALSE(enter("one", true));
  EXPECT_FALSE(enter("two", true));
  EXPECT_FALSE(enter("two", false));
}

// Of an earlier build, which noted nothing; or the file was damaged.
TEST_F(BootTest, WithoutANoteOnlyAnOrderlyStopIsTrusted) {
  EXPECT_TRUE(enter("one", false));
  ASSERT_TRUE(trust_boot(io_, "/drive", std::string(1000, 'x')).has_value());
  EXPECT_TRUE(enter("one", false));
}

TEST_F(BootTest, ASystemThatDoesNotNameItsBootsIsNeverInDoubt) { EXPECT_FALSE(enter("", false)); }

TEST_F(BootTest, TheKernelNamesItsBoot) {
  EXPECT_EQ(current_boot().size(), 36U);
  EXPECT_EQ(current_boot(), current_boot());
}

}  // namespace
}  // namespace flashstor::storage
