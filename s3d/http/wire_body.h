#pragma once

#include <optional>
#include <span>

#include "s3d/http/body.h"
#include "s3d/http/chunked_decoder.h"
#include "s3d/http/wire.h"

namespace flashstor::s3d {

/// The body of the request under way, read off its connection: Content-Length or chunked framing, minimum
/// rate, and the `100 Continue` that a waiting client needs before it sends.
class WireBody final : public BodySource {
 public:
  /// `received` are bytes behind the header that came with it; they live in `arena`.
  WireBody(Wire& wire, const Request::Parts& parts, std::span<std::byte> received, Arena& arena);

  /// Says `100 Continue` for a request that asked for it and has no body. RFC 9110 (10.1.1) lets a server
  /// leave it out, but botocore 1.29 and older take a final answer without one for the end of the
  /// connection's use of Expect, go on using it, and then wait for ever for the next answer.
  Task<void> welcome();
  Task<Result<std::size_t>> read(std::span<std::byte> into) override;
  [[nodiscard]] std::optional<std::uint64_t> length() const override;
  [[nodiscard]] bool done() const { return done_; }
  /// True when the next request can follow this body: it was read, or what is left is short and on its way.
  [[nodiscard]] bool can_be_skipped() const;
  /// Reads away what the handler left. False when the connection cannot go on.
  Task<bool> skip();
  /// Bytes behind the body that came already: the next request. Once `done`.
  [[nodiscard]] std::span<std::byte> rest() const { return received_; }
  /// The final answer goes out: a client that waits for 100 Continue gets none any more.
  void answer_begins() { continue_allowed_ = false; }

 private:
  Task<Result<std::size_t>> read_plain(std::span<std::byte> into);
  Task<Result<std::size_t>> read_chunked(std::span<std::byte> into);
  /// From the connection, within the minimum rate.
  Task<Result<std::size_t>> receive(std::span<std::byte> into);
  Task<Result<void>> send_continue();

  Wire& wire_;
  Arena& arena_;
  std::span<std::byte> received_;
  std::optional<std::uint64_t> length_;
  std::uint64_t left_ = 0;
  bool chunked_;
  bool done_;
  bool continue_wanted_;  // also for bytes that came unasked, for the sake of those clients
  bool continue_allowed_ = true;
  std::uint64_t came_ = 0;  // bytes off the wire
  Nanoseconds waited_{0};   // for them
  std::optional<ChunkedDecoder> decoder_;
  std::span<std::byte> window_;  // where chunked framing is received
};

}  // namespace flashstor::s3d
