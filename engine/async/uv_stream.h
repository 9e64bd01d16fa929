#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/async/stream.h"
#include "engine/async/uv_runtime.h"

/// Connections of the product: TCP and Unix sockets over a libuv loop.
namespace flashstor::async {

struct ListenOptions {
  int backlog = 1024;
  /// Several listeners of this process share one port, one per loop (SO_REUSEPORT). The first probes that
  /// nobody else has it; set for the others.
  bool join_port = false;
};

/// Listens on a numeric address ("0.0.0.0", "127.0.0.1", "::"); port 0 picks a free one.
/// Errors: kInvalidArgument for an address that does not parse, kBusy naming the address when the port is
/// taken, kIo.
[[nodiscard]] Result<std::unique_ptr<Listener>> listen_tcp(UvRuntime& runtime, const std::string& address,
                                                           std::uint16_t port, ListenOptions options = {});

/// Listens on a Unix socket, mode 0600; a stale socket file is replaced, one that somebody serves is kBusy.
/// The file is removed when the listener closes.
[[nodiscard]] Result<std::unique_ptr<Listener>> listen_unix(UvRuntime& runtime, const std::string& path,
                                                            ListenOptions options = {});

/// Connects to a name or numeric address. Errors: kIo naming the address, kTimeout at `deadline`.
Task<Result<std::unique_ptr<Connection>>> connect_tcp(UvRuntime& runtime, std::string host,
                                                      std::uint16_t port, MonotonicTime deadline);
Task<Result<std::unique_ptr<Connection>>> connect_unix(UvRuntime& runtime, std::string path);

/// A connection over a descriptor that is connected already (socketpair, socket activation); takes it over.
[[nodiscard]] std::unique_ptr<Connection> adopt_socket(UvRuntime& runtime, int descriptor, std::string peer);

/// Once per process, before the first connection: a broken pipe is an error value, not a signal.
void ignore_sigpipe();

}  // namespace flashstor::async
