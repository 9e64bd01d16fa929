#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "engine/async/uv_poller.h"
#include "engine/async/uv_socket.h"
#include "engine/async/uv_stream.h"

namespace flashstor::async {
namespace {

// How long accepting rests when the process has no descriptor left for a new connection.
constexpr Milliseconds kRestWithoutDescriptors{100};

class UvListener final : public Listener {
 public:
  UvListener(UvRuntime& runtime, int descriptor, std::uint16_t port, std::string unix_path)
      : runtime_(runtime), poller_(runtime, descriptor), port_(port), unix_path_(std::move(unix_path)) {}
  ~UvListener() override { close(); }

  Task<Result<std::unique_ptr<Connection>>> accept() override {
    for (;;) {
      if (poller_.closed()) co_return fail(ErrorCode::kCancelled);
      SocketAddress peer;
      peer.size = sizeof peer.storage;
      const int descriptor =
          ::accept4(poller_.descriptor(), peer.get(), &peer.size, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (descriptor >= 0) {
        set_no_delay(descriptor, peer);
        co_return adopt_socket(runtime_, descriptor, peer.text());
      }
      if (errno == EAGAIN) {
        co_await poller_.readable();
      } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        co_await sleep_for(runtime_, kRestWithoutDescriptors);
      } else if (errno == EBADF || errno == EINVAL || errno == ENOTSOCK) {
        co_return std::unexpected(base::errno_error(errno, "accept", unix_path_));
      }  // anything else is a connection that died in the queue
    }
  }

  void close() override {
    if (poller_.closed()) return;
    poller_.close();
    if (!unix_path_.empty()) ::unlink(unix_path_.c_str());
  }
  [[nodiscard]] std::uint16_t port() const override { return port_; }

 private:
  UvRuntime& runtime_;
  UvPoller poller_;
  std::uint16_t port_;
  std::string unix_path_;
};

Error bind_error(int code, const SocketAddress& address) {
  if (code == EADDRINUSE)
    return {ErrorCode::kBusy, fmt::format("address {} is in use by another program", address.text())};
  if (code == EACCES)
    return {ErrorCode::kNotPermitted, fmt::format("not permitted to listen on {}", address.text())};
  return base::errno_error(code, "listen on", address.text());
}

// A socket bound to `address`; SO_REUSEPORT lets the other loops of this process join, and would let a second
// process of the same user join silently, so a plain bind goes first.
Result<OwnedDescriptor> bound_socket(const SocketAddress& address, bool reuse_port) {
  auto socket = open_socket(address);
  if (!socket) return socket;
  const int on = 1;
  const int off = 0;
  ::setsockopt(socket->get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (reuse_port) ::setsockopt(socket->get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  if (address.storage.ss_family == AF_INET6)  // "::" takes IPv4 too
    ::setsockopt(socket->get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  if (::bind(socket->get(), address.get(), address.size) != 0)
    return std::unexpected(bind_error(errno, address));
  return socket;
}

}  // namespace

Result<std::unique_ptr<Listener>> listen_tcp(UvRuntime& runtime, const std::string& address,
                                             std::uint16_t port, ListenOptions options) {
  auto where = numeric_address(address, port);
  if (!where) return std::unexpected(std::move(where).error());
  if (!options.join_port) {
    if (auto probe = bound_socket(*where, false); !probe) return std::unexpected(std::move(probe).error());
  }
  auto socket = bound_socket(*where, true);
  if (!socket) return std::unexpected(std::move(socket).error());
  if (::listen(socket->get(), options.backlog) != 0) return std::unexpected(bind_error(errno, *where));
  SocketAddress bound;
  bound.size = sizeof bound.storage;
  ::getsockname(socket->get(), bound.get(), &bound.size);
  return std::make_unique<UvListener>(runtime, socket->release(), bound.port(), "");
}

Result<std::unique_ptr<Listener>> listen_unix(UvRuntime& runtime, const std::string& path,
                                              ListenOptions options) {
  auto where = unix_address(path);
  if (!where) return std::unexpected(std::move(where).error());
  auto socket = open_socket(*where);
  if (!socket) return std::unexpected(std::move(socket).error());
  // A file nobody serves is what a killed process left behind.
  auto probe = open_socket(*where);
  if (!probe) return std::unexpected(std::move(probe).error());
  if (::connect(probe->get(), where->get(), where->size) == 0 || errno == EAGAIN)
    return fail(ErrorCode::kBusy, fmt::format("socket {} is in use by another program", path));
  struct stat found{};
  if (errno == ECONNREFUSED && ::lstat(path.c_str(), &found) == 0 && S_ISSOCK(found.st_mode))
    ::unlink(path.c_str());
  if (::bind(socket->get(), where->get(), where->size) != 0) {
    if (errno == EADDRINUSE) return fail(ErrorCode::kBusy, fmt::format("{} exists and is no socket", path));
    return std::unexpected(base::errno_error(errno, "listen on", path));
  }
  // Before `listen` nobody can connect, so no moment of wider rights is served.
  if (::chmod(path.c_str(), S_IRUSR | S_IWUSR) != 0 || ::listen(socket->get(), options.backlog) != 0)
    return std::unexpected(base::errno_error(errno, "listen on", path));
  return std::make_unique<UvListener>(runtime, socket->release(), 0, path);
}

}  // namespace flashstor::async
