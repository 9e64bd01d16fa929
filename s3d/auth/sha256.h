#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace flashstor::s3d {

using Sha256Digest = std::array<std::uint8_t, 32>;

/// SHA-256 whose state is copied like a value: what cached HMAC states need, and what OpenSSL's EVP contexts
/// are several times slower at.
class Sha256 {
 public:
  Sha256();
  Sha256& update(std::string_view bytes);
  Sha256& update(std::span<const std::byte> bytes);
  /// Ends the digest; the object is spent.
  [[nodiscard]] Sha256Digest finish();

 private:
  alignas(8) std::array<std::byte, 112> state_;  // a SHA256_CTX
};

/// The 64 lower-case hexadecimal digits of a digest.
[[nodiscard]] std::array<char, 64> hex_of(const Sha256Digest& digest);
inline std::string_view view_of(const std::array<char, 64>& hex) { return {hex.data(), hex.size()}; }

/// HMAC-SHA256 under one key; both pads are absorbed once.
class HmacKey {
 public:
  explicit HmacKey(std::string_view key);
  /// One message in pieces: `auto mac = key.begin(); mac.update(…); key.end(mac)`.
  [[nodiscard]] Sha256 begin() const { return inner_; }
  [[nodiscard]] Sha256Digest end(Sha256& message) const;
  [[nodiscard]] Sha256Digest sign(std::string_view message) const;

 private:
  Sha256 inner_;
  Sha256 outer_;
};

/// True when both are equal, in a time that does not tell where they differ.
[[nodiscard]] bool equal_in_constant_time(std::string_view left, std::string_view right);

}  // namespace flashstor::s3d
