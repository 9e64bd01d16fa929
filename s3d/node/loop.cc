#include "s3d/node/loop.h"

#include "engine/async/uv_stream.h"

namespace flashstor::s3d {

Loop::Loop(async::UvRuntime& runtime, const Shared& shared, RequestStats& stats)
    : runtime_(runtime),
      store_(shared.cluster, shared.epoch, runtime.random(), {.digests = &shared.digests}),
      authorizer_(shared.iam),
      credentials_(authorizer_.identities()),
      verifier_(credentials_, SignatureOptions{.region = shared.signed_region}),
      ring_(shared.access_log ? std::make_unique<AccessRing>() : nullptr),
      services_{.facts = shared.facts,
                .runtime = runtime,
                .store = store_,
                .authorizer = authorizer_,
                .verifier = verifier_,
                .policies = policies_,
                .owners = owners_,
                .stats = stats,
                .trace = shared.trace,
                .access_log = ring_.get(),
                .bodies = &bodies_,
                .freshness = shared.freshness},
      handler_(services_, &shared.pages),
      upgrades_(shared.upgrades) {}

Task<Result<std::uint16_t>> Loop::serve(HostPort address, bool join_port,
                                        std::shared_ptr<async::TlsContext> tls) {
  auto listener =
      co_await or_return(async::listen_tcp(runtime_, address.host, address.port, {.join_port = join_port}));
  const std::uint16_t port = listener->port();
  ServerOptions options;
  options.upgrades = upgrades_;
  if (tls != nullptr) {
    options.tls = true;
    listener = async::tls_listener(std::move(listener), std::move(tls));
  }
  server_ = std::make_unique<HttpServer>(runtime_, std::move(listener), options, handler_);
  server_->start();
  co_return port;
}

Task<void> Loop::stop_server(Milliseconds grace) {
  if (server_ != nullptr) co_await server_->stop(grace);
}

Task<void> Loop::close_store() { co_await store_.close(); }

}  // namespace flashstor::s3d
