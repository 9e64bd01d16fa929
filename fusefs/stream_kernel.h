#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/async/stream.h"
#include "engine/async/sync.h"
#include "fusefs/mount.h"
#include "fusefs/stream_rules.h"

namespace flashstor::fusefs {

/// The kernel of another host, at the other end of a connection: its requests come as /dev/fuse gives them,
/// one after the other, and the answers go back the same way. Unlike a kernel it is not trusted: what breaks
/// the rules ends the connection, and what names nothing that it was given is answered with an error.
/// Threads: the mount's loop.
class StreamKernel {
 public:
  StreamKernel(std::unique_ptr<async::Connection> connection, Mount& mount);

  /// Serves until the connection ends, breaks the rules, or `close`.
  Task<void> serve(fuse_session* session);
  /// Takes an answer of libfuse's; gives its length, or -1 with errno when nobody is there any more.
  ssize_t answer(const iovec* parts, int count);
  void close();

 private:
  Task<Result<std::span<const std::byte>>> read_request();
  Task<void> write_answers();
  /// The errno to answer with in place of serving, or 0. Errors: kMalformed.
  Result<int> admit(const RequestNames& names) const;
  [[nodiscard]] bool in_use(std::uint64_t handle) const;
  void refuse(std::uint64_t unique, int error);

  struct Underway {
    std::array<std::uint64_t, 3> handles{};
    std::size_t bytes = 0;
  };

  std::unique_ptr<async::Connection> connection_;
  Mount& mount_;
  std::vector<std::byte> request_;
  std::unordered_map<std::uint64_t, Underway> underway_;  ///< By the request's number.
  std::size_t underway_bytes_ = 0;
  std::string answers_;  ///< Not taken by the connection yet.
  bool closed_ = false;
  async::Signal news_;  ///< Answers to write, or room for requests.
};

}  // namespace flashstor::fusefs
