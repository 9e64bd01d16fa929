#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "cli/http.h"
#include "engine/base/error.h"

namespace flashstor::cli {

/// A connection to the host of a URL, with TLS and its checks where the URL says https, that carries any
/// bytes. Never blocks but where it says so. Threads: one at a time.
class RawConnection {
 public:
  /// Blocks until connected, 10 s at most. Errors: kIo with libcurl's words, kTimeout.
  [[nodiscard]] static Result<RawConnection> open(const std::string& url, const HttpOptions& options);
  RawConnection(RawConnection&&) noexcept;
  RawConnection& operator=(RawConnection&&) noexcept;
  ~RawConnection();

  /// To be polled. Bytes may wait above it: `receive` until it gives 0 first.
  [[nodiscard]] int descriptor() const;
  /// Gives how many bytes came; 0 when none are there now. Errors: kIo, also at the orderly end.
  [[nodiscard]] Result<std::size_t> receive(std::span<char> into);
  /// Gives how many bytes were taken; 0 when none can be now. Errors: kIo.
  [[nodiscard]] Result<std::size_t> send(std::string_view bytes);
  /// Blocks until all are there, or taken; a minute at most. Errors: kIo, kTimeout.
  [[nodiscard]] Result<void> receive_all(std::span<char> into);
  [[nodiscard]] Result<void> send_all(std::string_view bytes);

 private:
  struct State;
  explicit RawConnection(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace flashstor::cli
