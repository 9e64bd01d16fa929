#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <utility>

#include "engine/async/sync.h"
#include "engine/cluster/set_api.h"
#include "engine/files/limits.h"

namespace flashstor::files {

/// Stripes of slices that files of a volume read lately, so that small reads in a row verify each stripe
/// once, and the next stripe of a sequential reader is fetched before it is asked for. Slices never change,
/// so nothing goes stale. Bounded; lives on one runtime.
class StripeCache {
 public:
  explicit StripeCache(cluster::ClusterApi& cluster) : cluster_(cluster) {}
  /// Bytes [offset, offset + length) of a slice, `length` at most a few MiB. With `ahead` the stripe behind
  /// them is fetched too.
  Task<Result<BufferChain>> read(DataRef data, std::uint64_t offset, std::uint64_t length, bool ahead);
  /// Waits for fetches under way.
  Task<void> close() { co_await gate_.close(); }

 private:
  using Key = std::pair<DataId, std::uint64_t>;
  struct Stripe {
    async::Event ready;
    Result<BufferChain> bytes = fail(ErrorCode::kCancelled);
  };
  using StripeRef = std::shared_ptr<Stripe>;
  struct Held {
    StripeRef stripe;
    std::list<Key>::iterator place;
  };
  StripeRef fetch(const DataRef& data, std::uint64_t index);
  Task<void> fill(DataRef data, std::uint64_t index, StripeRef stripe);

  cluster::ClusterApi& cluster_;
  std::map<Key, Held> held_;
  std::list<Key> order_;  ///< Least lately used first.
  async::Gate gate_;
};

}  // namespace flashstor::files
