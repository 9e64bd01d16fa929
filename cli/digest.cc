#include "cli/digest.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "engine/base/check.h"

namespace flashstor::cli {

struct Digest::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { EVP_MD_CTX_free(context); }
};

Digest::Digest(Kind kind) : state_(std::make_unique<State>()) {
  FLASHSTOR_CHECK(
      EVP_DigestInit_ex(state_->context, kind == Kind::kMd5 ? EVP_md5() : EVP_sha256(), nullptr) == 1);
}

Digest::~Digest() = default;

void Digest::add(std::string_view bytes) {
  FLASHSTOR_CHECK(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1);
}

std::string Digest::finish() {
  unsigned char result[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  FLASHSTOR_CHECK(EVP_DigestFinal_ex(state_->context, result, &size) == 1);
  return {reinterpret_cast<const char*>(result), size};
}

std::string sha256(std::string_view bytes) {
  Digest digest(Digest::Kind::kSha256);
  digest.add(bytes);
  return digest.finish();
}

std::string md5(std::string_view bytes) {
  Digest digest(Digest::Kind::kMd5);
  digest.add(bytes);
  return digest.finish();
}

std::string hmac_sha256(std::string_view key, std::string_view message) {
  unsigned char result[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  FLASHSTOR_CHECK(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                       reinterpret_cast<const unsigned char*>(message.data()), message.size(), result,
                       &size) != nullptr);
  return {reinterpret_cast<const char*>(result), size};
}

}  // namespace flashstor::cli
