#include "engine/async/tls_context.h"

#include <dirent.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>

namespace flashstor::async {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  return out;
}

// What tells a changed file from an unchanged one; empty when there is none.
std::string mark_of(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return {};
  return fmt::format("{} {} {} {}.{}\n", path, info.st_ino, info.st_size, info.st_mtim.tv_sec,
                     info.st_mtim.tv_nsec);
}

// The directory itself and its sub-directories that hold a certificate, in order.
std::vector<std::string> certificate_dirs(const std::string& root) {
  std::vector<std::string> names;
  if (DIR* dir = ::opendir(root.c_str())) {
    while (const dirent* entry = ::readdir(dir)) {
      const std::string name = entry->d_name;
      if (name.starts_with('.') || name == "CAs")
        continue;  // CAs/ holds authorities to trust, as MinIO has it
      struct stat info{};
      const std::string path = fmt::format("{}/{}", root, name);
      if (::stat((path + "/public.crt").c_str(), &info) == 0) names.push_back(path);
    }
    ::closedir(dir);
  }
  std::ranges::sort(names);
  names.insert(names.begin(), root);
  return names;
}

// Authorities that the operator pinned.
std::vector<std::string> authority_files(const std::string& root) {
  std::vector<std::string> files;
  if (DIR* dir = ::opendir((root + "/CAs").c_str())) {
    while (const dirent* entry = ::readdir(dir))
      if (entry->d_name[0] != '.') files.push_back(root + "/CAs/" + entry->d_name);
    ::closedir(dir);
  }
  std::ranges::sort(files);
  return files;
}

std::string fingerprint_of(const std::string& root) {
  std::string all;
  for (const std::string& dir : certificate_dirs(root))
    all += mark_of(dir + "/public.crt") + mark_of(dir + "/private.key");
  for (const std::string& file : authority_files(root)) all += mark_of(file);
  return all;
}

SslContextPointer make_context(const SSL_METHOD* method) {
  SslContextPointer context(SSL_CTX_new(method));
  FLASHSTOR_CHECK(context != nullptr);
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(context.get(), "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL:!MD5");
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                         SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);  // tickets resume without memory of ours
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  return context;
}

void collect_names(SSL_CTX* context, std::map<std::string, SSL_CTX*, std::less<>>& by_name) {
  X509* certificate = SSL_CTX_get0_certificate(context);
  auto* names =
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_DNS) continue;
    const std::string_view text(reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName)),
                                static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName)));
    by_name.emplace(lower(text), context);
  }
  GENERAL_NAMES_free(names);
  std::array<char, 256> common{};
  if (X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, common.data(),
                                common.size()) > 0)
    by_name.emplace(lower(common.data()), context);
}

int choose_by_name(SSL* ssl, int*, void* argument) {
  const auto* certificates = static_cast<const TlsCertificates*>(argument);
  const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (name != nullptr) SSL_set_SSL_CTX(ssl, certificates->find(name));
  return SSL_TLSEXT_ERR_OK;
}

// Whom a node believes when another shows its certificate; each may act as client and as server.
Result<void> trust_authorities(SSL_CTX* context, const std::string& root) {
  std::vector<std::string> files = authority_files(root);
  if (files.empty()) {
    SSL_CTX_set_default_verify_paths(context);
    files.push_back(root + "/public.crt");
  }
  ERR_clear_error();
  for (const std::string& file : files)
    if (SSL_CTX_load_verify_locations(context, file.c_str(), nullptr) != 1)
      return fail(ErrorCode::kInvalidArgument, fmt::format("{}: {}", file, openssl_words()));
  X509_VERIFY_PARAM_set_purpose(SSL_CTX_get0_param(context), X509_PURPOSE_ANY);
  return {};
}

// Asks clients for a certificate. Those of S3 have none, or one that means nothing here: what was shown is
// looked at where it matters (Connection::is_certified).
Result<void> ask_for_certificates(SSL_CTX* context, const std::string& root) {
  if (auto trusted = trust_authorities(context, root); !trusted) return trusted;
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, [](int, X509_STORE_CTX*) { return 1; });
  static constexpr std::array<unsigned char, 9> kSessions = {'f', 'l', 'a', 's', 'h', 's', 't', 'o', 'r'};
  SSL_CTX_set_session_id_context(context, kSessions.data(), kSessions.size());
  return {};
}

Result<void> use_pair(SSL_CTX* context, const std::string& dir) {
  ERR_clear_error();
  const auto refuse = [](const std::string& path) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("{}: {}", path, openssl_words()));
  };
  if (SSL_CTX_use_certificate_chain_file(context, (dir + "/public.crt").c_str()) != 1)
    return refuse(dir + "/public.crt");
  if (SSL_CTX_use_PrivateKey_file(context, (dir + "/private.key").c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(context) != 1)
    return refuse(dir + "/private.key");
  return {};
}

Result<SslContextPointer> load_pair(const std::string& dir, const TlsCertificates* all) {
  SslContextPointer context = make_context(TLS_server_method());
  if (auto used = use_pair(context.get(), dir); !used) return std::unexpected(used.error());
  // The argument lives as long as the context: both are the same TlsCertificates'.
  SSL_CTX_set_tlsext_servername_callback(context.get(), choose_by_name);
  SSL_CTX_set_tlsext_servername_arg(context.get(), const_cast<TlsCertificates*>(all));
  static constexpr std::array<unsigned char, 9> kProtocol = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  SSL_CTX_set_alpn_select_cb(
      context.get(),
      [](SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in, unsigned in_size,
         void*) {
        unsigned char* chosen = nullptr;
        if (SSL_select_next_proto(&chosen, out_size, kProtocol.data(), kProtocol.size(), in, in_size) !=
            OPENSSL_NPN_NEGOTIATED)
          return SSL_TLSEXT_ERR_NOACK;
        *out = chosen;
        return SSL_TLSEXT_ERR_OK;
      },
      nullptr);
  return context;
}

Result<SslContextPointer> load_node_pair(const std::string& root) {
  SslContextPointer context = make_context(TLS_client_method());
  if (auto used = use_pair(context.get(), root); !used) return std::unexpected(used.error());
  if (auto trusted = trust_authorities(context.get(), root); !trusted)
    return std::unexpected(trusted.error());
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  return context;
}

Result<std::shared_ptr<const TlsCertificates>> load_certificates(const std::string& root, bool among_nodes) {
  auto all = std::make_shared<TlsCertificates>();
  all->fingerprint = fingerprint_of(root);  // before reading: a change in between is seen the next time
  if (mark_of(root + "/public.crt").empty())
    return fail(ErrorCode::kNotFound, fmt::format("{}/public.crt is missing", root));
  for (const std::string& dir : certificate_dirs(root)) {
    auto context = load_pair(dir, all.get());
    if (!context) return std::unexpected(std::move(context).error());
    if (among_nodes)
      if (auto asks = ask_for_certificates(context->get(), root); !asks) return std::unexpected(asks.error());
    collect_names(context->get(), all->by_name);
    if (dir == root) {
      all->fallback = std::move(*context);
    } else {
      all->others.push_back(std::move(*context));
    }
  }
  if (among_nodes) {
    auto node = load_node_pair(root);
    if (!node) return std::unexpected(std::move(node).error());
    all->node = std::move(*node);
  }
  return all;
}

}  // namespace

std::string openssl_words() {
  const unsigned long code = ERR_get_error();
  std::array<char, 256> text{};
  if (code != 0) ERR_error_string_n(code, text.data(), text.size());
  ERR_clear_error();
  return code == 0 ? "unknown" : text.data();
}

SSL_CTX* TlsCertificates::find(std::string_view server_name) const {
  const std::string name = lower(server_name);
  if (const auto exact = by_name.find(name); exact != by_name.end()) return exact->second;
  if (const std::size_t dot = name.find('.'); dot != std::string::npos) {
    if (const auto wild = by_name.find("*" + name.substr(dot)); wild != by_name.end()) return wild->second;
  }
  return fallback.get();
}

SslPointer TlsContext::State::make_ssl(bool to_node) const {
  // The SSL keeps its SSL_CTX, and the TlsCertificates behind the SNI callback must live as long: tie them
  // together.
  static const int index = SSL_get_ex_new_index(
      0, nullptr, nullptr, nullptr, [](void*, void* kept, CRYPTO_EX_DATA*, int, long, void*) {
        const std::unique_ptr<std::shared_ptr<const TlsCertificates>> owned(
            static_cast<std::shared_ptr<const TlsCertificates>*>(kept));
      });
  const auto now = certificates();
  FLASHSTOR_CHECK(!to_node || now->node != nullptr);
  SslPointer ssl(SSL_new(to_node ? now->node.get() : now->fallback.get()));
  FLASHSTOR_CHECK(ssl != nullptr);
  SSL_set_ex_data(ssl.get(), index, std::make_unique<std::shared_ptr<const TlsCertificates>>(now).release());
  return ssl;
}

TlsContext::TlsContext(std::unique_ptr<State> state) : state_(std::move(state)) {}
TlsContext::~TlsContext() = default;

Result<std::shared_ptr<TlsContext>> TlsContext::load(const std::string& certs_dir, bool among_nodes) {
  auto certificates = load_certificates(certs_dir, among_nodes);
  if (!certificates) return std::unexpected(std::move(certificates).error());
  auto state = std::make_unique<State>();
  state->certs_dir = certs_dir;
  state->among_nodes = among_nodes;
  state->current = std::move(*certificates);
  return std::shared_ptr<TlsContext>(new TlsContext(std::move(state)));  // NOLINT: the constructor is private
}

Result<std::shared_ptr<TlsContext>> TlsContext::load_server(const std::string& certs_dir) {
  return load(certs_dir, false);
}

Result<std::shared_ptr<TlsContext>> TlsContext::load_node(const std::string& certs_dir) {
  return load(certs_dir, true);
}

Result<std::shared_ptr<TlsContext>> TlsContext::client(const std::string& ca_file, bool verify) {
  auto certificates = std::make_shared<TlsCertificates>();
  certificates->fallback = make_context(TLS_client_method());
  SSL_CTX* context = certificates->fallback.get();
  SSL_CTX_set_verify(context, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  ERR_clear_error();
  if (verify && ca_file.empty() && SSL_CTX_set_default_verify_paths(context) != 1)
    return fail(ErrorCode::kIo, "the system's certificate authorities: " + openssl_words());
  if (verify && !ca_file.empty() && SSL_CTX_load_verify_locations(context, ca_file.c_str(), nullptr) != 1)
    return fail(ErrorCode::kInvalidArgument, fmt::format("{}: {}", ca_file, openssl_words()));
  auto state = std::make_unique<State>();
  state->current = std::move(certificates);
  return std::shared_ptr<TlsContext>(new TlsContext(std::move(state)));  // NOLINT: the constructor is private
}

Result<void> TlsContext::reload() {
  if (state_->certs_dir.empty()) return {};
  auto certificates = load_certificates(state_->certs_dir, state_->among_nodes);
  if (!certificates) return std::unexpected(std::move(certificates).error());
  const std::lock_guard lock(state_->mutex);
  state_->current = std::move(*certificates);
  return {};
}

bool TlsContext::changed_on_disk() const {
  return !state_->certs_dir.empty() &&
         fingerprint_of(state_->certs_dir) != state_->certificates()->fingerprint;
}

}  // namespace flashstor::async
