#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <uv.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "engine/async/uv_poller.h"
#include "engine/async/uv_socket.h"
#include "engine/async/uv_stream.h"

namespace flashstor::async {
namespace {

// Name to addresses, on libuv's own threads. Not cancellable; bounded by the resolver's time-outs.
class Resolve {
 public:
  Resolve(UvRuntime& runtime, const std::string& host) : runtime_(runtime), host_(host) {}
  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> waiting) {
    waiting_ = waiting;
    request_.data = this;
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_ADDRCONFIG;
    status_ = uv_getaddrinfo(runtime_.loop(), &request_, done, host_.c_str(), nullptr, &hints);
    return status_ == 0;
  }
  Result<std::vector<SocketAddress>> await_resume() {
    if (status_ != 0)
      return fail(ErrorCode::kIo, fmt::format("cannot resolve {}: {}", host_, uv_strerror(status_)));
    return std::move(found_);
  }

 private:
  static void done(uv_getaddrinfo_t* request, int status, addrinfo* list) {
    auto* self = static_cast<Resolve*>(request->data);
    self->status_ = status;
    for (const addrinfo* item = list; item != nullptr; item = item->ai_next) {
      SocketAddress address;
      std::memcpy(&address.storage, item->ai_addr, item->ai_addrlen);
      address.size = item->ai_addrlen;
      self->found_.push_back(address);
    }
    uv_freeaddrinfo(list);
    self->waiting_.resume();
  }
  UvRuntime& runtime_;
  const std::string& host_;
  uv_getaddrinfo_t request_{};
  int status_ = 0;
  std::vector<SocketAddress> found_;
  std::coroutine_handle<> waiting_;
};

Task<Result<std::unique_ptr<Connection>>> connect_to(UvRuntime& runtime, SocketAddress address,
                                                     std::string name,
                                                     std::optional<MonotonicTime> deadline) {
  OwnedDescriptor socket = co_await or_return(open_socket(address));
  set_no_delay(socket.get(), address);
  int outcome = ::connect(socket.get(), address.get(), address.size) == 0 ? 0 : errno;
  if (outcome == EINPROGRESS) {
    // The poller owns what it polls: it watches a duplicate until the connection stands.
    OwnedDescriptor watched(::fcntl(socket.get(), F_DUPFD_CLOEXEC, 0));
    if (watched.get() < 0) co_return std::unexpected(base::errno_error(errno, "connect to", name));
    UvPoller poller(runtime, watched.release());
    if (co_await poller.writable(deadline) == UvPoller::Outcome::kTimeout)
      co_return fail(ErrorCode::kTimeout, fmt::format("no connection to {} in time", name));
    socklen_t size = sizeof outcome;
    ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &outcome, &size);
  }
  if (outcome != 0) co_return std::unexpected(base::errno_error(outcome, "connect to", name));
  co_return adopt_socket(runtime, socket.release(), std::move(name));
}

}  // namespace

Task<Result<std::unique_ptr<Connection>>> connect_tcp(UvRuntime& runtime, std::string host,
                                                      std::uint16_t port, MonotonicTime deadline) {
  if (auto numeric = numeric_address(host, port))
    co_return co_await connect_to(runtime, *numeric, numeric->text(), deadline);
  auto addresses = co_await Resolve(runtime, host);
  if (!addresses) co_return std::unexpected(std::move(addresses).error());
  Error last(ErrorCode::kIo, fmt::format("{} has no address", host));
  for (SocketAddress& address : *addresses) {
    if (address.storage.ss_family == AF_INET) {
      reinterpret_cast<sockaddr_in&>(address.storage).sin_port = htons(port);
    } else {
      reinterpret_cast<sockaddr_in6&>(address.storage).sin6_port = htons(port);
    }
    auto connection = co_await connect_to(runtime, address, address.text(), deadline);
    if (connection) co_return connection;
    last = std::move(connection).error();
  }
  co_return std::unexpected(std::move(last));
}

Task<Result<std::unique_ptr<Connection>>> connect_unix(UvRuntime& runtime, std::string path) {
  const SocketAddress address = co_await or_return(unix_address(path));
  co_return co_await connect_to(runtime, address, std::move(path), std::nullopt);
}

}  // namespace flashstor::async
