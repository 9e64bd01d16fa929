#include "engine/iam/secret_box.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <memory>

#include "engine/base/codec.h"

namespace flashstor::iam {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kSaltBytes = 16;
constexpr std::size_t kNonceBytes = 12;
constexpr std::size_t kTagBytes = 16;
constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kHeadBytes = 1 + kSaltBytes + kNonceBytes;
constexpr std::size_t kMostBytes = 1024 * 1024;
constexpr std::string_view kInfo = "flashstor iam secret v1";

template <auto kFree>
struct Freer {
  template <class T>
  void operator()(T* thing) const {
    kFree(thing);
  }
};
using Cipher = std::unique_ptr<EVP_CIPHER_CTX, Freer<EVP_CIPHER_CTX_free>>;
using Kdf = std::unique_ptr<EVP_KDF, Freer<EVP_KDF_free>>;
using KdfContext = std::unique_ptr<EVP_KDF_CTX, Freer<EVP_KDF_CTX_free>>;

/// A key on the stack that is wiped when it goes.
struct Key {
  unsigned char bytes[kKeyBytes] = {};
  Key() = default;
  Key(const Key&) = delete;
  Key& operator=(const Key&) = delete;
  ~Key() { OPENSSL_cleanse(bytes, sizeof(bytes)); }
};

unsigned char* raw(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }
const unsigned char* raw(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

bool derive(std::string_view root, std::string_view salt, Key& key) {
  const Kdf kdf(EVP_KDF_fetch(nullptr, "HKDF", nullptr));
  if (!kdf) return false;
  const KdfContext context(EVP_KDF_CTX_new(kdf.get()));
  if (!context) return false;
  char digest[] = "SHA256";
  // The parameters are only read; their type has no const.
  const auto octets = [](const char* name, std::string_view bytes) {
    return OSSL_PARAM_construct_octet_string(name, const_cast<char*>(bytes.data()), bytes.size());
  };
  const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
                                   octets(OSSL_KDF_PARAM_KEY, root), octets(OSSL_KDF_PARAM_SALT, salt),
                                   octets(OSSL_KDF_PARAM_INFO, kInfo), OSSL_PARAM_construct_end()};
  return EVP_KDF_derive(context.get(), key.bytes, sizeof(key.bytes), parameters) == 1;
}

Error crypto_error(std::string_view step) {
  return {ErrorCode::kInternal, std::string("OpenSSL failed: ").append(step)};
}

}  // namespace

SecretBox::SecretBox(std::string_view root_user, std::string_view root_password)
    : root_(ByteWriter().bytes(root_user).bytes(root_password).take()) {}

SecretBox::~SecretBox() { OPENSSL_cleanse(root_.data(), root_.size()); }

Result<std::string> SecretBox::seal(std::string_view secret, std::string_view name, Random& random) const {
  if (secret.size() > kMostBytes || name.size() > kMostBytes)
    return fail(ErrorCode::kEntityTooLarge, "A secret to be sealed is too large");
  std::string box(1, static_cast<char>(kVersion));
  box += random.bytes(kSaltBytes + kNonceBytes);
  Key key;
  if (!derive(root_, std::string_view(box).substr(1, kSaltBytes), key))
    return std::unexpected(crypto_error("HKDF"));
  box.resize(kHeadBytes + secret.size() + kTagBytes);
  const Cipher cipher(EVP_CIPHER_CTX_new());
  unsigned char* const nonce = raw(box) + 1 + kSaltBytes;
  unsigned char* const out = raw(box) + kHeadBytes;
  unsigned char* const tag = out + secret.size();
  int size = 0;
  const bool sealed =
      cipher && EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, key.bytes, nonce) == 1 &&
      EVP_EncryptUpdate(cipher.get(), nullptr, &size, raw(name), static_cast<int>(name.size())) == 1 &&
      EVP_EncryptUpdate(cipher.get(), out, &size, raw(secret), static_cast<int>(secret.size())) == 1 &&
      EVP_EncryptFinal_ex(cipher.get(), tag, &size) == 1 &&
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes, tag) == 1;
  if (!sealed) return std::unexpected(crypto_error("AES-256-GCM"));
  return box;
}

Result<std::string> SecretBox::open(std::string_view box, std::string_view name) const {
  if (box.size() < kHeadBytes + kTagBytes || box.size() > kHeadBytes + kMostBytes + kTagBytes ||
      box[0] != kVersion)
    return fail(ErrorCode::kMalformed, "A sealed secret has an unknown format");
  Key key;
  if (!derive(root_, box.substr(1, kSaltBytes), key)) return std::unexpected(crypto_error("HKDF"));
  const std::string_view nonce = box.substr(1 + kSaltBytes, kNonceBytes);
  const std::string_view sealed = box.substr(kHeadBytes, box.size() - kHeadBytes - kTagBytes);
  std::string tag(box.substr(box.size() - kTagBytes));
  std::string secret(sealed.size(), '\0');
  const Cipher cipher(EVP_CIPHER_CTX_new());
  int size = 0;
  const bool opened =
      cipher && EVP_DecryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, key.bytes, raw(nonce)) == 1 &&
      EVP_DecryptUpdate(cipher.get(), nullptr, &size, raw(name), static_cast<int>(name.size())) == 1 &&
      EVP_DecryptUpdate(cipher.get(), raw(secret), &size, raw(sealed), static_cast<int>(sealed.size())) ==
          1 &&
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, tag.data()) == 1 &&
      EVP_DecryptFinal_ex(cipher.get(), raw(secret) + secret.size(), &size) == 1;
  if (!opened) {
    OPENSSL_cleanse(secret.data(), secret.size());
    return fail(ErrorCode::kCorrupt,
                "A secret does not open: other root credentials sealed it, or it was changed");
  }
  return secret;
}

}  // namespace flashstor::iam
