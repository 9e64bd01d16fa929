#include <algorithm>

#include "tests/unit/files/many_sets_fixture.h"

namespace flashstor::files {
namespace {

// Each set has told a part of it, and is asked for the next page from where all have.
TEST_F(ManySetsTest, ALongListingComesInPagesWithoutLossOrRepeat) {
  std::vector<std::string> expected;
  for (int i = 0; i < 57; ++i) {
    const std::string name = "f" + std::to_string(1000 + i);
    put_object("d/" + name + (i % 3 == 0 ? "/below" : ""), "x");
    expected.push_back(name);
  }
  mkdir("d", "f1003x");
  expected.insert(expected.begin() + 4, "f1003x");
  for (const std::size_t limit : {1U, 2U, 7U, 56U, 57U, 100U}) {
    auto found = names("d", limit);
    std::ranges::sort(found);
    EXPECT_EQ(found, expected) << limit;
  }
}

// More than are asked for at a time.
TEST_F(ManySetsTest, ALongNameIsFoundBehindManyOthers) {
  const std::string component = "z" + std::string(400, 'l');
  for (std::uint32_t n = 0; n < 3 * kLongNamePage + 100; ++n) put_object("d/a" + std::to_string(n), "x");
  put_object("d/" + component, "long");
  EXPECT_EQ(read_file("d/" + long_name(component)), "long");
  EXPECT_EQ(error(volume_->lookup("d", long_name(component + "x"))), ErrorCode::kNotFound);
  mv("d", "e");
  EXPECT_EQ(names("e").size(), 3 * kLongNamePage + 101);
  EXPECT_EQ(error(volume_->lookup("", "d")), ErrorCode::kNoSuchKey);
}

}  // namespace
}  // namespace flashstor::files
