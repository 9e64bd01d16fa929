#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/error.h"

namespace flashstor::cli {

/// An endpoint: `http[s]://[KEY:SECRET@]HOST[:PORT][/]`.
struct Url {
  bool secure = false;
  std::string host;        ///< Lower case; an IPv6 address keeps its brackets.
  std::uint16_t port = 0;  ///< 0: the scheme's own.
  std::string user;        ///< Percent-decoded, as is `password`.
  std::string password;

  /// Errors: kInvalidArgument for another scheme, an empty host, a bad port, a path, a query or a fragment.
  [[nodiscard]] static Result<Url> parse(std::string_view text);
  /// `host[:port]`, as the Host header has it: without the scheme's own port.
  [[nodiscard]] std::string authority() const;
  /// `http[s]://authority`.
  [[nodiscard]] std::string text() const;
};

}  // namespace flashstor::cli
