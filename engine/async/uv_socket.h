#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <string>

#include "engine/base/error.h"

namespace flashstor::async {

/// An address as the socket calls want it. For the uv_ files of this folder.
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  [[nodiscard]] sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  /// "192.0.2.1:80", "[::1]:80", or empty for a Unix socket.
  [[nodiscard]] std::string text() const;
  [[nodiscard]] std::uint16_t port() const;
};

/// Errors: kInvalidArgument when it is not a numeric IPv4 or IPv6 address (brackets allowed).
[[nodiscard]] Result<SocketAddress> numeric_address(const std::string& address, std::uint16_t port);
/// Errors: kNameTooLong (107 bytes are the most).
[[nodiscard]] Result<SocketAddress> unix_address(const std::string& path);

/// A descriptor that closes itself unless released.
class OwnedDescriptor {
 public:
  explicit OwnedDescriptor(int descriptor) : descriptor_(descriptor) {}
  OwnedDescriptor(OwnedDescriptor&& other) noexcept : descriptor_(other.release()) {}
  OwnedDescriptor& operator=(OwnedDescriptor&&) = delete;
  ~OwnedDescriptor();
  [[nodiscard]] int get() const { return descriptor_; }
  [[nodiscard]] int release() {
    const int descriptor = descriptor_;
    descriptor_ = -1;
    return descriptor;
  }

 private:
  int descriptor_;
};

/// A non-blocking stream socket of the address's family. Errors: kIo.
[[nodiscard]] Result<OwnedDescriptor> open_socket(const SocketAddress& address);
/// Sends small segments at once (TCP only).
void set_no_delay(int descriptor, const SocketAddress& address);

}  // namespace flashstor::async
