#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "engine/async/runtime.h"
#include "engine/async/stream.h"
#include "engine/base/arena.h"
#include "s3d/http/server.h"

namespace flashstor::s3d {

class Wire;

/// What all connections of one server share.
struct ServerCore {
  ServerCore(Runtime& loop, ServerOptions wanted, HttpHandler& target)
      : runtime(loop),
        options(std::move(wanted)),
        handler(target),
        arenas(options.max_arena_blocks, http_limits::kKeptArenaBlocks) {}
  Runtime& runtime;
  ServerOptions options;
  HttpHandler& handler;
  ArenaPool arenas;
  ServerCounters counters;
  bool stopping = false;
  Wire* first = nullptr;  ///< Every open connection.

  /// "Date: …\r\nServer: …\r\n", rendered once a second.
  std::string_view fixed_headers();

 private:
  std::string fixed_;
  std::int64_t fixed_second_ = -1;
};

/// A connection with its deadline. Deadlines are looked at by one sweep over all connections, not by a timer
/// each; past it the connection is closed and whatever waits on it ends with kTimeout.
class Wire {
 public:
  Wire(ServerCore& core, std::unique_ptr<async::Connection> connection);
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;
  ~Wire();

  [[nodiscard]] ServerCore& core() { return core_; }
  [[nodiscard]] const std::string& peer() const { return peer_; }
  /// Something failed or was cut off: nothing more can be sent.
  [[nodiscard]] bool broken() const { return broken_; }
  void close();

  /// Errors of all three: kTimeout past the deadline, kIo, kCancelled.
  Task<Result<void>> wait_readable();
  Task<Result<std::size_t>> read(std::span<std::byte> into);
  /// The peer must take its bytes at the minimum rate, looked at each time the grace is over.
  Task<Result<void>> send(std::span<const std::span<const std::byte>> slices);
  Task<void> shutdown();

  /// Gives the connection to `taker`; afterwards it is over. A stop of the server breaks it off at once.
  Task<void> give_to(ConnectionTaker& taker, std::string authorization);

  /// From now on until `relax`. `why` is counted when it comes to that.
  void expect_by(MonotonicTime at, std::optional<Refusal> why);
  void relax() { deadline_ = MonotonicTime::max(); }
  /// Called by the sweep.
  void check(MonotonicTime now);
  /// Called at a stop: closes what waits for a request.
  void stop_if_idle();
  [[nodiscard]] Wire* next() const { return next_; }

 private:
  template <class T>
  Result<T> settle(Result<T> result);

  ServerCore& core_;
  std::unique_ptr<async::Connection> connection_;
  std::string peer_;
  MonotonicTime deadline_ = MonotonicTime::max();
  std::optional<Refusal> why_;
  std::uint64_t sent_mark_ = 0;  // bytes_sent when the receiver was looked at last
  bool sending_ = false;
  bool timed_out_ = false;
  bool broken_ = false;
  bool idle_ = false;
  Wire* before_ = nullptr;
  Wire* next_ = nullptr;
};

}  // namespace flashstor::s3d
