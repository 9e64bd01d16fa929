#pragma once

#include <string>
#include <string_view>

#include "engine/base/error.h"
#include "engine/base/random.h"

namespace flashstor::iam {

/// Encrypts what must not lie readable on a drive, with a key that only the root credentials give.
/// AES-256-GCM; each box has its own key: HKDF-SHA256 (RFC 5869) over the root credentials with a random
/// 16-byte salt. Layout: 0x01, salt[16], nonce[12], ciphertext, tag[16]. Immutable; safe on all threads. The
/// key material is wiped when it dies.
class SecretBox {
 public:
  SecretBox(std::string_view root_user, std::string_view root_password);
  SecretBox(const SecretBox&) = delete;
  SecretBox& operator=(const SecretBox&) = delete;
  ~SecretBox();

  /// `name` is bound to the box: it opens under the same name only.
  [[nodiscard]] Result<std::string> seal(std::string_view secret, std::string_view name,
                                         Random& random) const;
  /// Errors: kMalformed when it is no box, kCorrupt when it was sealed under other root credentials or
  /// another name, or was changed.
  [[nodiscard]] Result<std::string> open(std::string_view box, std::string_view name) const;

 private:
  std::string root_;
};

}  // namespace flashstor::iam
