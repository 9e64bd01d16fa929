#include "engine/async/uv_stream.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

#include "engine/async/uv_poller.h"

namespace flashstor::async {
namespace {

constexpr std::size_t kSlicesPerCall = 64;
// A peer that is always ready must not keep the loop from everybody else: after so many bytes in a row the
// connection waits for the poller like all others.
constexpr std::size_t kReadTurnBytes = std::size_t{128} << 10;  // hashing them takes 0.2 ms
constexpr std::size_t kWriteTurnBytes = std::size_t{1} << 20;

class UvConnection final : public Connection {
 public:
  UvConnection(UvRuntime& runtime, int descriptor, std::string peer)
      : poller_(runtime, descriptor), peer_(std::move(peer)) {}

  Task<Result<std::size_t>> read(std::span<std::byte> into) override {
    if (read_in_turn_ >= kReadTurnBytes) {
      read_in_turn_ = 0;
      co_await poller_.readable();
    }
    into = into.first(std::min(into.size(), kReadTurnBytes - read_in_turn_));
    for (;;) {
      if (poller_.closed()) co_return fail(ErrorCode::kCancelled);
      const ssize_t got = ::recv(poller_.descriptor(), into.data(), into.size(), 0);
      if (got >= 0) {
        read_in_turn_ += static_cast<std::size_t>(got);
        co_return static_cast<std::size_t>(got);
      }
      if (errno == EINTR) continue;
      if (errno != EAGAIN) co_return std::unexpected(base::errno_error(errno, "read", peer_));
      read_in_turn_ = 0;
      co_await poller_.readable();
    }
  }

  Task<Result<void>> wait_readable() override {
    read_in_turn_ = 0;
    if (co_await poller_.readable() == UvPoller::Outcome::kClosed) co_return fail(ErrorCode::kCancelled);
    co_return {};
  }

  Task<Result<void>> write(std::span<const std::span<const std::byte>> slices) override {
    std::size_t skip = 0;  // bytes of the first slice that are sent already
    while (!slices.empty()) {
      if (written_in_turn_ >= kWriteTurnBytes) {
        written_in_turn_ = 0;
        co_await poller_.writable();
      }
      if (poller_.closed()) co_return fail(ErrorCode::kCancelled);
      const ssize_t sent = send_some(slices, skip);
      if (sent < 0) {
        if (errno == EINTR) continue;
        if (errno != EAGAIN) co_return std::unexpected(base::errno_error(errno, "write", peer_));
        written_in_turn_ = 0;
        co_await poller_.writable();
        continue;
      }
      written_in_turn_ += static_cast<std::size_t>(sent);
      bytes_sent_ += static_cast<std::uint64_t>(sent);
      std::size_t left = static_cast<std::size_t>(sent) + skip;
      while (!slices.empty() && left >= slices.front().size()) {
        left -= slices.front().size();
        slices = slices.subspan(1);
      }
      skip = left;
    }
    co_return {};
  }

  [[nodiscard]] std::uint64_t bytes_sent() const override { return bytes_sent_; }

  Task<Result<void>> shutdown() override {
    if (poller_.closed()) co_return fail(ErrorCode::kCancelled);
    if (::shutdown(poller_.descriptor(), SHUT_WR) != 0)
      co_return std::unexpected(base::errno_error(errno, "shutdown", peer_));
    co_return {};
  }

  void close() override { poller_.close(); }
  [[nodiscard]] std::string peer() const override { return peer_; }

 private:
  ssize_t send_some(std::span<const std::span<const std::byte>> slices, std::size_t skip) {
    std::array<iovec, kSlicesPerCall> vectors;
    std::size_t count = 0;
    for (const auto& slice : slices.first(std::min(slices.size(), kSlicesPerCall))) {
      vectors[count].iov_base = const_cast<std::byte*>(slice.data()) + skip;
      vectors[count].iov_len = slice.size() - skip;
      skip = 0;
      ++count;
    }
    msghdr message{};
    message.msg_iov = vectors.data();
    message.msg_iovlen = count;
    return ::sendmsg(poller_.descriptor(), &message, MSG_NOSIGNAL);
  }

  UvPoller poller_;
  std::string peer_;
  std::size_t read_in_turn_ = 0;
  std::size_t written_in_turn_ = 0;
  std::uint64_t bytes_sent_ = 0;
};

}  // namespace

std::unique_ptr<Connection> adopt_socket(UvRuntime& runtime, int descriptor, std::string peer) {
  return std::make_unique<UvConnection>(runtime, descriptor, std::move(peer));
}

void ignore_sigpipe() { std::signal(SIGPIPE, SIG_IGN); }

}  // namespace flashstor::async
