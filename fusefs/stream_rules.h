#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/base/error.h"

namespace flashstor::fusefs {

/// The longest request of a kernel: a write of 1 MiB with its headers.
inline constexpr std::size_t kMaxRequestBytes = (1U << 20) + 4096;
inline constexpr std::size_t kRequestHeaderBytes = 40;

/// What a request names, for whoever has to know it before the request is served.
struct RequestNames {
  std::uint32_t opcode = 0;
  std::uint64_t unique = 0;
  bool known = true;                     ///< False: answered with ENOSYS.
  bool answered = true;                  ///< False for those that the kernel waits for no answer of.
  std::array<std::uint64_t, 2> nodes{};  ///< 0: none.
  std::array<std::uint64_t, 2> files{};  ///< Handles of open files; 0: none.
  std::uint64_t directory = 0;           ///< Handle of an open directory; 0: none.
  std::uint64_t interrupts = 0;          ///< The number of the request that an interrupt is for.
  bool releases = false;                 ///< Gives its handle back.
};

/// The length of the request whose first bytes are `head` (kRequestHeaderBytes). Errors: kMalformed.
[[nodiscard]] Result<std::size_t> request_length(std::span<const std::byte> head);

/// Checks that a whole request is one that a kernel can send: arguments of the right length, names that end,
/// have no slash and are not too long, no more asked for than a kernel does. libfuse takes that for granted.
/// Errors: kMalformed, and the connection that it came from is to be ended. Source: linux/fuse.h, fuse(4).
[[nodiscard]] Result<RequestNames> check_request(std::span<const std::byte> request);

}  // namespace flashstor::fusefs
