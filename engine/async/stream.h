#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "engine/async/task.h"
#include "engine/base/buffer.h"

namespace flashstor::async {

/// A connected byte stream on one runtime: TCP, TLS over it, a Unix socket, or the simulator's network. One
/// reader and one writer at a time. Destroying it closes it.
class Connection {
 public:
  virtual ~Connection() = default;
  /// Waits for at least one byte and fills the front of `into`; 0 at the peer's orderly end.
  /// Errors: kIo when the connection broke, kCancelled after `close`.
  virtual Task<Result<std::size_t>> read(std::span<std::byte> into) = 0;
  /// Waits until at least one byte can be read, without giving a buffer, so that an idle connection holds
  /// none.
  virtual Task<Result<void>> wait_readable() = 0;
  /// Sends all slices in order; returns when the kernel has taken every byte (back pressure). The bytes
  /// behind `slices` must live until then.
  virtual Task<Result<void>> write(std::span<const std::span<const std::byte>> slices) = 0;
  /// Bytes that the kernel has taken since the start, those of a write under way among them: how a peer that
  /// takes nothing is told from one that is slow.
  [[nodiscard]] virtual std::uint64_t bytes_sent() const = 0;
  /// Ends the stream in an orderly way after what was written.
  virtual Task<Result<void>> shutdown() = 0;
  /// Breaks off now; a pending read or write ends with kCancelled.
  virtual void close() = 0;
  /// Address and port of the other side, for logs.
  [[nodiscard]] virtual std::string peer() const = 0;
  /// Whether the other side showed a certificate that is trusted here and names `host`. Never without TLS.
  [[nodiscard]] virtual bool is_certified(const std::string& host) const {
    static_cast<void>(host);
    return false;
  }
};

/// Accepts connections on one runtime.
class Listener {
 public:
  virtual ~Listener() = default;
  /// Errors: kCancelled after `close`.
  virtual Task<Result<std::unique_ptr<Connection>>> accept() = 0;
  virtual void close() = 0;
  /// The port bound (useful after binding port 0).
  [[nodiscard]] virtual std::uint16_t port() const = 0;
};

}  // namespace flashstor::async
