#include "engine/files/slice_edit.h"

#include <gtest/gtest.h>

#include <map>

#include "engine/base/random.h"

namespace flashstor::files {
namespace {

Slice data(std::uint64_t id, std::uint64_t length, std::uint64_t offset = 0) {
  Slice slice;
  slice.data.id = {id, 1};
  slice.data.place = DataPlace::kLog;
  slice.data.length = 1 << 20;
  slice.offset = offset;
  slice.length = length;
  return slice;
}

// The bytes that a list shows, each as (data id, offset in it).
std::vector<std::pair<std::uint64_t, std::uint64_t>> show(const std::vector<Slice>& slices) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> out;
  for (const Slice& slice : slices)
    for (std::uint64_t i = 0; i < slice.length; ++i)
      out.emplace_back(slice.data.place == DataPlace::kNone ? 0 : slice.data.id.high,
                       slice.data.place == DataPlace::kNone ? 0 : slice.offset + i);
  return out;
}

TEST(SliceEdit, RandomEditsMatchAByteModel) {
  base::SeededRandom random(7);
  for (int run = 0; run < 200; ++run) {
    std::vector<Slice> slices;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> model;
    for (std::uint64_t step = 1; step < 40; ++step) {
      const std::uint64_t at = random.below(200);
      const std::uint64_t length = 1 + random.below(50);
      if (random.below(4) == 0) {
        resize(slices, at);
        model.resize(at);
      } else {
        const Slice fresh =
            random.below(5) == 0 ? Slice{.length = length} : data(step, length, random.below(9));
        overwrite(slices, {at, fresh});
        if (model.size() < at + length) model.resize(at + length);
        for (std::uint64_t i = 0; i < length; ++i)
          model[at + i] = fresh.data.place == DataPlace::kNone ? std::pair<std::uint64_t, std::uint64_t>{}
                                                               : std::pair{step, fresh.offset + i};
      }
      ASSERT_EQ(show(slices), model);
      ASSERT_EQ(bytes_of(slices), model.size());
      for (const Slice& slice : slices) ASSERT_GT(slice.length, 0U);
    }
  }
}

TEST(SliceEdit, DroppedNamesEachDataOnce) {
  std::vector<Slice> before;
  overwrite(before, {0, data(1, 100)});
  overwrite(before, {20, data(2, 10)});
  std::vector<Slice> after = before;
  overwrite(after, {20, data(3, 10)});
  const auto gone = dropped(before, after);
  ASSERT_EQ(gone.size(), 1U);
  EXPECT_EQ(gone.front().data.id.high, 2U);
  EXPECT_EQ(dropped(before, {}).size(), 2U);
}

TEST(SliceEdit, NeighboursOfOneDataAreJoined) {
  std::vector<Slice> slices;
  overwrite(slices, {0, data(1, 10, 0)});
  overwrite(slices, {10, data(1, 10, 10)});
  EXPECT_EQ(slices.size(), 1U);
}

TEST(SliceEdit, BestFoldFindsTheDensestRun) {
  std::vector<Slice> slices;
  overwrite(slices, {0, data(1, 1000)});
  for (std::uint64_t i = 0; i < 5; ++i) overwrite(slices, {500 + i * 10, data(10 + i, 5)});
  const Fold best = best_fold(slices, 60);
  EXPECT_GE(best.slices, 9U);
  EXPECT_LE(best.length, 60U);
  EXPECT_EQ(best_fold({data(1, 100)}, 1000).length, 0U);
}

}  // namespace
}  // namespace flashstor::files
