#include "engine/async/uv_tls.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <filesystem>
#include <string>
#include <vector>

#include "engine/async/sync.h"
#include "engine/async/uv_stream.h"

namespace flashstor::async {
namespace {

/// Writes a self-signed certificate for `name` into `dir` as public.crt and private.key.
void make_certificate(const std::string& dir, const std::string& name, long serial) {
  std::filesystem::create_directories(dir);
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), X509_free);
  X509_set_version(certificate.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -60);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_issuer_name(certificate.get(), subject);
  X509_EXTENSION* names =
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, ("DNS:" + name).c_str());
  X509_add_ext(certificate.get(), names, -1);
  X509_EXTENSION_free(names);
  X509_sign(certificate.get(), key.get(), EVP_sha256());
  FILE* out = std::fopen((dir + "/public.crt").c_str(), "w");
  PEM_write_X509(out, certificate.get());
  std::fclose(out);
  out = std::fopen((dir + "/private.key").c_str(), "w");
  PEM_write_PrivateKey(out, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(out);
}

class UvTls : public ::testing::Test {
 public:
  UvTls() {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    dir = ::testing::TempDir() + "flashstor-tls-" + std::to_string(::getpid()) + test->name();
    std::filesystem::remove_all(dir);
    make_certificate(dir, "node.test", 1);
  }
  ~UvTls() override { std::filesystem::remove_all(dir); }

  /// A client that trusts `ca` asks for `name`; the server echoes `bytes` bytes in pieces. Gives what came
  /// back.
  Result<std::string> echo(const std::shared_ptr<TlsContext>& server, const std::string& ca,
                           const std::string& name, std::size_t bytes = 5) {
    auto client = TlsContext::client(ca, true);
    EXPECT_TRUE(client.has_value());
    auto listener = listen_tcp(loop, "127.0.0.1", 0);
    return loop.run_until(run(this, tls_listener(std::move(*listener), server), *client, name, bytes));
  }

  // Connects to a server with `server` as a node with `client`: whether it got through, and the server then
  // sees a trusted certificate of `host`.
  bool certified(const std::shared_ptr<TlsContext>& server, const std::shared_ptr<TlsContext>& client,
                 const std::string& server_name, const std::string& host) {
    auto listener = listen_tcp(loop, "127.0.0.1", 0);
    const auto both = [](UvTls* self, std::unique_ptr<Listener> open, std::shared_ptr<TlsContext> context,
                         std::string name, std::string shown) -> Task<bool> {
      Gate gate;
      bool good = false;
      gate.spawn([](Listener* from, const std::string* wanted, bool* result) -> Task<void> {
        auto connection = co_await from->accept();
        if (!connection) co_return;
        std::vector<std::byte> piece(16);
        const auto got = co_await (*connection)->read(piece);
        *result = got && *got == 2 && (*connection)->is_certified(*wanted);
      }(open.get(), &shown, &good));
      auto inner = co_await connect_tcp(self->loop, "127.0.0.1", open->port(),
                                        self->loop.now() + std::chrono::seconds(5));
      auto connection = tls_node(std::move(*inner), context, name);
      const std::string text = "hi";
      const std::span<const std::byte> slice = std::as_bytes(std::span(text));
      const auto sent = co_await connection->write(std::span(&slice, 1));
      if (!sent) connection->close();
      co_await gate.close();
      co_return sent.has_value() && good;
    };
    return loop.run_until(both(this, tls_listener(std::move(*listener), server), client, server_name, host));
  }

  static Task<void> serve_echo(Listener* listener) {
    auto connection = co_await listener->accept();
    if (!connection) co_return;
    std::vector<std::byte> piece(10'000);
    for (;;) {
      if (!co_await (*connection)->wait_readable()) break;
      const auto got = co_await (*connection)->read(piece);
      if (!got || *got == 0) break;
      const std::span<const std::byte> slice = std::span(piece).first(*got);
      if (!co_await (*connection)->write(std::span(&slice, 1))) break;
    }
    (void)co_await (*connection)->shutdown();
  }

  static Task<Result<std::string>> run(UvTls* self, std::unique_ptr<Listener> listener,
                                       std::shared_ptr<TlsContext> context, std::string name,
                                       std::size_t bytes) {
    Gate gate;
    gate.spawn(serve_echo(listener.get()));
    auto inner = co_await connect_tcp(self->loop, "127.0.0.1", listener->port(),
                                      self->loop.now() + std::chrono::seconds(5));
    auto client = tls_client(std::move(*inner), context, name);
    auto result = co_await talk(*client, bytes);
    client->close();
    co_await gate.close();
    co_return result;
  }

  static Task<Result<std::string>> talk(Connection& client, std::size_t bytes) {
    std::string text(bytes, 'x');
    for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + i % 23);
    Gate gate;
    bool sent = false;
    gate.spawn([](Connection* to, const std::string* from, bool* ok) -> Task<void> {
      const std::span<const std::byte> slice = std::as_bytes(std::span(*from));
      *ok = (co_await to->write(std::span(&slice, 1))).has_value();
      if (*ok) (void)co_await to->shutdown();
    }(&client, &text, &sent));
    std::string all;
    std::vector<std::byte> piece(7'000);
    Error error(ErrorCode::kInternal);
    for (;;) {
      const auto got = co_await client.read(piece);
      if (!got) error = got.error();
      if (!got || *got == 0) break;
      all.append(reinterpret_cast<const char*>(piece.data()), *got);
    }
    co_await gate.close();
    if (all != text) co_return std::unexpected(error);
    co_return all;
  }

  UvRuntime loop;
  std::string dir;
};

TEST_F(UvTls, EchoesSmallAndLarge) {
  const auto server = TlsContext::load_server(dir);
  ASSERT_TRUE(server.has_value()) << server.error().describe();
  for (const std::size_t bytes : {1UL, 5UL, 16'384UL, 2'000'000UL})
    EXPECT_TRUE(echo(*server, dir + "/public.crt", "node.test", bytes).has_value()) << bytes;
}

TEST_F(UvTls, ChoosesByNameAndRefusesOthers) {
  make_certificate(dir + "/other.test", "*.other.test", 2);
  const auto server = TlsContext::load_server(dir);
  ASSERT_TRUE(server.has_value()) << server.error().describe();
  EXPECT_TRUE(echo(*server, dir + "/other.test/public.crt", "s3.other.test").has_value());
  EXPECT_FALSE(
      echo(*server, dir + "/other.test/public.crt", "node.test").has_value());  // gets the other certificate
  EXPECT_FALSE(echo(*server, dir + "/public.crt", "elsewhere.test").has_value());  // the name does not match
}

TEST_F(UvTls, NodesShowEachOtherTheirCertificates) {
  const auto node = TlsContext::load_node(dir);
  ASSERT_TRUE(node.has_value()) << node.error().describe();
  EXPECT_TRUE(certified(*node, *node, "node.test", "node.test"));
  EXPECT_FALSE(certified(*node, *node, "node.test", "elsewhere.test"));  // another name than it says
  EXPECT_FALSE(certified(*node, *node, "elsewhere.test", "node.test"));  // refused by who connects
  make_certificate(dir + "/stranger", "node.test", 7);
  const auto stranger = TlsContext::load_node(dir + "/stranger");
  ASSERT_TRUE(stranger.has_value()) << stranger.error().describe();
  EXPECT_FALSE(certified(*node, *stranger, "node.test", "node.test"));
  // One without a certificate is served, and is nobody.
  EXPECT_TRUE(echo(*node, dir + "/public.crt", "node.test").has_value());
}

TEST_F(UvTls, ReloadsAllOrNothing) {
  const auto server = TlsContext::load_server(dir);
  ASSERT_TRUE(server.has_value());
  EXPECT_FALSE((*server)->changed_on_disk());
  const std::string old = dir + "-old.crt";
  std::filesystem::copy_file(dir + "/public.crt", old, std::filesystem::copy_options::overwrite_existing);
  make_certificate(dir, "node.test", 3);
  EXPECT_TRUE((*server)->changed_on_disk());
  EXPECT_TRUE(echo(*server, old, "node.test").has_value());
  EXPECT_TRUE((*server)->reload().has_value());
  EXPECT_FALSE((*server)->changed_on_disk());
  EXPECT_FALSE(echo(*server, old, "node.test").has_value());
  EXPECT_TRUE(echo(*server, dir + "/public.crt", "node.test").has_value());
  std::filesystem::copy_file(dir + "/public.crt", old, std::filesystem::copy_options::overwrite_existing);
  std::filesystem::remove(dir + "/private.key");
  const auto broken = (*server)->reload();
  ASSERT_FALSE(broken.has_value());
  EXPECT_NE(broken.error().message().find("private.key"), std::string_view::npos);
  EXPECT_TRUE(echo(*server, old, "node.test").has_value());
  std::filesystem::remove(old);
}

TEST_F(UvTls, SaysWhatIsMissing) {
  EXPECT_EQ(TlsContext::load_server(dir + "/nowhere").error().code(), ErrorCode::kNotFound);
  make_certificate(dir + "/x", "x.test", 9);
  std::filesystem::copy_file(dir + "/x/private.key", dir + "/private.key",
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_EQ(TlsContext::load_server(dir).error().code(), ErrorCode::kInvalidArgument);
}

TEST_F(UvTls, PlainTextIsRefused) {
  const auto server = TlsContext::load_server(dir);
  auto listener = listen_tcp(loop, "127.0.0.1", 0);
  loop.run_until([](UvTls* t, std::unique_ptr<Listener> from) -> Task<void> {
    auto client =
        co_await connect_tcp(t->loop, "127.0.0.1", from->port(), t->loop.now() + std::chrono::seconds(5));
    auto accepted = co_await from->accept();
    static constexpr std::string_view kText = "GET / HTTP/1.1\r\n\r\n";
    const std::span<const std::byte> slice = std::as_bytes(std::span(kText));
    EXPECT_TRUE((co_await (*client)->write(std::span(&slice, 1))).has_value());
    std::vector<std::byte> into(100);
    const auto got = co_await (*accepted)->read(into);
    EXPECT_FALSE(got.has_value());
  }(this, tls_listener(std::move(*listener), *server)));
}

}  // namespace
}  // namespace flashstor::async
