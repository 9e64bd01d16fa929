#pragma once

#include <openssl/ssl.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/async/uv_tls.h"

namespace flashstor::async {

struct SslDeleter {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using SslPointer = std::unique_ptr<SSL, SslDeleter>;
using SslContextPointer = std::unique_ptr<SSL_CTX, SslDeleter>;

/// The oldest queued OpenSSL error of this thread in words, or "unknown"; the queue is empty after it.
[[nodiscard]] std::string openssl_words();

/// Contexts by the names in their certificates. Never changed once made; connections under way keep theirs.
struct TlsCertificates {
  SslContextPointer fallback;  ///< For names that no other has.
  SslContextPointer node;      ///< For connections to other nodes; null but for a node of several.
  std::vector<SslContextPointer> others;
  std::map<std::string, SSL_CTX*, std::less<>> by_name;  ///< Lower case; "*.example.org" as it stands.
  std::string fingerprint;                               ///< Of the files: path, size, time of change, inode.
  [[nodiscard]] SSL_CTX* find(std::string_view server_name) const;
};

/// For uv_tls.cc and tls_context.cc.
struct TlsContext::State {
  std::string certs_dir;  ///< Empty for a client.
  bool among_nodes = false;
  mutable std::mutex mutex;
  std::shared_ptr<const TlsCertificates> current;

  [[nodiscard]] std::shared_ptr<const TlsCertificates> certificates() const {
    const std::lock_guard lock(mutex);
    return current;
  }
  /// `to_node`: for a connection to another node.
  [[nodiscard]] SslPointer make_ssl(bool to_node = false) const;
};

}  // namespace flashstor::async
