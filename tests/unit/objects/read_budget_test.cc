#include "engine/objects/read_budget.h"

#include <gtest/gtest.h>

namespace flashstor::objects {
namespace {

TEST(ReadBudget, ShrinksTheWindowsAsItFills) {
  ReadBudget budget;
  EXPECT_EQ(budget.window(limits::kReadWindowBytes), limits::kReadWindowBytes);
  EXPECT_TRUE(budget.may_read_ahead());
  budget.take(limits::kRoomyReadBytes);
  EXPECT_EQ(budget.window(limits::kReadWindowBytes), limits::kStripeBytes);
  EXPECT_FALSE(budget.may_read_ahead());
  budget.take(limits::kMaxHeldReadBytes / 2 - limits::kRoomyReadBytes);
  EXPECT_EQ(budget.window(limits::kReadWindowBytes), limits::kTightWindowBytes);
  EXPECT_EQ(budget.window(100), 100U);
  EXPECT_FALSE(budget.is_full());
  budget.take(limits::kMaxHeldReadBytes / 2);
  EXPECT_TRUE(budget.is_full());
  budget.give(limits::kMaxHeldReadBytes);
  EXPECT_EQ(budget.held_bytes(), 0U);
  EXPECT_TRUE(budget.may_read_ahead());
}

}  // namespace
}  // namespace flashstor::objects
