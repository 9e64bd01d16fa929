#define OPENSSL_SUPPRESS_DEPRECATED 1  // the low-level calls: see the header
#include "s3d/auth/sha256.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <cstring>

namespace flashstor::s3d {
namespace {

static_assert(sizeof(SHA256_CTX) <= 112);

SHA256_CTX* context(std::array<std::byte, 112>& state) { return reinterpret_cast<SHA256_CTX*>(state.data()); }

std::string_view view_of(const Sha256Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

}  // namespace

Sha256::Sha256() { SHA256_Init(context(state_)); }

Sha256& Sha256::update(std::string_view bytes) {
  SHA256_Update(context(state_), bytes.data(), bytes.size());
  return *this;
}

Sha256& Sha256::update(std::span<const std::byte> bytes) {
  SHA256_Update(context(state_), bytes.data(), bytes.size());
  return *this;
}

Sha256Digest Sha256::finish() {
  Sha256Digest digest;
  SHA256_Final(digest.data(), context(state_));
  return digest;
}

std::array<char, 64> hex_of(const Sha256Digest& digest) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::array<char, 64> out;
  for (std::size_t i = 0; i < digest.size(); ++i) {
    out[2 * i] = kDigits[digest[i] >> 4];
    out[2 * i + 1] = kDigits[digest[i] & 15];
  }
  return out;
}

HmacKey::HmacKey(std::string_view key) {
  std::array<char, 64> pad{};
  Sha256Digest shortened;
  if (key.size() > pad.size()) {
    shortened = Sha256().update(key).finish();
    key = view_of(shortened);
  }
  std::memcpy(pad.data(), key.data(), key.size());
  for (char& c : pad) c = static_cast<char>(c ^ 0x36);
  inner_.update(std::string_view(pad.data(), pad.size()));
  for (char& c : pad) c = static_cast<char>(c ^ 0x36 ^ 0x5c);
  outer_.update(std::string_view(pad.data(), pad.size()));
  OPENSSL_cleanse(pad.data(), pad.size());
}

Sha256Digest HmacKey::end(Sha256& message) const {
  const Sha256Digest inner = message.finish();
  Sha256 outer = outer_;
  return outer.update(view_of(inner)).finish();
}

Sha256Digest HmacKey::sign(std::string_view message) const {
  Sha256 mac = begin();
  mac.update(message);
  return end(mac);
}

bool equal_in_constant_time(std::string_view left, std::string_view right) {
  return left.size() == right.size() && CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

}  // namespace flashstor::s3d
