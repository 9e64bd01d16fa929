#include "engine/cluster/topology.h"

#include <gtest/gtest.h>

#include "engine/base/limits.h"
#include "engine/cluster/slots.h"

namespace flashstor::cluster {
namespace {

using Strings = std::vector<std::string>;

TEST(Topology, EllipsesExpandInOrder) {
  EXPECT_EQ(expand_drives({"/data{1...4}"}).value(), (Strings{"/data1", "/data2", "/data3", "/data4"}));
  EXPECT_EQ(expand_drives({"/m{09...10}/d{1...2}/"}).value(),
            (Strings{"/m09/d1", "/m09/d2", "/m10/d1", "/m10/d2"}));
  EXPECT_EQ(expand_drives({"/a", "/b/"}).value(), (Strings{"/a", "/b"}));
}

TEST(Topology, WhatMakesNoSenseIsRefusedInWords) {
  for (const Strings& bad : {Strings{"/data{4...1}"}, Strings{"/data{1..4}"}, Strings{"/data{1...4"},
                             Strings{"/d}"}, Strings{"/d{a...b}"}, Strings{"/d{1...9999999}"}, Strings{},
                             Strings{""}, Strings{"/a", "/a/"}, Strings{"/d{1...2000}{1...2000}"}}) {
    const auto drives = expand_drives(bad);
    ASSERT_FALSE(drives.has_value());
    EXPECT_EQ(drives.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(drives.error().message(), base::name_of(ErrorCode::kInvalidArgument));
  }
  EXPECT_EQ(expand_drives({"http://node{1...4}/data"}).error().code(), ErrorCode::kInvalidArgument);
}

TEST(Topology, SetsAreAsLargeAsTheyCanBe) {
  EXPECT_EQ(set_size(1).value(), 1U);
  EXPECT_EQ(set_size(4).value(), 4U);
  EXPECT_EQ(set_size(13).value(), 13U);
  EXPECT_EQ(set_size(16).value(), 16U);
  EXPECT_EQ(set_size(18).value(), 9U);
  EXPECT_EQ(set_size(24).value(), 12U);
  EXPECT_EQ(set_size(32).value(), 16U);
  EXPECT_EQ(set_size(17).error().code(), ErrorCode::kInvalidArgument);
}

TEST(Topology, ParityIsAtMostHalfOfASet) {
  EXPECT_TRUE(check_parity(0, 1).has_value());
  EXPECT_TRUE(check_parity(2, 4).has_value());
  EXPECT_TRUE(check_parity(2, 5).has_value());
  EXPECT_EQ(check_parity(1, 1).error().code(), ErrorCode::kInvalidArgument);
  const auto refused = check_parity(3, 4);
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().message().find("at most half of them, 2"), std::string_view::npos);
}

TEST(Slots, KeysSpreadEvenlyAndTheSameEveryTime) {
  const Uuid deployment{1, 2};
  const Uuid bucket{3, 4};
  const SlotTable table(deployment, 4);
  const SlotTable again(deployment, 4);
  std::vector<std::size_t> counts(4);
  for (int i = 0; i < 40'000; ++i) {
    const std::string key = "photos/" + std::to_string(i) + ".jpg";
    ASSERT_EQ(table.set_of(bucket, key), again.set_of(bucket, key));
    ++counts[table.set_of(bucket, key)];
  }
  for (const std::size_t count : counts) EXPECT_NEAR(static_cast<double>(count), 10'000.0, 600.0);
  EXPECT_EQ(table.set_of_slot(0), 0U);
  EXPECT_EQ(table.set_of_slot(limits::kSlots - 1), 3U);
}

}  // namespace
}  // namespace flashstor::cluster
