#pragma once

#include <memory>
#include <optional>

#include "s3d/http/parser.h"
#include "s3d/http/wire.h"

namespace flashstor::s3d {

/// One connection from its first byte to its last: requests in order, one at a time. Between requests it
/// holds no arena block and no buffer.
class Session {
 public:
  Session(ServerCore& core, std::unique_ptr<async::Connection> connection);

  /// Ends when the connection is over.
  Task<void> run();

 private:
  /// Bytes of the next request that came already, or nothing when the connection ends after this one.
  // Not inlined: clang would put its frame of 2 KiB into that of `run`, where every idle connection keeps it.
  [[gnu::noinline]] Task<std::optional<std::span<std::byte>>> serve();
  /// Receives a header block into the arena; its size, or nothing when the connection ends (answered where it
  /// can be).
  Task<std::optional<std::size_t>> receive_header();
  Task<void> refuse(ParseFailure failure);
  /// Lets the peer read the answer before the close: bytes that nobody read would make the kernel reset the
  /// connection.
  Task<void> linger();
  /// Gives the arena back; bytes of the next request move to a new one.
  void recycle(std::span<std::byte> rest);
  void grow(std::size_t capacity);
  [[nodiscard]] Arena& arena() { return arenas_[current_]; }
  [[nodiscard]] MonotonicTime after(Milliseconds time) { return core_.runtime.now() + time; }

  ServerCore& core_;
  Wire wire_;
  Arena arenas_[2];
  std::size_t current_ = 0;
  std::span<std::byte> buffer_;  // in the arena
  std::size_t used_ = 0;         // bytes received in it
};

}  // namespace flashstor::s3d
