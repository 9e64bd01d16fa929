#include "s3d/node/early_door.h"

#include <algorithm>

#include "engine/async/uv_stream.h"

namespace flashstor::s3d {

Task<void> EarlyDoor::Gate::handle(Request& request, ResponseWriter& response) {
  if (inner != nullptr) {
    co_await inner->handle(request, response);
    co_return;
  }
  response.set_status(503);
  response.add_header("Content-Type", "application/xml");
  response.add_header("Retry-After", "1");
  static_cast<void>(co_await response.send(std::string_view(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>ServiceUnavailable</Code><Message>The node "
      "is starting and waits for the others.</Message></Error>")));
}

void EarlyDoor::Gate::on_refused(Refusal refusal, std::string_view peer) {
  if (inner != nullptr) inner->on_refused(refusal, peer);
}

HostPort listening_address(HostPort address) {
  const bool numeric = address.host.contains(':') || std::ranges::all_of(address.host, [](char byte) {
                         return byte == '.' || (byte >= '0' && byte <= '9');
                       });
  if (!numeric) address.host = "0.0.0.0";
  return address;
}

Result<std::uint16_t> EarlyDoor::listen(const HostPort& address, std::shared_ptr<async::TlsContext> tls) {
  const HostPort on = listening_address(address);
  auto listener = async::listen_tcp(runtime_, on.host, on.port, {.join_port = false});
  if (!listener) return std::unexpected(listener.error());
  const std::uint16_t port = (*listener)->port();
  ServerOptions options;
  options.upgrades = &upgrades_;
  std::unique_ptr<async::Listener> door = std::move(*listener);
  if (tls != nullptr) {
    options.tls = true;
    door = async::tls_listener(std::move(door), std::move(tls));
  }
  server_ = std::make_unique<HttpServer>(runtime_, std::move(door), options, gate_);
  server_->start();
  return port;
}

Task<void> EarlyDoor::stop(Milliseconds grace) {
  if (server_ != nullptr) co_await server_->stop(grace);
}

}  // namespace flashstor::s3d
