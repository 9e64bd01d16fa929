#include "engine/storage/entry.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace flashstor::storage {
namespace {

EntryBody full_entry() {
  EntryBody entry;
  entry.request_id = {1, 2};
  entry.changes = {{Family::kVersions, std::string("k\0y", 3), "value"},
                   {Family::kDue, "gone", std::nullopt}};
  entry.data = {{3, 4}, 7, {2, 2}, DataPlace::kLog, 4096};
  entry.on_confirm = {{Family::kVersions, "old", std::nullopt}};
  entry.on_void = {{Family::kVersions, "new", ""}};
  entry.confirms = {1, 300};
  entry.voids = {UINT64_MAX};
  entry.frees = {{5, 6}, {7, 8}};
  entry.excused = 0x8001;
  entry.excused_from = 299;
  entry.incarnations = {7, 0, UINT64_MAX};
  return entry;
}

TEST(Entry, ComesBackAsItWas) {
  const std::string bytes = encode_entry(full_entry());
  const auto decoded = decode_entry(bytes);
  ASSERT_TRUE(decoded) << decoded.error().describe();
  EXPECT_EQ(encode_entry(*decoded), bytes);
  EXPECT_EQ(decoded->changes[0].key.size(), 3U);
  EXPECT_FALSE(decoded->changes[1].value.has_value());
  EXPECT_EQ(decoded->on_void[0].value, "");
  EXPECT_EQ(decoded->data, full_entry().data);
  EXPECT_EQ(decoded->voids[0], UINT64_MAX);
  EXPECT_EQ(decoded->excused, 0x8001U);
  EXPECT_EQ(decoded->excused_from, 299U);
  EXPECT_EQ(decoded->incarnations, (std::vector<std::uint64_t>{7, 0, UINT64_MAX}));
}

TEST(Entry, AViewShowsTheSame) {
  const EntryBody entry = full_entry();
  const Buffer payload = entry_payload(entry);
  EXPECT_EQ(payload.view(), encode_entry(entry));
  const auto view = view_entry(payload.view());
  ASSERT_TRUE(view) << view.error().describe();
  const auto same = [](const std::vector<RowChange>& rows, const std::vector<RowChangeView>& views) {
    return std::ranges::equal(rows, views, [](const RowChange& row, const RowChangeView& shown) {
      return row.family == shown.family && row.key == shown.key && row.value == shown.value;
    });
  };
  EXPECT_TRUE(same(entry.changes, view->changes));
  EXPECT_TRUE(same(entry.on_confirm, view->on_confirm));
  EXPECT_TRUE(same(entry.on_void, view->on_void));
  EXPECT_EQ(view->data, entry.data);
  EXPECT_EQ(view->frees, entry.frees);
}

// Nobody knows which drives lacked its data when it was acknowledged.
TEST(Entry, OneOfTheFormatBeforeExcusesEveryDrive) {
  EntryBody entry = full_entry();
  entry.excused = 0;
  entry.excused_from = 0;
  entry.incarnations = {};
  std::string bytes = encode_entry(entry);
  bytes.resize(bytes.size() - 3);
  bytes[0] = 1;
  const auto decoded = decode_entry(bytes);
  ASSERT_TRUE(decoded) << decoded.error().describe();
  EXPECT_EQ(decoded->excused, kAllExcused);
  EXPECT_EQ(decoded->excused_from, 0U);
  EXPECT_EQ(decoded->frees.size(), 2U);
}

TEST(Entry, EveryTruncationIsRefused) {
  const std::string bytes = encode_entry(full_entry());
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(decode_entry(std::string_view(bytes).substr(0, size))) << size;
  EXPECT_FALSE(decode_entry(bytes + "x"));
}

TEST(Entry, LocalFamiliesAndBadGeometriesAreRefused) {
  EntryBody entry = full_entry();
  entry.changes[0].family = Family::kInline;
  EXPECT_FALSE(decode_entry(encode_entry(entry)));
  entry = full_entry();
  entry.data.geometry = {0, 2};
  EXPECT_FALSE(decode_entry(encode_entry(entry)));
  entry.data.geometry = {16, 16};
  EXPECT_FALSE(decode_entry(encode_entry(entry)));
}

TEST(Entry, AnEmptyOneIsSmall) { EXPECT_LT(encode_entry(EntryBody{}).size(), 32U); }

}  // namespace
}  // namespace flashstor::storage
