#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "s3d/auth/sha256.h"
#include "s3d/auth/signature.h"

namespace flashstor::s3d {

/// What a day's requests of one credential to one region and service are signed with.
struct SigningKey {
  explicit SigningKey(std::string_view derived) : hmac(derived) {}
  HmacKey hmac;
};

/// The derivation of AWS: four HMACs, from the secret over date, region and service.
/// Source: AWS, "Signature calculations: deriving the signing key".
[[nodiscard]] std::shared_ptr<const SigningKey> derive_signing_key(std::string_view secret,
                                                                   std::string_view date,
                                                                   std::string_view region,
                                                                   std::string_view service);

/// Signing keys by access key and scope. Cleared whole when full: scopes are a day old at most, so that is
/// rare.
class SigningKeyCache {
 public:
  explicit SigningKeyCache(std::size_t max_keys) : max_keys_(max_keys) {}
  /// `scope` is date/region/service/aws4_request. A changed secret gives a new key.
  std::shared_ptr<const SigningKey> get(const Credential& credential, std::string_view scope,
                                        std::string_view date, std::string_view region,
                                        std::string_view service);

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  struct Entry {
    std::string secret;
    std::shared_ptr<const SigningKey> key;
  };
  std::size_t max_keys_;
  std::string lookup_;  // kept for its capacity
  std::unordered_map<std::string, Entry, Hash, std::equal_to<>> entries_;
};

}  // namespace flashstor::s3d
