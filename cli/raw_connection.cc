#include "cli/raw_connection.h"

#include <curl/curl.h>
#include <poll.h>

#include <cstdlib>

namespace flashstor::cli {
namespace {

constexpr long kConnectMilliseconds = 10'000;
constexpr int kPatienceMilliseconds = 60'000;

struct CloseCurl {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};

Result<void> wait_for(int descriptor, short event) {
  pollfd watched{descriptor, event, 0};
  const int ready = ::poll(&watched, 1, kPatienceMilliseconds);
  if (ready == 0) return fail(ErrorCode::kTimeout, "the node does not answer");
  return {};
}

}  // namespace

struct RawConnection::State {
  std::unique_ptr<CURL, CloseCurl> handle;
  curl_socket_t socket = CURL_SOCKET_BAD;
};

RawConnection::RawConnection(std::unique_ptr<State> state) : state_(std::move(state)) {}
RawConnection::RawConnection(RawConnection&&) noexcept = default;
RawConnection& RawConnection::operator=(RawConnection&&) noexcept = default;
RawConnection::~RawConnection() = default;

int RawConnection::descriptor() const { return state_->socket; }

Result<RawConnection> RawConnection::open(const std::string& url, const HttpOptions& options) {
  auto state = std::make_unique<State>();
  state->handle.reset(curl_easy_init());
  CURL* handle = state->handle.get();
  if (handle == nullptr) return fail(ErrorCode::kInternal, "libcurl gives no handle");
  char detail[CURL_ERROR_SIZE] = "";
  const std::string authorities = options.ca_file.empty() ? default_ca_file() : options.ca_file;
  curl_easy_setopt(handle, CURLOPT_URL, url.c_str());
  curl_easy_setopt(handle, CURLOPT_CONNECT_ONLY, 1L);
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_PROXY, "");
  curl_easy_setopt(handle, CURLOPT_SSL_ENABLE_ALPN, 0L);
  curl_easy_setopt(handle, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(handle, CURLOPT_TCP_KEEPIDLE, 20L);
  curl_easy_setopt(handle, CURLOPT_TCP_KEEPINTVL, 5L);
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, kConnectMilliseconds);
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, detail);
  if (options.insecure) {
    curl_easy_setopt(handle, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(handle, CURLOPT_SSL_VERIFYHOST, 0L);
  }
  if (!authorities.empty()) curl_easy_setopt(handle, CURLOPT_CAINFO, authorities.c_str());
  const CURLcode done = curl_easy_perform(handle);
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, nullptr);
  if (done != CURLE_OK)
    return fail(done == CURLE_OPERATION_TIMEDOUT ? ErrorCode::kTimeout : ErrorCode::kIo,
                *detail != '\0' ? detail : curl_easy_strerror(done));
  if (curl_easy_getinfo(handle, CURLINFO_ACTIVESOCKET, &state->socket) != CURLE_OK ||
      state->socket == CURL_SOCKET_BAD)
    return fail(ErrorCode::kIo, "libcurl gives no socket");
  return RawConnection(std::move(state));
}

Result<std::size_t> RawConnection::receive(std::span<char> into) {
  std::size_t got = 0;
  const CURLcode done = curl_easy_recv(state_->handle.get(), into.data(), into.size(), &got);
  if (done == CURLE_AGAIN) return 0;
  if (done != CURLE_OK) return fail(ErrorCode::kIo, curl_easy_strerror(done));
  if (got == 0) return fail(ErrorCode::kIo, "the node has closed the connection");
  return got;
}

Result<std::size_t> RawConnection::send(std::string_view bytes) {
  std::size_t taken = 0;
  const CURLcode done = curl_easy_send(state_->handle.get(), bytes.data(), bytes.size(), &taken);
  if (done == CURLE_AGAIN) return 0;
  if (done != CURLE_OK) return fail(ErrorCode::kIo, curl_easy_strerror(done));
  return taken;
}

Result<void> RawConnection::receive_all(std::span<char> into) {
  while (!into.empty()) {
    const auto got = receive(into);
    if (!got) return std::unexpected(got.error());
    into = into.subspan(*got);
    if (*got != 0) continue;
    if (auto ready = wait_for(state_->socket, POLLIN); !ready) return ready;
  }
  return {};
}

Result<void> RawConnection::send_all(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto taken = send(bytes);
    if (!taken) return std::unexpected(taken.error());
    bytes.remove_prefix(*taken);
    if (*taken != 0) continue;
    if (auto ready = wait_for(state_->socket, POLLOUT); !ready) return ready;
  }
  return {};
}

}  // namespace flashstor::cli
