#include "s3d/node/mount_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>

#include "engine/async/uv_socket.h"
#include "engine/base/codec.h"
#include "engine/base/log.h"
#include "s3d/node/mount_limits.h"

namespace flashstor::s3d {
namespace {

using async::OwnedDescriptor;

/// Whether somebody accepts connections at the path.
bool is_served(const async::SocketAddress& address) {
  const OwnedDescriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  return ::connect(probe.get(), address.get(), address.size) == 0 || errno == EAGAIN;
}

Result<OwnedDescriptor> listen_at(const std::string& path) {
  const auto address = async::unix_address(path);
  if (!address) return std::unexpected(address.error());
  const std::string folder = std::filesystem::path(path).parent_path();
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
    return std::unexpected(base::errno_error(errno, "make the folder", folder));
  OwnedDescriptor listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (listener.get() < 0) return std::unexpected(base::errno_error(errno, "make a socket for", path));
  // On Linux a socket's file takes the mode of its descriptor: nobody else can connect before the chmod.
  if (::fchmod(listener.get(), 0600) != 0) return std::unexpected(base::errno_error(errno, "chmod", path));
  if (::bind(listener.get(), address->get(), address->size) != 0) {
    if (errno != EADDRINUSE) return std::unexpected(base::errno_error(errno, "bind", path));
    if (is_served(*address)) return fail(ErrorCode::kBusy, "another process serves " + path);
    ::unlink(path.c_str());
    if (::bind(listener.get(), address->get(), address->size) != 0)
      return std::unexpected(base::errno_error(errno, "bind", path));
  }
  if (::chmod(path.c_str(), 0600) != 0) return std::unexpected(base::errno_error(errno, "chmod", path));
  if (::listen(listener.get(), mount_limits::kBacklog) != 0)
    return std::unexpected(base::errno_error(errno, "listen at", path));
  return listener;
}

bool may_speak(int descriptor) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return ::getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
         (peer.uid == 0 || peer.uid == ::geteuid());
}

/// What one exchange has received: the message grows, the first descriptor is kept.
struct Inbox {
  std::string bytes;
  std::optional<OwnedDescriptor> device;
  [[nodiscard]] std::size_t wanted() const {
    return bytes.size() < 4 ? 4 : 4 + std::size_t{ByteReader(bytes).u32()};
  }
};

enum class Received { kSome, kNothing, kEnd };

Received receive(int descriptor, Inbox& inbox) {
  char block[4096];
  iovec part{block, std::min(sizeof block, inbox.wanted() - inbox.bytes.size())};
  alignas(cmsghdr) char control[CMSG_SPACE(4 * sizeof(int))];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t got = ::recvmsg(descriptor, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (got < 0) return errno == EAGAIN || errno == EINTR ? Received::kNothing : Received::kEnd;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int number = -1;
      std::memcpy(&number, CMSG_DATA(header) + i * sizeof(int), sizeof number);
      OwnedDescriptor held(number);  // Closed unless it is the one that is wanted.
      if (!inbox.device) inbox.device.emplace(std::move(held));
    }
  }
  if (got == 0) return Received::kEnd;
  inbox.bytes.append(block, static_cast<std::size_t>(got));
  return Received::kSome;
}

Task<bool> receive_all(async::UvPoller& poller, Inbox& inbox, MonotonicTime deadline) {
  using Wait = async::UvPoller::Wait;
  while (inbox.bytes.size() < 4 || inbox.bytes.size() < inbox.wanted()) {
    if (inbox.wanted() > 4 + mount_limits::kMaxMessageBytes) co_return false;
    Wait wait(poller, async::UvPoller::Direction::kRead, deadline);
    if (co_await wait != async::UvPoller::Outcome::kReady) co_return false;
    if (receive(poller.descriptor(), inbox) == Received::kEnd) co_return false;
  }
  co_return true;
}

Task<void> send_all(async::UvPoller& poller, std::string text, MonotonicTime deadline) {
  std::string_view rest = text;
  while (!rest.empty() && !poller.closed()) {
    const ssize_t sent = ::send(poller.descriptor(), rest.data(), rest.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      rest.remove_prefix(static_cast<std::size_t>(sent));
      continue;
    }
    const bool may_wait = sent == 0 || errno == EAGAIN || errno == EINTR;
    if (!may_wait || co_await poller.writable(deadline) != async::UvPoller::Outcome::kReady) co_return;
  }
}

}  // namespace

Result<std::unique_ptr<MountSocket>> MountSocket::open(async::UvRuntime& runtime, const std::string& path,
                                                       Handler handler) {
  auto listener = listen_at(path);
  if (!listener) return std::unexpected(listener.error());
  return std::unique_ptr<MountSocket>(  // NOLINT: private constructor
      new MountSocket(runtime, listener->release(), path, std::move(handler)));  // NOLINT: private
}

MountSocket::MountSocket(async::UvRuntime& runtime, int listener, std::string path, Handler handler)
    : runtime_(runtime), path_(std::move(path)), handler_(std::move(handler)), listener_(runtime, listener) {}
MountSocket::~MountSocket() = default;

void MountSocket::start() { gate_.spawn(accept()); }

Task<void> MountSocket::accept() {
  while (!listener_.closed()) {
    if (co_await listener_.readable() == async::UvPoller::Outcome::kClosed) break;
    OwnedDescriptor caller(::accept4(listener_.descriptor(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (caller.get() < 0 || !may_speak(caller.get()) || open_.size() >= mount_limits::kMaxHandovers) continue;
    gate_.spawn(serve(caller.release()));
  }
}

Task<void> MountSocket::serve(int descriptor) {
  async::UvPoller poller(runtime_, descriptor);
  open_.push_back(&poller);
  const MonotonicTime deadline = runtime_.now() + mount_limits::kHandoverDeadline;
  Inbox inbox;
  if (co_await receive_all(poller, inbox, deadline)) {
    std::string answer =
        co_await handler_(inbox.bytes.substr(4), inbox.device ? inbox.device->release() : -1);
    ByteWriter head;
    head.u32(static_cast<std::uint32_t>(answer.size()));
    co_await send_all(poller, head.take() + answer, runtime_.now() + mount_limits::kHandoverDeadline);
  }
  std::erase(open_, &poller);
}

Task<void> MountSocket::close() {
  if (listener_.closed()) co_return;
  ::unlink(path_.c_str());
  listener_.close();
  for (async::UvPoller* poller : open_) poller->close();
  co_await gate_.close();
}

}  // namespace flashstor::s3d
