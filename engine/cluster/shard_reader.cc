#include "engine/cluster/shard_reader.h"

#include <algorithm>
#include <array>
#include <bit>

#include "engine/cluster/limits.h"
#include "engine/cluster/placement.h"

namespace flashstor::cluster {

ShardReader::ShardReader(ErasureSet& set, const DataRef& data, std::uint32_t first_block, std::uint32_t count)
    : set_(set), state_(std::allocate_shared<State>(async::FrameAllocator<State>())) {
  state_->data = data;
  state_->first = first_block;
  state_->count = count;
  state_->blocks.resize(data.geometry.shards());
  state_->errors.resize(data.geometry.shards());
}

Task<void> ShardReader::read_one(std::shared_ptr<State> state, storage::StorageApi* drive,
                                 std::uint32_t shard, Outside inside) {
  static_cast<void>(inside);
  auto blocks = co_await drive->read_shard(state->data, state->first, state->count);
  if (blocks) {
    state->blocks[shard] = std::move(*blocks);
    state->got |= codec::PresenceMask{1} << shard;
  } else {
    state->errors[shard] = std::move(blocks).error();
    state->failed |= codec::PresenceMask{1} << shard;
  }
  state->progress.notify_all();
}

void ShardReader::start(std::uint32_t shard) {
  const codec::PresenceMask bit = codec::PresenceMask{1} << shard;
  started_ |= bit;
  storage::StorageApi* drive = set_.drives_[slot_of_shard(state_->data.id, shard, set_.parts_.info.drives)];
  if (drive == nullptr) {
    state_->failed |= bit;
    state_->errors[shard] = Error(ErrorCode::kDriveFailed);
    return;
  }
  auto blocks = drive->try_read_shard(state_->data, state_->first, state_->count);
  if (blocks) {
    state_->blocks[shard] = std::move(*blocks);
    state_->got |= bit;
    return;
  }
  if (blocks.error().code() == ErrorCode::kWouldBlock) {
    async::start_detached(read_one(state_, drive, shard, Outside(set_.outside_)));
    return;
  }
  state_->failed |= bit;
  state_->errors[shard] = std::move(blocks).error();
}

std::optional<std::uint32_t> ShardReader::next_shard() const {
  const std::uint32_t open = set_.open_mask_.load();
  std::optional<std::uint32_t> fallen;
  for (std::uint32_t shard = 0; shard < state_->data.geometry.shards(); ++shard) {
    if ((started_ >> shard & 1) != 0) continue;
    const std::uint32_t slot = slot_of_shard(state_->data.id, shard, set_.parts_.info.drives);
    if ((open >> slot & 1) != 0) return shard;
    if (set_.drives_[slot] != nullptr) fallen = fallen.value_or(shard);
  }
  return fallen;
}

Task<Result<void>> ShardReader::fetch(codec::PresenceMask wanted) {
  const int k = state_->data.geometry.data_shards;
  Runtime& runtime = *Runtime::current();
  const std::uint32_t open = set_.open_mask_.load();
  bool decoding = false;
  for (std::uint32_t shard = 0; wanted >> shard != 0; ++shard) {
    if ((wanted >> shard & 1) == 0) continue;
    const std::uint32_t slot = slot_of_shard(state_->data.id, shard, set_.parts_.info.drives);
    if ((open >> slot & 1) != 0) {
      start(shard);
    } else {
      decoding = true;  // its drive is out: others stand in
    }
  }
  while ((state_->got & wanted) != wanted && std::popcount(state_->got) < k) {
    decoding = decoding || (state_->failed & wanted) != 0;
    bool late = false;
    if (decoding) {
      while (std::popcount(started_ & ~state_->failed) < k) {
        const auto shard = next_shard();
        if (!shard) break;
        start(*shard);
      }
      if (std::popcount(started_ & ~state_->failed) < k && (state_->got & wanted) != wanted) {
        note_failures();
        co_return fail(is_gone() ? ErrorCode::kNotFound : ErrorCode::kReadQuorum,
                       "too few shards of the data can be read" + first_error());
      }
      if (std::popcount(state_->got) >= k) break;
    }
    if ((started_ & ~state_->got & ~state_->failed) != 0)
      late = !co_await state_->progress.wait_until(runtime.now() + limits::kHedgeAfter);
    if (late) {
      decoding = true;
      if (const auto shard = next_shard()) start(*shard);
    }
  }
  note_failures();
  co_return decode(wanted);
}

std::string ShardReader::first_error() const {
  for (const std::optional<Error>& error : state_->errors)
    if (error) return ": " + error->describe();
  return {};
}

// So many drives say that they do not have it that the others cannot hold enough. One that is behind says so
// too: while the others do not answer it proves nothing.
bool ShardReader::is_gone() const {
  const auto missing = std::ranges::count_if(
      state_->errors, [](const auto& error) { return error && error->code() == ErrorCode::kNotFound; });
  return missing > state_->data.geometry.parity_shards;
}

void ShardReader::note_failures() {
  for (std::uint32_t shard = 0; shard < state_->errors.size(); ++shard) {
    if (!state_->errors[shard]) continue;
    const ErrorCode code = state_->errors[shard]->code();
    saw_missing_ = saw_missing_ || code == ErrorCode::kNotFound;
    if (code == ErrorCode::kNotFound || code == ErrorCode::kCorrupt || code == ErrorCode::kIo)
      bad_slots_ |= std::uint32_t{1} << slot_of_shard(state_->data.id, shard, set_.parts_.info.drives);
  }
}

Result<void> ShardReader::decode(codec::PresenceMask wanted) {
  const codec::PresenceMask present = state_->got;
  const codec::PresenceMask missing = wanted & ~present;
  if (missing == 0) return {};
  const auto any = static_cast<std::size_t>(std::countr_zero(present));
  const std::size_t bytes = state_->blocks[any].size();
  std::array<std::byte*, flashstor::limits::kMaxDrivesPerSet> pointers{};
  for (std::size_t shard = 0; shard < state_->blocks.size(); ++shard) {
    if ((missing >> shard & 1) != 0) state_->blocks[shard] = Buffer::allocate(bytes);
    if (((present | missing) >> shard & 1) == 0) continue;
    if (state_->blocks[shard].size() != bytes) return fail(ErrorCode::kCorrupt, "shards of unequal length");
    pointers[shard] = state_->blocks[shard].writable();
  }
  return codec::erasure_coder(state_->data.geometry)
      .rebuild({pointers.data(), state_->blocks.size()}, bytes, present, missing);
}

}  // namespace flashstor::cluster
