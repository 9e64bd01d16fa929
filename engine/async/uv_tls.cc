#include "engine/async/uv_tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "engine/async/sync.h"
#include "engine/async/tls_context.h"
#include "engine/base/buffer.h"

namespace flashstor::async {
namespace {

// One TLS record and its overhead, twice: what is received or waits to be sent at once.
constexpr std::size_t kCipherBytes = 32 * 1024;

/// TLS between two buffers of ciphertext, which are only held while something is under way.
class TlsConnection final : public Connection {
 public:
  TlsConnection(std::unique_ptr<Connection> inner, std::shared_ptr<TlsContext> context, SslPointer ssl)
      : inner_(std::move(inner)), context_(std::move(context)), ssl_(std::move(ssl)) {
    BIO* bio = BIO_new(bio_method());
    FLASHSTOR_CHECK(bio != nullptr);
    BIO_set_data(bio, this);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl_.get(), bio, bio);
  }

  Task<Result<std::size_t>> read(std::span<std::byte> into) override {
    for (;;) {
      if (closed_) co_return fail(ErrorCode::kCancelled);
      ERR_clear_error();
      std::size_t got = 0;
      const int outcome = SSL_read_ex(ssl_.get(), into.data(), into.size(), &got);
      const int reason = SSL_get_error(ssl_.get(), outcome);
      // A read can owe the peer something: the handshake, a key update, an alert.
      co_await or_return(flush());
      if (outcome == 1) {
        drop_empty();
        co_return got;
      }
      if (reason == SSL_ERROR_ZERO_RETURN) co_return std::size_t{0};
      if (reason == SSL_ERROR_WANT_WRITE) continue;
      if (reason != SSL_ERROR_WANT_READ) co_return tls_failure("read");
      const std::size_t came = co_await or_return(receive());
      // Without close_notify: the peer just closed; HTTP's own framing tells whether that was too early.
      if (came == 0) co_return std::size_t{0};
    }
  }

  Task<Result<void>> wait_readable() override {
    if (closed_) co_return fail(ErrorCode::kCancelled);
    if (in_begin_ != in_end_ || SSL_has_pending(ssl_.get()) == 1) co_return {};
    drop_empty();
    co_return co_await inner_->wait_readable();
  }

  Task<Result<void>> write(std::span<const std::span<const std::byte>> slices) override {
    for (std::span<const std::byte> slice : slices) {
      while (!slice.empty()) {
        if (closed_) co_return fail(ErrorCode::kCancelled);
        ERR_clear_error();
        std::size_t taken = 0;
        const int outcome = SSL_write_ex(ssl_.get(), slice.data(), slice.size(), &taken);
        const int reason = SSL_get_error(ssl_.get(), outcome);
        if (outcome == 1) {
          slice = slice.subspan(taken);
          continue;
        }
        co_await or_return(flush());
        if (reason == SSL_ERROR_WANT_WRITE) continue;
        if (reason != SSL_ERROR_WANT_READ) co_return tls_failure("write");
        if (co_await or_return(receive()) == 0)
          co_return fail(ErrorCode::kIo, "TLS: the peer closed the connection");
      }
    }
    co_await or_return(flush());
    drop_empty();
    co_return {};
  }

  [[nodiscard]] std::uint64_t bytes_sent() const override { return inner_->bytes_sent(); }

  Task<Result<void>> shutdown() override {
    if (closed_) co_return fail(ErrorCode::kCancelled);
    if (SSL_is_init_finished(ssl_.get()) == 1) {
      ERR_clear_error();
      SSL_shutdown(ssl_.get());
      co_await or_return(flush());
    }
    co_return co_await inner_->shutdown();
  }

  void close() override {
    closed_ = true;
    inner_->close();
  }
  [[nodiscard]] std::string peer() const override { return inner_->peer(); }
  [[nodiscard]] bool is_certified(const std::string& host) const override {
    X509* shown = SSL_get0_peer_certificate(ssl_.get());
    if (shown == nullptr || SSL_get_verify_result(ssl_.get()) != X509_V_OK) return false;
    return X509_check_ip_asc(shown, host.c_str(), 0) == 1 ||
           X509_check_host(shown, host.c_str(), host.size(), 0, nullptr) == 1;
  }

 private:
  static TlsConnection* self_of(BIO* bio) { return static_cast<TlsConnection*>(BIO_get_data(bio)); }
  static BIO_METHOD* bio_method() {
    static BIO_METHOD* const method = [] {
      BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "flashstor connection");
      BIO_meth_set_read_ex(made, on_bio_read);
      BIO_meth_set_write_ex(made, on_bio_write);
      BIO_meth_set_ctrl(
          made, [](BIO*, int command, long, void*) -> long { return command == BIO_CTRL_FLUSH ? 1 : 0; });
      return made;
    }();
    return method;
  }
  // OpenSSL takes ciphertext that was received …
  static int on_bio_read(BIO* bio, char* into, std::size_t size, std::size_t* got) {
    TlsConnection* self = self_of(bio);
    BIO_clear_retry_flags(bio);
    *got = std::min(size, self->in_end_ - self->in_begin_);
    if (*got == 0) {
      BIO_set_retry_read(bio);
      return 0;
    }
    std::memcpy(into, self->in_.data() + self->in_begin_, *got);
    self->in_begin_ += *got;
    return 1;
  }
  // … and leaves ciphertext that is to be sent.
  static int on_bio_write(BIO* bio, const char* bytes, std::size_t size, std::size_t* taken) {
    TlsConnection* self = self_of(bio);
    BIO_clear_retry_flags(bio);
    if (self->out_.empty()) self->out_ = Buffer::allocate(kCipherBytes);
    *taken = std::min(size, kCipherBytes - self->out_bytes_);
    if (*taken == 0) {
      BIO_set_retry_write(bio);
      return 0;
    }
    std::memcpy(self->out_.writable() + self->out_bytes_, bytes, *taken);
    self->out_bytes_ += *taken;
    return 1;
  }

  // A reader and a writer may both have something to flush: one at a time, in order.
  Task<Result<void>> flush() {
    // With nothing of its own to send, a reader never waits behind a writer whose peer is slow.
    while (flushing_ && out_bytes_ > 0) co_await flushed_.wait();
    if (out_bytes_ == 0) co_return {};
    flushing_ = true;
    const Buffer sent = out_.slice(0, std::exchange(out_bytes_, 0));
    out_ = {};
    const std::span<const std::byte> slice = sent.span();
    auto result = co_await inner_->write(std::span(&slice, 1));
    flushing_ = false;
    flushed_.notify_all();
    co_return result;
  }

  // During a handshake reader and writer both want to receive: one does, the other tries again after it.
  Task<Result<std::size_t>> receive() {
    if (receiving_) {
      co_await received_.wait();
      co_return std::size_t{1};
    }
    receiving_ = true;
    auto got = co_await receive_more();
    receiving_ = false;
    received_.notify_all();
    co_return got;
  }

  Task<Result<std::size_t>> receive_more() {
    if (in_.empty()) in_ = Buffer::allocate(kCipherBytes);
    if (in_begin_ == in_end_) in_begin_ = in_end_ = 0;
    if (in_end_ == in_.size()) {
      std::memmove(in_.writable(), in_.data() + in_begin_, in_end_ - in_begin_);
      in_end_ -= std::exchange(in_begin_, 0);
    }
    const std::size_t got = co_await or_return(inner_->read(in_.writable_span().subspan(in_end_)));
    in_end_ += got;
    co_return got;
  }

  void drop_empty() {
    if (in_begin_ == in_end_ && !receiving_) {
      in_ = {};
      in_begin_ = in_end_ = 0;
    }
  }

  std::unexpected<Error> tls_failure(const char* operation) {
    const std::string words = openssl_words();
    return fail(ErrorCode::kIo, std::string("TLS ") + operation + " with " + inner_->peer() + ": " + words);
  }

  std::unique_ptr<Connection> inner_;
  std::shared_ptr<TlsContext> context_;
  SslPointer ssl_;
  Buffer in_;
  std::size_t in_begin_ = 0;
  std::size_t in_end_ = 0;
  Buffer out_;
  std::size_t out_bytes_ = 0;
  bool flushing_ = false;
  Signal flushed_;
  bool receiving_ = false;
  Signal received_;
  bool closed_ = false;
};

class TlsListener final : public Listener {
 public:
  TlsListener(std::unique_ptr<Listener> inner, std::shared_ptr<TlsContext> context)
      : inner_(std::move(inner)), context_(std::move(context)) {}
  Task<Result<std::unique_ptr<Connection>>> accept() override {
    auto connection = co_await or_return(inner_->accept());
    co_return tls_server(std::move(connection), context_);
  }
  void close() override { inner_->close(); }
  [[nodiscard]] std::uint16_t port() const override { return inner_->port(); }

 private:
  std::unique_ptr<Listener> inner_;
  std::shared_ptr<TlsContext> context_;
};

}  // namespace

std::unique_ptr<Connection> tls_server(std::unique_ptr<Connection> inner,
                                       const std::shared_ptr<TlsContext>& context) {
  SslPointer ssl = context->state().make_ssl();
  SSL_set_accept_state(ssl.get());
  return std::make_unique<TlsConnection>(std::move(inner), context, std::move(ssl));
}

namespace {

std::unique_ptr<Connection> connect_as(bool to_node, std::unique_ptr<Connection> inner,
                                       const std::shared_ptr<TlsContext>& context,
                                       const std::string& server_name) {
  SslPointer ssl = context->state().make_ssl(to_node);
  SSL_set_connect_state(ssl.get());
  SSL_set_tlsext_host_name(ssl.get(), server_name.c_str());
  SSL_set1_host(ssl.get(), server_name.c_str());
  return std::make_unique<TlsConnection>(std::move(inner), context, std::move(ssl));
}

}  // namespace

std::unique_ptr<Connection> tls_client(std::unique_ptr<Connection> inner,
                                       const std::shared_ptr<TlsContext>& context,
                                       const std::string& server_name) {
  return connect_as(false, std::move(inner), context, server_name);
}

std::unique_ptr<Connection> tls_node(std::unique_ptr<Connection> inner,
                                     const std::shared_ptr<TlsContext>& context,
                                     const std::string& server_name) {
  return connect_as(true, std::move(inner), context, server_name);
}

std::unique_ptr<Listener> tls_listener(std::unique_ptr<Listener> inner, std::shared_ptr<TlsContext> context) {
  return std::make_unique<TlsListener>(std::move(inner), std::move(context));
}

}  // namespace flashstor::async
