#include <algorithm>

#include "engine/cluster/limits.h"
#include "engine/cluster/outside.h"
#include "engine/cluster/placement.h"
#include "engine/cluster/set.h"
#include "engine/cluster/shard_reader.h"

namespace flashstor::cluster {
namespace {

constexpr std::uint64_t kStripe = flashstor::limits::kStripeBytes;

std::size_t alignment_of(const DataRef& data) {
  return data.place == DataPlace::kLog ? codec::kInlineBlockAlignment : codec::kFileBlockAlignment;
}

// Bytes of one shard block of stripe `stripe` of `data`.
std::size_t block_bytes_of(const DataRef& data, std::uint64_t stripe) {
  const std::uint64_t bytes = std::min(kStripe, data.length - stripe * kStripe);
  return codec::shard_block_bytes(data.geometry, bytes, alignment_of(data));
}

// The data shards that hold bytes [offset, end), which lie in one stripe; all of them otherwise.
codec::PresenceMask shards_of_range(const DataRef& data, std::uint64_t offset, std::uint64_t end) {
  const codec::PresenceMask all = (codec::PresenceMask{1} << data.geometry.data_shards) - 1;
  const std::uint64_t stripe = offset / kStripe;
  if ((end - 1) / kStripe != stripe) return all;
  const std::size_t block = block_bytes_of(data, stripe);
  codec::PresenceMask mask = 0;
  for (std::uint64_t shard = offset % kStripe / block; shard <= (end - 1) % kStripe / block; ++shard)
    mask |= codec::PresenceMask{1} << shard;
  return mask;
}

// The object bytes [offset, end) out of shard blocks, by reference.
BufferChain assemble(const ShardReader& reader, const DataRef& data, std::uint64_t offset,
                     std::uint64_t end) {
  BufferChain out;
  const std::uint64_t first = offset / kStripe;
  const std::size_t full = codec::shard_block_bytes(data.geometry, kStripe, alignment_of(data));
  for (std::uint64_t at = offset; at < end;) {
    const std::uint64_t stripe = at / kStripe;
    const std::size_t block = block_bytes_of(data, stripe);
    const std::uint64_t in_stripe = at % kStripe;
    const auto shard = static_cast<std::uint32_t>(in_stripe / block);
    const std::size_t in_block = in_stripe % block;
    const std::uint64_t stripe_end = std::min(end, (stripe + 1) * kStripe);
    const std::size_t take = std::min<std::uint64_t>(block - in_block, stripe_end - at);
    out.append(reader.blocks(shard).slice((stripe - first) * full + in_block, take));
    at += take;
  }
  return out;
}

}  // namespace

Task<Result<BufferChain>> ErasureSet::read(DataRef data, std::uint64_t offset, std::uint64_t length) {
  const Outside inside(outside_);
  if (closing_.load()) co_return fail(ErrorCode::kCancelled, "the set is closing");
  requests_.fetch_add(1, std::memory_order_relaxed);
  if (data.place == DataPlace::kNone || offset >= data.length || length == 0) co_return BufferChain();
  if (length > kMaxReadBytes || data.geometry.shards() != parts_.info.drives)
    co_return fail(ErrorCode::kInvalidArgument, "a read of a wrong shape");
  const std::uint64_t end = std::min(data.length, offset + length);
  const auto first = static_cast<std::uint32_t>(offset / kStripe);
  const auto count = static_cast<std::uint32_t>((end - 1) / kStripe) - first + 1;
  const codec::PresenceMask wanted = shards_of_range(data, offset, end);
  bool all_in_step = false;
  const MonotonicTime deadline = Runtime::current()->now() + limits::kCommitDeadline;
  for (int attempt = 0;; ++attempt) {
    ShardReader reader(*this, data, first, count);
    auto fetched = co_await reader.fetch(wanted);
    // The leader's row may come from an entry that its node has applied and this one has not heard of.
    const bool elsewhere = group_.is_spread() && group_.leader_node() != static_cast<int>(parts_.place.self);
    const bool patient = attempt == 0 || (elsewhere && Runtime::current()->now() < deadline);
    if (!fetched && reader.saw_missing() && patient) {
      if (attempt != 0) co_await async::sleep_for(*Runtime::current(), limits::kReadAgain);
      // The drives may only be about to apply the entry that names it.
      all_in_step = co_await wait_all_applied();
      continue;
    }
    // A drive that is behind does not know yet what it holds: while one is, nothing is proven gone.
    if (!fetched && fetched.error().code() == ErrorCode::kNotFound && !all_in_step)
      co_return fail(ErrorCode::kReadQuorum, "too few shards of the data can be read now");
    if (!fetched) co_return std::unexpected(std::move(fetched).error());
    if (reader.bad_slots() != 0) report_bad(data, reader.bad_slots());
    co_return assemble(reader, data, offset, end);
  }
}

void ErasureSet::report_bad(const DataRef& data, std::uint32_t slots) {
  const Outside inside(outside_);
  parts_.home->post_function([this, inside, data, slots] { note_bad(data, slots); });
}

void ErasureSet::told_bad(std::vector<HealItem> items) {
  const Outside inside(outside_);
  parts_.home->post_function([this, inside, items = std::move(items)] {
    const std::uint32_t all = all_slots();
    for (const HealItem& item : items)
      if (group_.leader() && item.data.geometry.shards() == parts_.info.drives && (item.slots & all) != 0)
        note_bad(item.data, item.slots & all);
  });
}

// Told to the leader, wherever it is.
void ErasureSet::note_bad(const DataRef& data, std::uint32_t slots) {
  if (closing_.load() || bad_.size() >= limits::kMaxHealReports) return;
  if (group_.leader() && !bad_.contains(data.id)) count_owed(1, slots);
  auto& [ref, mask] = bad_[data.id];
  ref = data;
  mask |= slots;
  next_heal_ = std::min(next_heal_, parts_.home->now() + limits::kHealSoon);
  arm_house();
  if (group_.leader() || !group_.is_spread() || std::exchange(telling_bad_, true)) return;
  gate_.spawn(tell_bad());
}

// What is lost on the way is found by the next read again.
Task<void> ErasureSet::tell_bad() {
  while (!bad_.empty() && !group_.leader() && !closing_.load()) {
    co_await leader_signal_.wait_until(parts_.home->now() + limits::kHealSoon);
    if (!group_.leads_elsewhere()) continue;
    std::vector<HealItem> items;
    for (const auto& [id, report] : std::exchange(bad_, {}))
      items.push_back({.data = report.first, .slots = report.second});
    if (!items.empty())
      parts_.place.transport->send_bad(static_cast<std::uint32_t>(group_.leader_node()), parts_.place.set,
                                       std::move(items));
  }
  telling_bad_ = false;
}

}  // namespace flashstor::cluster
