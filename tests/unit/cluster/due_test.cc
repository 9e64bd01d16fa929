#include "engine/cluster/due.h"

#include <gtest/gtest.h>

// Rows of what a set owes its drives.
namespace flashstor::cluster {
namespace {

DataRef slice() {
  DataRef data;
  data.place = DataPlace::kLog;
  data.id = Uuid::from_bytes(std::string(16, '\x21'));
  data.geometry = {.data_shards = 2, .parity_shards = 2};
  data.length = 4096;
  return data;
}

TEST(HealQueue, WhatIsFoundLaterTakesNothingAwayFromWhatWasFoundBefore) {
  const RowChange first = heal_row({.data = slice(), .slots = 1U << 2});
  const RowChange second = heal_row({.data = slice(), .slots = 1U << 3});
  EXPECT_NE(first.key, second.key);
}

TEST(HealQueue, TheMostEndangeredComeFirst) {
  const std::string one = heal_key({.data = slice(), .slots = 1U << 3});
  const std::string two = heal_key({.data = slice(), .slots = 3U << 2});
  EXPECT_LT(two, one);
  EXPECT_LT(heal_key(owed_scan(3)), one);
}

TEST(HealQueue, RowsAreReadBack) {
  const HealItem item{.data = slice(), .slots = 5};
  const auto back = decode_heal(*heal_row(item).value);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->slots, 5U);
  EXPECT_EQ(back->data.id, item.data.id);
  EXPECT_FALSE(is_owed_scan(*back));
  const auto scan = decode_heal(*heal_row(owed_scan(3)).value);
  ASSERT_TRUE(scan.has_value());
  EXPECT_TRUE(is_owed_scan(*scan));
  EXPECT_EQ(scan->slots, 1U << 3);
}

}  // namespace
}  // namespace flashstor::cluster
