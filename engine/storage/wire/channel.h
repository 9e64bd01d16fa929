#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "engine/async/stream.h"
#include "engine/async/sync.h"
#include "engine/storage/wire/frame.h"

namespace flashstor::storage::wire {

/// What bounds a channel.
inline constexpr std::size_t kMaxQueuedBytes = 8 * 1024 * 1024;     ///< Calls and answers wait above it.
inline constexpr std::size_t kMaxQueuedNotices = 32 * 1024 * 1024;  ///< Bytes; notices are dropped above it.
inline constexpr std::size_t kMaxServing = 256;  ///< Calls of the peer under way; reading waits above it.
inline constexpr std::size_t kMaxFramesPerWrite = 64;

/// Calls, answers and notices between two nodes on one connection, many at once, each by its number.
/// Order:   notices and calls of one side reach the other's handler in the order in which they were sent.
/// Errors:  a frame that does not parse or check ends the connection. When it ends, every open call gives
///          kIo; whether the peer acted on it is not known.
/// Threads: one runtime, which outlives it; destroy it only after `run` has ended.
class Channel {
 public:
  /// Answers what the peer asks; for a notice the answer is dropped. Runs on the channel's runtime.
  using Handler = std::function<Task<Result<Payload>>(std::uint16_t method, Payload request)>;

  Channel(Runtime& runtime, async::Connection& connection, Handler handler);
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  ~Channel();

  /// Reads until the connection ends or `close`; then waits for handlers and writer. Once.
  Task<Error> run();
  /// Ends it: open calls give kIo with `why`.
  void close(Error why);
  [[nodiscard]] bool closed() const { return closed_.has_value(); }

  /// Errors: the peer's; kTimeout when no answer came within `deadline`; kIo when the connection ended.
  Task<Result<Payload>> call(std::uint16_t method, Payload request, Nanoseconds deadline);
  /// False when it was dropped: the queue is full or the channel closed.
  bool notify(std::uint16_t method, Payload request);

 private:
  struct Outgoing {
    std::array<std::byte, kFrameHeaderBytes> header;
    Payload payload;
    [[nodiscard]] std::size_t size() const {
      return header.size() + payload.head.size() + payload.body.size();
    }
  };
  struct Waiting {
    async::Event done;
    std::optional<Result<Payload>> result;
  };

  Task<Result<void>> fill(std::span<std::byte> into);
  Task<Result<void>> receive();
  void dispatch(const FrameHeader& header, Payload payload);
  Task<void> serve(FrameHeader header, Payload payload);
  Task<Result<void>> wait_for_room();
  void enqueue(FrameKind kind, std::uint16_t method, std::uint64_t call, Payload payload);
  Task<void> write_queued();

  Runtime& runtime_;
  async::Connection& connection_;
  Handler handler_;
  std::optional<Error> closed_;
  std::uint64_t next_call_ = 1;
  std::unordered_map<std::uint64_t, Waiting*> waiting_;
  std::deque<Outgoing> queue_;
  std::size_t queued_ = 0;
  bool writing_ = false;
  std::size_t serving_ = 0;
  std::size_t callers_ = 0;
  async::Signal room_;
  async::Signal served_;
  async::Gate gate_;
  std::vector<std::byte> read_ahead_;
  std::size_t ahead_begin_ = 0;
  std::size_t ahead_end_ = 0;
};

}  // namespace flashstor::storage::wire
