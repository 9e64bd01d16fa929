#include "engine/base/repeats.h"

#include <gtest/gtest.h>

namespace flashstor::base {
namespace {

TEST(Repeats, AreSaidOnceThenOnceAPeriodWithHowOften) {
  Repeats repeats(std::chrono::minutes(1));
  MonotonicTime now{};
  EXPECT_EQ(repeats.count("refused", now), 1U);
  for (int i = 0; i < 59; ++i)
    EXPECT_EQ(repeats.count("refused", now += std::chrono::seconds(1)), std::nullopt) << i;
  EXPECT_EQ(repeats.count("another reason", now), 1U);
  EXPECT_EQ(repeats.count("refused", now += std::chrono::seconds(1)), 60U);
  EXPECT_EQ(repeats.count("refused", now += std::chrono::seconds(1)), std::nullopt);
  EXPECT_EQ(repeats.count("refused", now += std::chrono::hours(1)), 2U);
}

TEST(Repeats, RememberSoManyAndForgetWhatWasSaidLongestAgo) {
  Repeats repeats(std::chrono::minutes(1), 2);
  MonotonicTime now{};
  for (const char* what : {"a", "b", "c"}) EXPECT_EQ(repeats.count(what, now += Nanoseconds(1)), 1U);
  EXPECT_EQ(repeats.count("c", now), std::nullopt);
  EXPECT_EQ(repeats.count("b", now), std::nullopt);
  EXPECT_EQ(repeats.count("a", now += Nanoseconds(1)), 1U);
}

TEST(Repeats, WordsTellOfSeveralOnly) {
  EXPECT_EQ(times_words(1), "");
  EXPECT_EQ(times_words(12), " (12 times since this was last said)");
}

}  // namespace
}  // namespace flashstor::base
