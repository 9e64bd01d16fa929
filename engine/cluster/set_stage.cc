#include <algorithm>
#include <bit>

#include "engine/async/gather.h"
#include "engine/cluster/limits.h"
#include "engine/cluster/outside.h"
#include "engine/cluster/placement.h"
#include "engine/cluster/set.h"
#include "engine/codec/erasure.h"

// Large slices go to the drives stripe by stripe before their entry is proposed.
namespace flashstor::cluster {
namespace {

struct Blocks {
  Buffer bytes;
  std::size_t block_bytes = 0;
};

// One drive's part: its own queue, so that a slow drive holds the others up only when its queue is full, and
// then not longer than kStageDeadline.
struct Lane {
  std::uint32_t slot = 0;
  storage::StorageApi* drive = nullptr;
  async::Channel<Blocks> queue{limits::kStagedStripes};
  bool ok = true;
  bool opened = false;       // or failed to
  bool finished = false;     // its shard is durable
  std::uint64_t length = 0;  // of the slice, once it is known: finish after the last stripe
  MonotonicTime moved_at{};  // when the drive last took something
  async::Event ended;
};

}  // namespace

class StagedSlice final : public StageApi {
 public:
  StagedSlice(ErasureSet& set, const DataRef& data) : set_(set), inside_(set.outside_), data_(data) {}
  StagedSlice(const StagedSlice&) = delete;
  StagedSlice& operator=(const StagedSlice&) = delete;
  ~StagedSlice() override {
    if (registered_ && !done_) set_.forget_staged(data_.id);
    if (state_ == nullptr) return;
    for (const auto& lane : state_->lanes) lane->queue.close();
    if (!done_) async::start_detached(abandon(state_, data_.id, inside_));
  }

  Task<Result<void>> open(std::uint64_t expected_bytes);
  Task<Result<void>> write(BufferChain bytes) override;
  Task<Result<DataRef>> finish() override;
  Task<void> abort() override;

 private:
  struct State {
    std::vector<std::unique_ptr<Lane>> lanes;
    std::size_t opening = 0;
    async::Signal opened;
    async::Gate gate;
  };
  static Task<void> open_lane(std::shared_ptr<State> state, Lane* lane, DataRef data, std::uint8_t shard,
                              std::uint64_t bytes, Outside inside);
  static Task<void> run_lane(std::shared_ptr<State> state, Lane* lane, DataId id, Outside inside);
  static Task<void> abandon(std::shared_ptr<State> state, DataId id, Outside inside);
  Task<Result<void>> send_stripe(BufferChain stripe);
  void leave_out(Lane& lane);
  [[nodiscard]] bool enough() const;

  ErasureSet& set_;
  Outside inside_;
  DataRef data_;
  BufferChain rest_;  // less than a stripe
  std::shared_ptr<State> state_;
  bool done_ = false;
  bool registered_ = false;
};

// Lives on its own: a drive that hangs holds its lane, not the slice.
Task<void> StagedSlice::open_lane(std::shared_ptr<State> state, Lane* lane, DataRef data, std::uint8_t shard,
                                  std::uint64_t bytes, Outside inside) {
  const auto opened = co_await lane->drive->stage_open(data, shard, bytes);
  lane->ok = lane->ok && opened.has_value();
  lane->opened = true;
  --state->opening;
  state->opened.notify_all();
  co_await run_lane(state, lane, data.id, inside);
}

Task<Result<void>> StagedSlice::open(std::uint64_t expected_bytes) {
  state_ = std::make_shared<State>();
  {
    const std::lock_guard lock(set_.staged_mutex_);
    if (!set_.staged_.emplace(data_.id, ErasureSet::Staged{.since = Runtime::current()->now()}).second)
      co_return fail(ErrorCode::kInvalidArgument, "the data id is in use");
  }
  registered_ = true;
  const std::uint32_t drives = set_.parts_.info.drives;
  const std::uint32_t open = set_.open_mask_.load() & ~set_.full_mask_.load();
  if (std::popcount(open) < static_cast<int>(write_quorum(drives, data_.geometry)))
    co_return fail(ErrorCode::kNoSpace, "the drives of the set are full");
  const std::uint64_t shard_bytes =
      codec::shard_bytes(data_.geometry, expected_bytes, codec::kFileBlockAlignment);
  for (std::uint32_t slot = 0; slot < drives; ++slot) {
    if ((open >> slot & 1) == 0) continue;
    auto lane = std::make_unique<Lane>();
    lane->slot = slot;
    lane->drive = set_.drives_[slot];
    state_->lanes.push_back(std::move(lane));
  }
  state_->opening = state_->lanes.size();
  for (const auto& lane : state_->lanes) {
    const auto shard = static_cast<std::uint8_t>(shard_of_slot(data_.id, lane->slot, drives));
    state_->gate.spawn(open_lane(state_, lane.get(), data_, shard, shard_bytes, inside_));
  }
  const MonotonicTime deadline = Runtime::current()->now() + limits::kStageDeadline;
  while (state_->opening > 0)
    if (!co_await state_->opened.wait_until(deadline)) break;
  for (const auto& lane : state_->lanes)
    if (!lane->opened) leave_out(*lane);
  if (!enough()) co_return fail(ErrorCode::kWriteQuorum, "too few drives of the set take the data");
  co_return Result<void>();
}

// What the drive still does is its own affair: the slice is complete without it, and it is healed later.
void StagedSlice::leave_out(Lane& lane) {
  lane.ok = false;
  lane.queue.close();
}

Task<void> StagedSlice::run_lane(std::shared_ptr<State> state, Lane* lane, DataId id, Outside inside) {
  static_cast<void>(state);
  static_cast<void>(inside);
  while (auto blocks = co_await lane->queue.pop()) {
    if (!lane->ok) continue;  // drains what the writer still pushes
    const auto done = co_await lane->drive->stage_append(id, std::move(blocks->bytes), blocks->block_bytes);
    lane->moved_at = Runtime::current()->now();
    if (!done) lane->ok = false;
  }
  if (lane->ok && lane->length > 0)
    lane->ok = lane->finished = (co_await lane->drive->stage_finish(id, lane->length)).has_value();
  if (!lane->ok) static_cast<void>(co_await lane->drive->stage_abort(id));
  lane->ended.set();
}

bool StagedSlice::enough() const {
  const auto good = std::ranges::count_if(state_->lanes, [](const auto& lane) { return lane->ok; });
  return static_cast<std::uint32_t>(good) >= write_quorum(set_.parts_.info.drives, data_.geometry);
}

Task<Result<void>> StagedSlice::write(BufferChain bytes) {
  if (done_) co_return fail(ErrorCode::kInvalidArgument, "the slice is finished");
  rest_.append(std::move(bytes));
  while (rest_.size() >= flashstor::limits::kStripeBytes) {
    BufferChain stripe = rest_.sub(0, flashstor::limits::kStripeBytes);
    rest_ = rest_.sub(flashstor::limits::kStripeBytes, rest_.size() - flashstor::limits::kStripeBytes);
    co_await or_return(send_stripe(std::move(stripe)));
  }
  co_return Result<void>();
}

Task<Result<void>> StagedSlice::send_stripe(BufferChain stripe) {
  data_.length += stripe.size();
  const std::size_t block =
      codec::shard_block_bytes(data_.geometry, stripe.size(), codec::kFileBlockAlignment);
  std::vector<Buffer> shards;
  if (set_.parts_.pool != nullptr) {
    shards = co_await async::offload(*set_.parts_.pool, [this, &stripe] {
      return codec::encode_stripe(data_.geometry, stripe, codec::kFileBlockAlignment);
    });
  } else {
    shards = codec::encode_stripe(data_.geometry, stripe, codec::kFileBlockAlignment);
  }
  stripe.clear();
  for (const auto& lane : state_->lanes) {
    if (!lane->ok) continue;
    const std::uint32_t shard = shard_of_slot(data_.id, lane->slot, set_.parts_.info.drives);
    const MonotonicTime deadline = Runtime::current()->now() + limits::kStageDeadline;
    Blocks blocks{.bytes = std::move(shards[shard]), .block_bytes = block};
    if (!co_await lane->queue.push_until(std::move(blocks), deadline)) leave_out(*lane);
  }
  if (!enough()) co_return fail(ErrorCode::kWriteQuorum, "too few drives of the set take the data");
  co_return Result<void>();
}

Task<Result<DataRef>> StagedSlice::finish() {
  if (done_) co_return fail(ErrorCode::kInvalidArgument, "the slice is finished");
  if (!rest_.empty()) co_await or_return(send_stripe(std::exchange(rest_, {})));
  if (data_.length == 0) co_return fail(ErrorCode::kInvalidArgument, "a slice without bytes");
  Runtime& runtime = *Runtime::current();
  for (const auto& lane : state_->lanes) {
    if (lane->ok) lane->length = data_.length;
    lane->moved_at = runtime.now();
    lane->queue.close();
  }
  for (const auto& lane : state_->lanes)
    while (lane->ok && !lane->ended.is_set() && runtime.now() < lane->moved_at + limits::kStageDeadline)
      co_await lane->ended.wait_until(lane->moved_at + limits::kStageDeadline);
  std::uint32_t held = 0;
  for (const auto& lane : state_->lanes)
    if (lane->finished) held |= std::uint32_t{1} << lane->slot;
  if (std::popcount(held) < static_cast<int>(write_quorum(set_.parts_.info.drives, data_.geometry)))
    co_return fail(ErrorCode::kWriteQuorum, "too few drives of the set hold the data");
  done_ = true;
  const std::lock_guard lock(set_.staged_mutex_);
  set_.staged_[data_.id] = {.slots = held, .since = Runtime::current()->now()};
  co_return data_;
}

Task<void> StagedSlice::abandon(std::shared_ptr<State> state, DataId id, Outside inside) {
  static_cast<void>(inside);
  co_await state->gate.close();
  for (const auto& lane : state->lanes) static_cast<void>(co_await lane->drive->stage_abort(id));
}

Task<void> StagedSlice::abort() {
  if (done_) co_return;
  done_ = true;
  set_.forget_staged(data_.id);
  for (const auto& lane : state_->lanes) lane->queue.close();
  co_await abandon(state_, data_.id, inside_);
}

Task<Result<std::unique_ptr<StageApi>>> ErasureSet::stage(DataId id, Geometry geometry,
                                                          std::uint64_t expected_bytes) {
  const Outside inside(outside_);
  if (closing_.load()) co_return fail(ErrorCode::kCancelled, "the set is closing");
  if (geometry.shards() != parts_.info.drives || geometry.data_shards == 0)
    co_return fail(ErrorCode::kInvalidArgument, "the data's geometry is not that of the set");
  if (!can_write_.load()) {
    const auto wait = [](ErasureSet* self) -> Task<Result<void>> {
      const MonotonicTime deadline = self->parts_.home->now() + limits::kWaitDeadline;
      if (!self->group_.is_spread()) co_return co_await self->await_leader(deadline);
      while (!self->can_write_.load() && !self->closing_.load())
        if (!co_await self->leader_signal_.wait_until(deadline)) break;
      co_return Result<void>();
    };
    co_await or_return(async::run_on(*parts_.home, wait(this)));
    if (!can_write_.load())
      co_return fail(ErrorCode::kReadOnly, "too few drives of the set stand to take changes");
  }
  DataRef data{
      .id = id, .set = parts_.info.index, .geometry = geometry, .place = DataPlace::kFile, .length = 0};
  auto slice = std::make_unique<StagedSlice>(*this, data);
  co_await or_return(slice->open(expected_bytes));
  co_return std::unique_ptr<StageApi>(std::move(slice));
}

}  // namespace flashstor::cluster
