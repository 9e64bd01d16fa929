#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "cli/sign.h"
#include "engine/base/error.h"

namespace flashstor::cli {

/// Fills `into` with the body's bytes from `offset` on; gives how many, 0 only at the end. May be asked for
/// the same bytes again when a request is repeated.
using BodyReader = std::function<Result<std::size_t>(std::uint64_t offset, std::span<char> into)>;
/// Takes the next bytes of an answer; an error ends the request with that error.
using BodySink = std::function<Result<void>(std::string_view bytes)>;

struct HttpRequest {
  std::string method = "GET";
  std::string url;
  Headers headers;
  std::string body;   ///< The whole body, unless `reader` is set.
  BodyReader reader;  ///< Then `body_bytes` long.
  std::uint64_t body_bytes = 0;
  BodySink sink;  ///< Body of a 2xx answer; other answers and those without a sink are held.
  std::function<void(std::uint64_t bytes)>
      on_sent;           ///< That many body bytes are on their way; fewer again in a repeat.
  bool endless = false;  ///< A stream that may pause for as long as it likes.
};

struct HttpResponse {
  int status = 0;
  Headers headers;  ///< Names in lower case.
  std::string body;
  bool sink_started = false;  ///< The sink has seen bytes: the request must not be repeated as it was.
  /// The header's value, or nothing.
  [[nodiscard]] std::string header(std::string_view name) const;
};

struct HttpOptions {
  bool insecure = false;  ///< Do not check the server's certificate.
  std::string ca_file;    ///< Empty: SSL_CERT_FILE, or the system's.
  bool debug = false;     ///< Request and answer lines to stderr (never the Authorization header).
};

/// The file of trusted authorities that the environment names, or nothing: the system's.
[[nodiscard]] std::string default_ca_file();

/// HTTP/1.1 over libcurl with kept connections. Blocks; stops soon after an interrupt.
/// Threads: `perform` from several at once; each uses a connection of its own.
class HttpClient {
 public:
  explicit HttpClient(HttpOptions options);
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;
  ~HttpClient();
  /// One request, one answer of any status. `started`, when given, says even after an error whether the sink
  /// saw bytes. Errors: kIo (could not connect, connection lost), kTimeout (stalled), kCancelled
  /// (interrupted), the sink's or the reader's own.
  [[nodiscard]] Result<HttpResponse> perform(const HttpRequest& request, bool* started = nullptr);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace flashstor::cli
