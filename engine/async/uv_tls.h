#pragma once

#include <memory>
#include <string>

#include "engine/async/stream.h"

/// TLS 1.2 and 1.3 over any Connection, through OpenSSL.
namespace flashstor::async {

/// Certificates of a server, as MinIO lays them out: `public.crt` and `private.key` in the directory for
/// everybody, and the same two in sub-directories (`example.org/`) chosen by SNI from the names in each
/// certificate. Threads: `reload` on one thread at a time; connections may be made on any.
class TlsContext {
 public:
  /// Errors: kNotFound without public.crt, kInvalidArgument for a certificate or key that does not parse or
  /// match; the message names the file.
  static Result<std::shared_ptr<TlsContext>> load_server(const std::string& certs_dir);
  /// The same for a node of several: it also asks who connects for a certificate (and takes connections
  /// without one), and connects to other nodes with its own (`tls_node`). Trusted are the authorities in
  /// `CAs/` of the directory; where there are none, the system's and public.crt itself.
  static Result<std::shared_ptr<TlsContext>> load_node(const std::string& certs_dir);
  /// For outgoing connections. `ca_file` empty takes the system's authorities; `verify` false trusts anybody
  /// (tests, self-signed aliases when the user asked for it).
  static Result<std::shared_ptr<TlsContext>> client(const std::string& ca_file, bool verify);

  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;
  ~TlsContext();

  /// Reads the directory again; new connections use what it holds, all of it or (on an error) nothing of it.
  Result<void> reload();
  /// True when a file was added, removed or changed since the last load: the owner asks every few seconds and
  /// reloads.
  [[nodiscard]] bool changed_on_disk() const;

  struct State;
  /// For uv_tls.cc.
  [[nodiscard]] State& state() const { return *state_; }

 private:
  static Result<std::shared_ptr<TlsContext>> load(const std::string& certs_dir, bool among_nodes);
  explicit TlsContext(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// The server's end over `inner`. The handshake runs inside the first read or write.
[[nodiscard]] std::unique_ptr<Connection> tls_server(std::unique_ptr<Connection> inner,
                                                     const std::shared_ptr<TlsContext>& context);
/// The client's end; `server_name` goes into SNI and is what the certificate must name.
[[nodiscard]] std::unique_ptr<Connection> tls_client(std::unique_ptr<Connection> inner,
                                                     const std::shared_ptr<TlsContext>& context,
                                                     const std::string& server_name);
/// The client's end of a node that connects to another, named `server_name`, with a context of `load_node`.
[[nodiscard]] std::unique_ptr<Connection> tls_node(std::unique_ptr<Connection> inner,
                                                   const std::shared_ptr<TlsContext>& context,
                                                   const std::string& server_name);
/// A listener whose connections speak TLS.
[[nodiscard]] std::unique_ptr<Listener> tls_listener(std::unique_ptr<Listener> inner,
                                                     std::shared_ptr<TlsContext> context);

}  // namespace flashstor::async
