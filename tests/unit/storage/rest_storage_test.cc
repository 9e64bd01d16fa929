#include "engine/storage/rest_storage.h"

#include <gtest/gtest.h>

#include "engine/async/uv_runtime.h"
#include "engine/storage/storage_server.h"
#include "tests/support/memory_storage.h"

namespace flashstor::storage {
namespace {

/// A drive in memory that can say what it holds.
class ListedDrive final : public testing::MemoryStorage {
 public:
  explicit ListedDrive(std::shared_ptr<testing::MemoryDisk> disk)
      : MemoryStorage(disk, 2), disk_(std::move(disk)) {}
  Task<Result<std::vector<DataRef>>> inventory(DataId after, std::size_t most) override {
    std::vector<DataRef> held;
    for (auto at = disk_->shards.upper_bound(after); at != disk_->shards.end() && held.size() < most; ++at)
      held.push_back(at->second.ref);
    co_return held;
  }

 private:
  std::shared_ptr<testing::MemoryDisk> disk_;
};

/// A peer's drive, its calls taken straight to its node's server.
class RestStorageTest : public ::testing::Test, public PeerCaller {
 protected:
  RestStorageTest() : disk_(std::make_shared<testing::MemoryDisk>()), drive_(disk_) {
    server_.add(1, 2, drive_);
    DriveInfo info;
    info.path = "http://peer/drive";
    info.set = 1;
    info.slot = 2;
    rest_ = std::make_unique<RestStorage>(*this, info);
  }
  DataRef hold(std::uint64_t number) {
    const DataRef ref{.id = {.high = number, .low = 1},
                      .set = 1,
                      .geometry = {.data_shards = 2, .parity_shards = 1},
                      .place = DataPlace::kLog,
                      .length = 10 + number};
    disk_->shards[ref.id] = {.ref = ref, .shard = 1, .bytes = Buffer::copy_of("shard")};
    return ref;
  }
  Task<Result<wire::Payload>> call(wire::Method method, wire::Payload request, Nanoseconds) override {
    if (!up_) co_return fail(ErrorCode::kIo, "down");
    co_return co_await server_.handle(method, std::move(request));
  }
  [[nodiscard]] bool reachable() const override { return up_; }

  async::UvRuntime loop_;
  std::shared_ptr<testing::MemoryDisk> disk_;
  ListedDrive drive_;
  StorageServer server_;
  std::unique_ptr<RestStorage> rest_;
  bool up_ = true;
};

// A scanner that heard nothing would believe that the drive had lost everything.
TEST_F(RestStorageTest, TellsWhatTheDriveHoldsPageByPage) {
  std::vector<DataRef> all;
  for (std::uint64_t i = 1; i <= 5; ++i) all.push_back(hold(i));
  const auto first = loop_.run_until(rest_->inventory({}, 3));
  ASSERT_TRUE(first.has_value()) << first.error().describe();
  EXPECT_EQ(*first, std::vector<DataRef>(all.begin(), all.begin() + 3));
  const auto rest = loop_.run_until(rest_->inventory(first->back().id, 3));
  ASSERT_TRUE(rest.has_value());
  EXPECT_EQ(*rest, std::vector<DataRef>(all.begin() + 3, all.end()));
}

TEST_F(RestStorageTest, ADriveThatCannotBeAskedIsOutAndNotEmpty) {
  const DataRef ref = hold(1);
  up_ = false;
  EXPECT_EQ(loop_.run_until(rest_->inventory({}, 3)).error().code(), ErrorCode::kDriveFailed);
  EXPECT_EQ(loop_.run_until(rest_->holds({ref.id})).error().code(), ErrorCode::kDriveFailed);
  EXPECT_EQ(loop_.run_until(rest_->read_shard(ref, 0, 1)).error().code(), ErrorCode::kDriveFailed);
  EXPECT_EQ(rest_->info().state, DriveInfo::State::kMissing);
}

TEST_F(RestStorageTest, HoldsAndRefusalsReachTheDrive) {
  const DataRef ref = hold(1);
  const DataId other{.high = 9, .low = 9};
  disk_->incarnation = 77;
  const auto held = loop_.run_until(rest_->holds({ref.id, other}));
  ASSERT_TRUE(held.has_value());
  EXPECT_EQ(held->held, (std::vector<bool>{true, false}));
  EXPECT_EQ(held->incarnation, 77U);
  AppendBatch batch;
  batch.refusals.push_back(other);
  batch.refusals_term = 4;
  disk_->hard_state.term = 5;
  EXPECT_EQ(loop_.run_until(rest_->append(batch)).error().code(), ErrorCode::kStale);
  EXPECT_FALSE(disk_->refused.contains(other));
  batch.refusals_term = 5;
  ASSERT_TRUE(loop_.run_until(rest_->append(std::move(batch))).has_value());
  EXPECT_TRUE(disk_->refused.contains(other));
}

TEST_F(RestStorageTest, TheTermOfWhoHasAShardRebuiltReachesTheDrive) {
  DataRef ref = hold(1);
  ref.id.low = 99;
  const Buffer bytes = Buffer::copy_of(std::string(shard_bytes_of(ref), 'r'));
  disk_->hard_state.term = 5;
  EXPECT_EQ(loop_.run_until(rest_->restore_shard(ref, 1, 4, 0, BufferChain(bytes))).error().code(),
            ErrorCode::kStale);
  EXPECT_FALSE(disk_->shards.contains(ref.id));
  ASSERT_TRUE(loop_.run_until(rest_->restore_shard(ref, 1, 5, 0, BufferChain(bytes))).has_value());
  EXPECT_TRUE(disk_->shards.contains(ref.id));
}

TEST_F(RestStorageTest, TheLogOfAPeersDriveIsNotToBeWritten) {
  AppendBatch batch;
  batch.hard_state = HardState{.term = 3, .vote = 1};
  EXPECT_EQ(loop_.run_until(rest_->append(std::move(batch))).error().code(), ErrorCode::kNotSupported);
  EXPECT_EQ(loop_.run_until(rest_->recover()).error().code(), ErrorCode::kNotSupported);
  EXPECT_EQ(disk_->hard_state.term, 0U);
}

}  // namespace
}  // namespace flashstor::storage
