#pragma once

#include <atomic>
#include <memory>

#include "engine/async/uv_runtime.h"
#include "engine/async/uv_tls.h"
#include "s3d/http/server.h"
#include "s3d/node/options.h"

namespace flashstor::s3d {

/// The first loop's server of a node of several: it listens before the engine stands, because the others must
/// reach this node for it to stand. Until `open` clients get 503. Threads: that loop.
class EarlyDoor {
 public:
  EarlyDoor(async::UvRuntime& runtime, ConnectionTaker& upgrades) : runtime_(runtime), upgrades_(upgrades) {}
  /// Listens, with TLS if given. A host that is a name listens on every address. Gives the port. Errors: of
  /// listen_tcp.
  Result<std::uint16_t> listen(const HostPort& address, std::shared_ptr<async::TlsContext> tls);
  /// From now on `handler` answers; it outlives the server.
  void open(HttpHandler& handler) { gate_.inner = &handler; }
  Task<void> stop(Milliseconds grace);
  /// Null before `listen`.
  [[nodiscard]] const HttpServer* server() const { return server_.get(); }

 private:
  struct Gate final : HttpHandler {
    HttpHandler* inner = nullptr;
    Task<void> handle(Request& request, ResponseWriter& response) override;
    void on_refused(Refusal refusal, std::string_view peer) override;
  };
  async::UvRuntime& runtime_;
  ConnectionTaker& upgrades_;
  Gate gate_;
  std::unique_ptr<HttpServer> server_;
};

/// The address to listen on for `address`: itself, or every address when its host is a name.
[[nodiscard]] HostPort listening_address(HostPort address);

}  // namespace flashstor::s3d
