#pragma once

#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "engine/base/random.h"
#include "engine/base/time.h"
#include "engine/base/uuid.h"
#include "engine/storage/wire/frame.h"

namespace flashstor::storage::wire {

/// How long a token is good, and how many unexpired ones a server remembers against replay.
inline constexpr std::int64_t kTokenSeconds = 60;
inline constexpr std::int64_t kMaxClockSkewSeconds = 15 * 60;
inline constexpr std::size_t kMaxRememberedTokens = 65'536;

/// Who opens a channel to whom. Part of what is signed.
struct TokenClaims {
  std::string from;          ///< "host:port" of the caller.
  std::string to;            ///< "host:port" of the node called.
  Uuid deployment;           ///< Nil while the caller does not know it.
  std::int64_t expires = 0;  ///< Seconds since 1970.
  std::string nonce;         ///< 32 hexadecimal digits, never repeated.
};

/// HMAC-SHA256 under the cluster's secret over protocol version and all claims, in a printable form.
[[nodiscard]] std::string sign_token(std::string_view secret, const TokenClaims& claims);
/// What the server answers: shows that it has the secret too.
[[nodiscard]] std::string sign_proof(std::string_view secret, const TokenClaims& claims);
/// What nodes compare to find one that was started with other root credentials: HMAC-SHA256 under the
/// cluster's secret, so that who has not that secret cannot try passwords on it.
[[nodiscard]] std::string sign_root(std::string_view secret, std::string_view user,
                                    std::string_view password);
[[nodiscard]] bool same_secret_text(std::string_view left, std::string_view right);

/// Checks tokens and remembers those that are still good, so that none is taken twice. Threads: any.
class TokenVerifier {
 public:
  TokenVerifier(std::string secret, std::string self) : secret_(std::move(secret)), self_(std::move(self)) {}
  /// Errors: kInvalidToken (does not parse, another secret, version or addressee, used before),
  /// kExpiredToken (too old, or clocks more than 15 minutes apart); words for the log, not for the caller.
  [[nodiscard]] Result<TokenClaims> verify(std::string_view token, WallTime now);

 private:
  std::string secret_;
  std::string self_;
  std::mutex mutex_;
  std::map<std::string, std::int64_t> seen_;  // nonce -> when it may be forgotten
};

}  // namespace flashstor::storage::wire
