#pragma once

#include <span>
#include <string>
#include <string_view>

#include "engine/async/runtime.h"
#include "engine/iam/authorizer.h"
#include "engine/objects/object_store.h"
#include "s3d/auth/signature.h"
#include "s3d/ops/access_ring.h"
#include "s3d/ops/body_budget.h"
#include "s3d/ops/request_stats.h"
#include "s3d/ops/trace_hub.h"

namespace flashstor::s3d {

class BucketPolicies;
class OwnerNames;

/// What is the same for every request of the node. Immutable once it serves.
struct NodeFacts {
  std::string region = "us-east-1";
  bool any_region = true;            ///< Nobody chose one: every location of a new bucket is taken.
  std::vector<std::string> domains;  ///< For virtual-host style; lower case.
  std::string host_id;               ///< x-amz-id-2.
};

/// Whether the identities and buckets in this process's caches are known to be current. Threads: any loop.
class FreshnessApi {
 public:
  virtual ~FreshnessApi() = default;
  [[nodiscard]] virtual bool is_fresh(MonotonicTime now) const = 0;
  /// Makes sure. Errors: kTimeout when it cannot; then nothing may be allowed.
  virtual Task<Result<void>> confirm() = 0;
};

/// What the requests of one loop work with. All references outlive the requests.
struct Services {
  const NodeFacts& facts;
  Runtime& runtime;
  objects::ObjectStore& store;
  iam::Authorizer& authorizer;
  SignatureVerifier& verifier;
  BucketPolicies& policies;
  OwnerNames& owners;
  RequestStats& stats;
  TraceHub& trace;
  AccessRing* access_log = nullptr;   ///< Null: no access log.
  BodyBudget* bodies = nullptr;       ///< Null: no bound.
  FreshnessApi* freshness = nullptr;  ///< Null: nobody else changes anything.
};

}  // namespace flashstor::s3d
