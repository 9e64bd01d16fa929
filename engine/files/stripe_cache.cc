#include "engine/files/stripe_cache.h"

#include <algorithm>

namespace flashstor::files {

Task<Result<BufferChain>> StripeCache::read(DataRef data, std::uint64_t offset, std::uint64_t length,
                                            bool ahead) {
  if (offset > data.length || length > data.length - offset)
    co_return fail(ErrorCode::kCorrupt, "a slice that is shorter than its extent");
  const std::uint64_t first = offset / limits::kStripeBytes;
  const std::uint64_t last = length == 0 ? first : (offset + length - 1) / limits::kStripeBytes;
  std::vector<StripeRef> stripes;
  for (std::uint64_t index = first; index <= last; ++index) stripes.push_back(fetch(data, index));
  if (ahead && (last + 1) * limits::kStripeBytes < data.length) fetch(data, last + 1);
  BufferChain out;
  for (std::uint64_t index = first; index <= last; ++index) {
    const StripeRef& stripe = stripes[index - first];
    co_await stripe->ready.wait();
    if (!stripe->bytes) co_return std::unexpected(stripe->bytes.error());
    const std::uint64_t start = index * limits::kStripeBytes;
    const std::uint64_t from = std::max(offset, start) - start;
    const std::uint64_t to = std::min(offset + length, start + stripe->bytes->size()) - start;
    out.append(stripe->bytes->sub(from, to - from));
  }
  co_return out;
}

StripeCache::StripeRef StripeCache::fetch(const DataRef& data, std::uint64_t index) {
  const Key key{data.id, index};
  if (const auto found = held_.find(key); found != held_.end()) {
    order_.splice(order_.end(), order_, found->second.place);
    return found->second.stripe;
  }
  auto stripe = std::make_shared<Stripe>();
  if (!gate_.spawn(fill(data, index, stripe))) {
    stripe->ready.set();
    return stripe;
  }
  if (stripe->ready.is_set() && !stripe->bytes) return stripe;  // errors are not kept
  held_.emplace(key, Held{stripe, order_.insert(order_.end(), key)});
  while (held_.size() > kMaxCachedStripes) {
    held_.erase(order_.front());
    order_.pop_front();
  }
  return stripe;
}

Task<void> StripeCache::fill(DataRef data, std::uint64_t index, StripeRef stripe) {
  const std::uint64_t start = index * limits::kStripeBytes;
  const std::uint64_t length = std::min<std::uint64_t>(limits::kStripeBytes, data.length - start);
  stripe->bytes = co_await cluster_.set_at(data.set).read(data, start, length);
  if (!stripe->bytes) {
    if (const auto found = held_.find({data.id, index});
        found != held_.end() && found->second.stripe == stripe) {
      order_.erase(found->second.place);
      held_.erase(found);
    }
  }
  stripe->ready.set();
}

}  // namespace flashstor::files
