#pragma once

#include <memory>

#include "engine/async/uv_runtime.h"
#include "engine/async/uv_tls.h"
#include "s3d/node/credentials.h"
#include "s3d/node/service.h"
#include "s3d/ops/bucket_policies.h"
#include "s3d/ops/limits.h"
#include "s3d/ops/s3_handler.h"

namespace flashstor::s3d {

/// What all loops share. Outlives them.
struct Shared {
  const NodeFacts& facts;
  cluster::ClusterApi& cluster;
  objects::BucketEpoch& epoch;
  iam::Iam& iam;
  objects::DigestPool& digests;
  TraceHub& trace;
  Pages& pages;
  std::string signed_region;  ///< Empty: any.
  bool access_log = false;
  FreshnessApi* freshness = nullptr;
  ConnectionTaker* upgrades = nullptr;
};

/// The S3 door on one loop: its store, caches, counters and server. Made before its loop takes requests, then
/// used on it alone; destroyed after `close_store` on any thread.
class Loop {
 public:
  Loop(async::UvRuntime& runtime, const Shared& shared, RequestStats& stats);

  [[nodiscard]] LoopContext context() { return {runtime_, store_, services_}; }
  /// Listens and serves. On this loop. `port` 0 takes any; the port taken is the answer.
  /// Errors: of listen_tcp.
  Task<Result<std::uint16_t>> serve(HostPort address, bool join_port, std::shared_ptr<async::TlsContext> tls);
  /// Ends serving: running requests have `grace`. On this loop.
  Task<void> stop_server(Milliseconds grace);
  /// After it nothing uses the store any more. On this loop, last.
  Task<void> close_store();
  [[nodiscard]] HttpHandler& handler() { return handler_; }
  [[nodiscard]] AccessRing* access_ring() { return ring_.get(); }
  [[nodiscard]] const iam::Authorizer& authorizer() const { return authorizer_; }
  [[nodiscard]] const HttpServer* server() const { return server_.get(); }

 private:
  async::UvRuntime& runtime_;
  objects::ObjectStore store_;
  iam::Authorizer authorizer_;
  IamCredentials credentials_;
  SignatureVerifier verifier_;
  BucketPolicies policies_;
  OwnerNames owners_;
  std::unique_ptr<AccessRing> ring_;
  BodyBudget bodies_{ops_limits::kMaxBodyBytesInMemory};
  Services services_;
  S3Handler handler_;
  ConnectionTaker* upgrades_;
  std::unique_ptr<HttpServer> server_;
};

}  // namespace flashstor::s3d
