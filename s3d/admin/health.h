#pragma once

#include <atomic>

#include "engine/cluster/set_api.h"
#include "s3d/admin/pages.h"

namespace flashstor::s3d {

/// `/flashstor/health/live`: the process answers. `/ready`: it serves reads. `/cluster`: every set can write;
/// with `?maintenance` whether it still could, and owes no drive a shard, with this node down (a single node:
/// never). While a node stops, and before it is ready, `/ready` says no: balancers look elsewhere. 200 or
/// 503, with a line of JSON. Open to everybody, as orchestrators ask without credentials.
class HealthPage final : public Page {
 public:
  explicit HealthPage(cluster::ClusterApi& cluster) : cluster_(cluster) {}
  [[nodiscard]] bool is_open() const override { return true; }
  Task<Result<void>> handle(Call& call) override;
  /// From here on `/ready` says no, so that balancers look elsewhere.
  void set_stopping() { stopping_.store(true, std::memory_order_relaxed); }

 private:
  cluster::ClusterApi& cluster_;
  std::atomic<bool> stopping_{false};
};
inline constexpr std::string_view kHealthPrefix = "/flashstor/health/";

}  // namespace flashstor::s3d
