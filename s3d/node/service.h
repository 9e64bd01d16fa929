#pragma once

#include <string_view>
#include <vector>

#include "engine/async/uv_runtime.h"
#include "engine/async/work_pool.h"
#include "engine/base/metrics.h"
#include "engine/cluster/set_api.h"
#include "engine/iam/identities.h"
#include "engine/objects/object_store.h"
#include "s3d/admin/pages.h"
#include "s3d/http/server.h"
#include "s3d/node/options.h"
#include "s3d/ops/services.h"

namespace flashstor::s3d {

/// One loop as services see it.
struct LoopContext {
  async::UvRuntime& runtime;
  objects::ObjectStore& store;
  Services& services;
};

/// What a service of the node may use between its start and its stop. Loop 0 is the one that services are
/// started and stopped on; the identity store lives on it.
struct NodeContext {
  const NodeOptions& options;
  cluster::ClusterApi& cluster;
  WorkPool& pool;
  iam::Iam& iam;
  iam::IdentityStore& identities;
  TraceHub& trace;
  base::MetricsRegistry& metrics;
  Pages& pages;  ///< Add pages under /flashstor/ here before the first request: in `start`.
  std::vector<LoopContext> loops;
};

/// A part of the node that is not the S3 door: mounts, the admin API. Owned by main, started after the
/// engine and before the ports open, stopped after they closed, in reverse order.
class NodeService {
 public:
  virtual ~NodeService() = default;
  [[nodiscard]] virtual std::string_view name() const = 0;
  /// On loop 0. The context outlives the service's running. Errors end the start of the node.
  virtual Task<Result<void>> start(NodeContext& context) = 0;
  /// Takes connections that ask for another protocol; null: the service speaks none. The same at each call.
  [[nodiscard]] virtual ConnectionTaker* upgrades() { return nullptr; }
  /// On loop 0, first of all at a stop, while requests are still answered: ends answers that have no end of
  /// their own, so that the ports close at once.
  virtual void stopping() {}
  /// On loop 0; ends when nothing of the service runs any more. Only after a successful start.
  virtual Task<void> stop() = 0;
};

}  // namespace flashstor::s3d
