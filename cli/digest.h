#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace flashstor::cli {

/// Raw digest bytes (32, 32 and 16 of them).
[[nodiscard]] std::string sha256(std::string_view bytes);
[[nodiscard]] std::string hmac_sha256(std::string_view key, std::string_view message);
[[nodiscard]] std::string md5(std::string_view bytes);

/// A digest of bytes that come in pieces. Threads: one at a time.
class Digest {
 public:
  enum class Kind { kSha256, kMd5 };
  explicit Digest(Kind kind);
  Digest(const Digest&) = delete;
  Digest& operator=(const Digest&) = delete;
  ~Digest();
  void add(std::string_view bytes);
  /// Raw bytes; call once, last.
  [[nodiscard]] std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace flashstor::cli
