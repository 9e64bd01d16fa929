#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "engine/async/runtime.h"
#include "engine/async/stream.h"
#include "s3d/http/limits.h"
#include "s3d/http/request.h"
#include "s3d/http/response.h"

namespace flashstor::s3d {

/// Why a connection or request was turned away before (or beside) its handler; for metrics.
enum class Refusal : std::uint8_t {
  kMalformed,       ///< Does not parse as HTTP/1.x.
  kSmuggling,       ///< Both lengths, a repeated Content-Length or Host, obs-fold, a bare LF, an odd
                    ///< Transfer-Encoding.
  kHeaderTooLarge,  ///< More than 64 KiB, too many fields, or a target that is too long.
  kSlowHeader,      ///< The header was not complete in time.
  kSlowBody,        ///< Below the minimum rate.
  kSlowReceiver,    ///< Took the answer too slowly.
  kTooManyConnections,
  kNoMemory,  ///< Every arena block of the loop is lent.
};
inline constexpr std::size_t kRefusals = 8;
[[nodiscard]] std::string_view name_of(Refusal refusal);

/// What answers requests. One object may serve many loops: `handle` runs on the connection's own.
class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  /// Answers `request`; both references are good until the task ends. A body that was not read to its end is
  /// drained when short, and the connection closed otherwise. Ending without an answer becomes 500.
  virtual Task<void> handle(Request& request, ResponseWriter& response) = 0;
  /// Counts what was turned away. The connection layer has answered or closed already.
  virtual void on_refused(Refusal refusal, std::string_view peer) = 0;
};

/// Takes over connections whose request asks for another protocol. One object may serve many loops.
class ConnectionTaker {
 public:
  virtual ~ConnectionTaker() = default;
  /// Who takes the connection of this request; null: nobody, the request goes to the handler.
  [[nodiscard]] virtual ConnectionTaker* taker_of(const Request& request) = 0;
  /// Answers and then speaks what it likes until it ends; the connection is closed afterwards, and broken off
  /// when the server stops. `authorization` is the value of that header.
  virtual Task<void> take(async::Connection& connection, std::string authorization) = 0;
};

struct ServerOptions {
  bool tls = false;  ///< What Request::tls says; the listener gives connections that speak it.
  ConnectionTaker* upgrades = nullptr;  ///< Null: every request goes to the handler.
  std::string server_name = "Flashstor";
  std::size_t max_connections = http_limits::kMaxConnections;
  std::size_t max_arena_blocks = http_limits::kMaxArenaBlocks;
  std::size_t drain_bytes = http_limits::kDrainBytes;
  std::uint64_t min_body_bytes_per_second = http_limits::kMinBodyBytesPerSecond;
  Milliseconds header_deadline = limits::kHeaderDeadline;
  Milliseconds body_grace = http_limits::kBodyGrace;
  Milliseconds idle_deadline = http_limits::kIdleDeadline;
  Milliseconds sweep_interval = http_limits::kSweepInterval;
};

/// A number that its loop counts up and down and that other threads may read.
class LoopCount {
 public:
  void operator++() { value_.store(*this + 1, std::memory_order_relaxed); }
  void operator--() { value_.store(*this - 1, std::memory_order_relaxed); }
  operator std::uint64_t() const {  // NOLINT(google-explicit-constructor): it reads as the number it is
    return value_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<std::uint64_t> value_{0};
};

struct ServerCounters {
  LoopCount accepted;
  LoopCount requests;
  LoopCount open_connections;
  LoopCount running_requests;
};

/// HTTP/1.1 on one loop: accepts from one listener, runs each connection's requests in order through one
/// handler. Owner: one per loop; runtime and handler outlive it. Destroy it only after `stop` has ended (or
/// before `start`).
class HttpServer {
 public:
  HttpServer(Runtime& runtime, std::unique_ptr<async::Listener> listener, ServerOptions options,
             HttpHandler& handler);
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;
  ~HttpServer();

  /// Begins to accept. On the runtime's thread.
  void start();
  /// Stops accepting, closes idle connections, lets running requests finish for `grace`, then breaks them
  /// off; ends when every connection is gone. On the runtime's thread.
  Task<void> stop(Milliseconds grace);
  [[nodiscard]] std::uint16_t port() const;
  /// From any thread.
  [[nodiscard]] const ServerCounters& counters() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace flashstor::s3d
