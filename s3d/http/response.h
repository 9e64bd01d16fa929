#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "engine/async/task.h"
#include "engine/base/buffer.h"

namespace flashstor::s3d {

/// The reason phrase of an HTTP status, or "Unknown".
[[nodiscard]] std::string_view reason_of(int status);

/// Answers one request: status and headers first, then either `send` (the whole body at once) or `start`, any
/// number of `write`, `finish`. The head goes out in one writev with the first body bytes. `Content-Length`
/// or chunked framing, `Date`, `Server` and `Connection` are its own work; on HEAD and on statuses without a
/// body no body byte leaves. Errors (of all that send): kIo or kCancelled when the connection is gone,
/// kTimeout when the receiver was too slow; the handler then just returns. Threads: the connection's loop.
class ResponseWriter {
 public:
  ResponseWriter() = default;
  ResponseWriter(const ResponseWriter&) = delete;
  ResponseWriter& operator=(const ResponseWriter&) = delete;
  virtual ~ResponseWriter() = default;

  /// 200 unless set. Before anything is sent.
  virtual void set_status(int status) = 0;
  /// Adds a header; the bytes are copied. CR, LF and NUL in `value` become spaces. Before anything is sent.
  /// Never for Content-Length, Transfer-Encoding, Connection, Date, Server.
  virtual void add_header(std::string_view name, std::string_view value) = 0;

  /// Sends head and body, and is done. The bytes behind the view must live until it returns.
  virtual Task<Result<void>> send(std::string_view body) = 0;
  virtual Task<Result<void>> send(const BufferChain& body) = 0;
  /// Answers with no body but with the Content-Length that a GET would have had (HEAD).
  virtual Task<Result<void>> send_head(std::uint64_t content_length) = 0;

  /// Begins a streamed body of that many bytes, or chunked when not known (until the close for HTTP/1.0).
  virtual void start(std::optional<std::uint64_t> content_length) = 0;
  /// Sends slices as they are, without a copy; returns when the kernel has taken them, so memory stays
  /// bounded.
  virtual Task<Result<void>> write(const Buffer& slice) = 0;
  virtual Task<Result<void>> write(const BufferChain& slices) = 0;
  /// The bytes behind the view must live until it returns.
  virtual Task<Result<void>> write(std::string_view bytes) = 0;
  /// Ends a streamed body. Fewer bytes than announced break the connection, so that the client sees it (and
  /// more do so in `write`, with kInternal).
  virtual Task<Result<void>> finish() = 0;
  /// Breaks the connection in the middle of a streamed body: the only way left to tell of an error.
  virtual void abort() = 0;
  /// Closes the connection after this answer.
  virtual void close_after() = 0;

  /// True once a byte of the head may have left: status and headers are settled.
  [[nodiscard]] virtual bool started() const = 0;
  /// For logs and metrics.
  [[nodiscard]] virtual int status() const = 0;
  [[nodiscard]] virtual std::uint64_t body_bytes_sent() const = 0;
};

}  // namespace flashstor::s3d
