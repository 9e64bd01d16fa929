#include "engine/storage/wire/token.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <charconv>
#include <vector>

#include "engine/base/check.h"
#include "engine/base/hex.h"

namespace flashstor::storage::wire {
namespace {

constexpr std::string_view kScheme = "fsp";
constexpr std::size_t kNonceDigits = 32;

std::string mac(std::string_view secret, std::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  const auto* done = HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
                          reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest, &size);
  FLASHSTOR_CHECK(done != nullptr);
  return base::to_hex({reinterpret_cast<const char*>(digest), size});
}

std::string text_of(std::string_view purpose, const TokenClaims& claims) {
  std::string text(purpose);
  text.append("\n").append(std::to_string(kProtocolVersion));
  text.append("\n").append(claims.from).append("\n").append(claims.to);
  text.append("\n").append(claims.deployment.to_text());
  text.append("\n").append(std::to_string(claims.expires)).append("\n").append(claims.nonce);
  return text;
}

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t end = text.find(at);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

}  // namespace

bool same_secret_text(std::string_view left, std::string_view right) {
  return left.size() == right.size() && CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

std::string sign_token(std::string_view secret, const TokenClaims& claims) {
  std::string token(kScheme);
  token.append(",").append(std::to_string(kProtocolVersion)).append(",").append(claims.from);
  token.append(",").append(claims.to).append(",").append(claims.deployment.to_text());
  token.append(",").append(std::to_string(claims.expires)).append(",").append(claims.nonce);
  token.append(",").append(mac(secret, text_of("flashstor peer token", claims)));
  return token;
}

std::string sign_proof(std::string_view secret, const TokenClaims& claims) {
  return mac(secret, text_of("flashstor peer proof", claims));
}

std::string sign_root(std::string_view secret, std::string_view user, std::string_view password) {
  // The user's length keeps a character from moving between the two unnoticed.
  std::string text("flashstor root credentials\n");
  text.append(std::to_string(user.size())).append("\n").append(user).append("\n").append(password);
  std::string signed_root = mac(secret, text);
  OPENSSL_cleanse(text.data(), text.size());
  return signed_root;
}

Result<TokenClaims> TokenVerifier::verify(std::string_view token, WallTime now) {
  const auto parts = split(token, ',');
  TokenClaims claims;
  if (parts.size() != 8 || parts[0] != kScheme || parts[6].size() != kNonceDigits)
    return fail(ErrorCode::kInvalidToken, "the token does not parse");
  if (parts[1] != std::to_string(kProtocolVersion))
    return fail(ErrorCode::kInvalidToken, "the token is of protocol version " + std::string(parts[1]));
  claims.from = parts[2];
  claims.to = parts[3];
  const auto deployment = Uuid::from_text(parts[4]);
  const auto number = std::from_chars(parts[5].data(), parts[5].data() + parts[5].size(), claims.expires);
  if (!deployment || number.ec != std::errc() || number.ptr != parts[5].data() + parts[5].size())
    return fail(ErrorCode::kInvalidToken, "the token does not parse");
  claims.deployment = *deployment;
  claims.nonce = parts[6];
  if (!same_secret_text(parts[7], mac(secret_, text_of("flashstor peer token", claims))))
    return fail(ErrorCode::kInvalidToken, "the token is not signed with this cluster's secret");
  if (claims.to != self_)
    return fail(ErrorCode::kInvalidToken, "the token is for " + claims.to + ", not for " + self_);
  const std::int64_t seconds = base::to_nanoseconds(now) / 1'000'000'000;
  if (claims.expires + kMaxClockSkewSeconds < seconds)
    return fail(ErrorCode::kExpiredToken, "the token is too old, or the clocks are too far apart");
  if (claims.expires > seconds + kTokenSeconds + kMaxClockSkewSeconds)
    return fail(ErrorCode::kExpiredToken, "the token is from the future: the clocks are too far apart");
  const std::lock_guard lock(mutex_);
  std::erase_if(seen_, [seconds](const auto& item) { return item.second < seconds; });
  if (seen_.size() >= kMaxRememberedTokens)
    return fail(ErrorCode::kTooManyRequests, "too many channels were opened lately");
  if (!seen_.emplace(claims.nonce, claims.expires + kMaxClockSkewSeconds + 1).second)
    return fail(ErrorCode::kInvalidToken, "the token was used before");
  return claims;
}

}  // namespace flashstor::storage::wire
