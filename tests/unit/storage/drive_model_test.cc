#include <algorithm>
#include <cstdlib>

#include "tests/unit/storage/drive_model.h"

namespace flashstor::storage {
namespace {

class DriveModelTest : public testing::TestWithParam<int> {};

TEST_P(DriveModelTest, HoldsWhatTheModelHolds) {
  DriveModel model(static_cast<std::uint64_t>(GetParam()));
  for (int i = 0; i < 1000; ++i) {
    model.step();
    if (testing::Test::HasFailure()) FAIL() << "seed " << GetParam() << ", step " << i;
  }
  model.finish();
  EXPECT_GT(model.restarts + model.power_cuts, 10U);
  EXPECT_GT(model.restored, 0U);
}

// FLASHSTOR_MODEL_SEEDS widens the search (tests/run --full).
int seeds() {
  const char* text = std::getenv("FLASHSTOR_MODEL_SEEDS");
  return text == nullptr ? 10 : std::max(1, std::atoi(text));
}
INSTANTIATE_TEST_SUITE_P(Seeds, DriveModelTest, testing::Range(1, seeds() + 1));

}  // namespace
}  // namespace flashstor::storage
