#include "engine/async/uv_socket.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace flashstor::async {

std::string SocketAddress::text() const {
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  if (storage.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(storage);
    ::inet_ntop(AF_INET, &v4.sin_addr, buffer.data(), buffer.size());
    return fmt::format("{}:{}", buffer.data(), port());
  }
  if (storage.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage);
    ::inet_ntop(AF_INET6, &v6.sin6_addr, buffer.data(), buffer.size());
    return fmt::format("[{}]:{}", buffer.data(), port());
  }
  return {};
}

std::uint16_t SocketAddress::port() const {
  if (storage.ss_family == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in&>(storage).sin_port);
  if (storage.ss_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6&>(storage).sin6_port);
  return 0;
}

Result<SocketAddress> numeric_address(const std::string& address, std::uint16_t port) {
  SocketAddress out;
  auto& v4 = reinterpret_cast<sockaddr_in&>(out.storage);
  if (::inet_pton(AF_INET, address.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    out.size = sizeof v4;
    return out;
  }
  const bool bracketed = address.size() > 2 && address.front() == '[' && address.back() == ']';
  const std::string bare = bracketed ? address.substr(1, address.size() - 2) : address;
  auto& v6 = reinterpret_cast<sockaddr_in6&>(out.storage);
  if (::inet_pton(AF_INET6, bare.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    out.size = sizeof v6;
    return out;
  }
  return fail(ErrorCode::kInvalidArgument, fmt::format("\"{}\" is not an IPv4 or IPv6 address", address));
}

Result<SocketAddress> unix_address(const std::string& path) {
  SocketAddress out;
  auto& local = reinterpret_cast<sockaddr_un&>(out.storage);
  if (path.empty() || path.size() >= sizeof local.sun_path)
    return fail(ErrorCode::kNameTooLong, fmt::format("socket path \"{}\" is empty or too long", path));
  local.sun_family = AF_UNIX;
  std::memcpy(local.sun_path, path.c_str(), path.size() + 1);
  out.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return out;
}

OwnedDescriptor::~OwnedDescriptor() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<OwnedDescriptor> open_socket(const SocketAddress& address) {
  const int descriptor = ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return std::unexpected(base::errno_error(errno, "socket", address.text()));
  return OwnedDescriptor(descriptor);
}

void set_no_delay(int descriptor, const SocketAddress& address) {
  if (address.storage.ss_family == AF_UNIX) return;
  const int on = 1;
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

}  // namespace flashstor::async
