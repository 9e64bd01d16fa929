#include "engine/storage/guarded_storage.h"

#include <gtest/gtest.h>

#include "engine/async/gather.h"
#include "engine/async/sync.h"
#include "tests/unit/storage/drive_fixture.h"

namespace flashstor::storage {
namespace {

/// A runtime's worth of waiting without real time: the drive's calls hang until they are let go.
class HangingPool final : public async::WorkPool {
 public:
  void submit(async::Work& work) override {
    if (hang) {
      held.push_back(&work);
    } else {
      work.run(&work);
    }
  }
  void release() {
    hang = false;
    for (async::Work* work : std::exchange(held, {})) work->run(work);
  }
  bool hang = false;
  std::vector<async::Work*> held;
};

class GuardedStorageTest : public DriveFixture {
 protected:
  void start_guarded() {
    options_.writer_pool = &pool_;
    options_.io_pool = &pool_;
    start();
    GuardOptions options;
    options.append_deadline = std::chrono::milliseconds(1);
    options.read_deadline = std::chrono::milliseconds(1);
    guarded_ = std::make_unique<GuardedStorage>(std::move(drive_), options);
  }
  ~GuardedStorageTest() override {
    pool_.release();
    // Lets the calls that were held come home.
    runtime_.run_until([](async::UvRuntime* runtime) -> Task<void> {
      for (int i = 0; i < 4; ++i) co_await async::switch_to(*runtime);
    }(&runtime_));
    guarded_.reset();
  }
  HangingPool pool_;
  std::unique_ptr<GuardedStorage> guarded_;
};

TEST_F(GuardedStorageTest, AnswersAreTheDrivesOwn) {
  start_guarded();
  AppendBatch batch;
  batch.entries = {entry_of(1, 1, put("a", "1"))};
  ASSERT_TRUE(run(guarded_->append(batch)));
  ASSERT_TRUE(run(guarded_->apply(batch.entries)));
  EXPECT_EQ(*run(guarded_->get_row(Family::kVersions, "a")), "1");
  const DriveHealth health = guarded_->health();
  EXPECT_FALSE(health.failed);
  EXPECT_FALSE(health.slow);
  EXPECT_GT(health.append_mean.count(), 0);
  EXPECT_GE(health.append_p99, health.append_mean);
}

TEST_F(GuardedStorageTest, AHungWriteTakesTheDriveOutAtItsDeadline) {
  start_guarded();
  pool_.hang = true;
  AppendBatch batch;
  batch.entries = {entry_of(1, 1, put("a", "1"))};
  EXPECT_EQ(run(guarded_->append(batch)).error().code(), ErrorCode::kUnknownOutcome);
  EXPECT_EQ(run(guarded_->append(batch)).error().code(), ErrorCode::kDriveFailed) << "nobody waits twice";
  EXPECT_EQ(guarded_->rows(), nullptr);
  EXPECT_EQ(guarded_->info().state, DriveInfo::State::kFailed);
  EXPECT_TRUE(guarded_->health().failed);
}

// A stop waited a minute, and with a deep scan under way an hour, for a drive that was known to hang.
TEST_F(GuardedStorageTest, ALongCallGetsNoMoreTimeOnceTheDriveIsGivenUp) {
  start_guarded();
  pool_.hang = true;
  AppendBatch batch;
  batch.entries = {entry_of(1, 1, put("a", "1"))};
  std::vector<Task<Result<void>>> calls;
  calls.push_back(guarded_->verify_shard(record_of({9, 1}, 3000).ref));
  calls.push_back(guarded_->append(batch));
  for (const Result<void>& result : runtime_.run_until(async::gather(std::move(calls))))
    EXPECT_EQ(result.error().code(), ErrorCode::kUnknownOutcome);
  EXPECT_EQ(guarded_->health().timeouts, 1U) << "the long call was given up before its own deadline";
}

TEST_F(GuardedStorageTest, OneLateReadIsAnErrorSeveralAreAFailure) {
  start_guarded();
  pool_.hang = true;
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(guarded_->health().failed);
    EXPECT_EQ(run(guarded_->holds({{1, 1}})).error().code(), ErrorCode::kTimeout);
  }
  EXPECT_TRUE(guarded_->health().failed);
  EXPECT_EQ(guarded_->health().timeouts, 3U);
}

TEST(LatencyMeter, GivesMeanAndTail) {
  LatencyMeter meter;
  EXPECT_EQ(meter.p99().count(), 0);
  for (int i = 0; i < 126; ++i) meter.add(Nanoseconds(1000));
  meter.add(Nanoseconds(50'000));
  meter.add(Nanoseconds(50'000));
  EXPECT_EQ(meter.p99().count(), 50'000);
  EXPECT_GT(meter.mean().count(), 1000);
  EXPECT_LT(meter.mean().count(), 10'000);
}

}  // namespace
}  // namespace flashstor::storage
