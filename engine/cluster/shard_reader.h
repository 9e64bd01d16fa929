#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "engine/async/frame_pool.h"
#include "engine/async/sync.h"
#include "engine/cluster/outside.h"
#include "engine/cluster/set.h"
#include "engine/codec/erasure.h"

namespace flashstor::cluster {

/// Reads blocks of one slice from the drives of its set: the data shards that are wanted first, others when
/// one is missing, wrong or late.
/// Threads: the loop it is used on. Reads that came too late outlive it.
class ShardReader {
 public:
  ShardReader(ErasureSet& set, const DataRef& data, std::uint32_t first_block, std::uint32_t count);
  /// Makes the shards of `wanted` (a mask of data shards) available. Errors: kReadQuorum, kNotFound when so
  /// many drives do not have theirs that the others cannot hold enough.
  Task<Result<void>> fetch(codec::PresenceMask wanted);
  /// The blocks of data shard `shard`, after `fetch`.
  [[nodiscard]] const Buffer& blocks(std::uint32_t shard) const { return state_->blocks[shard]; }
  /// Slots whose shard was missing or wrong.
  [[nodiscard]] std::uint32_t bad_slots() const { return bad_slots_; }
  [[nodiscard]] bool saw_missing() const { return saw_missing_; }

 private:
  template <class T>
  using Each = std::vector<T, async::FrameAllocator<T>>;
  struct State {
    DataRef data;
    std::uint32_t first = 0;
    std::uint32_t count = 0;
    Each<Buffer> blocks;  // by shard
    Each<std::optional<Error>> errors;
    codec::PresenceMask got = 0;
    codec::PresenceMask failed = 0;
    async::Signal progress;
  };
  static Task<void> read_one(std::shared_ptr<State> state, storage::StorageApi* drive, std::uint32_t shard,
                             Outside inside);
  void start(std::uint32_t shard);
  /// The next shard worth asking for, standing drives first.
  [[nodiscard]] std::optional<std::uint32_t> next_shard() const;
  [[nodiscard]] bool is_gone() const;
  void note_failures();
  /// In words, behind a colon; empty when no drive said anything.
  [[nodiscard]] std::string first_error() const;
  Result<void> decode(codec::PresenceMask wanted);

  ErasureSet& set_;
  std::shared_ptr<State> state_;
  codec::PresenceMask started_ = 0;
  std::uint32_t bad_slots_ = 0;
  bool saw_missing_ = false;
};

}  // namespace flashstor::cluster
