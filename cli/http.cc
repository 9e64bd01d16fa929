#include "cli/http.h"

#include <curl/curl.h>
#include <fmt/format.h>
#include <charconv>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <vector>

#include "cli/interrupt.h"
#include "cli/limits.h"
#include "cli/text.h"

namespace flashstor::cli {
namespace {

// Three digits, or 0.
int status_of(std::string_view digits) {
  int status = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), status);
  return status;
}

struct CurlDeleter {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
using CurlHandle = std::unique_ptr<CURL, CurlDeleter>;

struct ListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using CurlList = std::unique_ptr<curl_slist, ListDeleter>;

/// One request under way; curl's callbacks get a pointer to it.
struct Exchange {
  const HttpRequest& request;
  HttpResponse response;
  std::uint64_t sent = 0;
  std::optional<Error> error;
};

std::size_t on_header(char* data, std::size_t size, std::size_t count, void* user) {
  Exchange& exchange = *static_cast<Exchange*>(user);
  const std::string_view line = trim({data, size * count});
  if (line.starts_with("HTTP/")) {  // The answer, or a 100 before it.
    exchange.response.headers.clear();
    const auto space = line.find(' ');
    if (space != std::string_view::npos) exchange.response.status = status_of(line.substr(space + 1, 3));
  } else if (const auto colon = line.find(':'); colon != std::string_view::npos) {
    exchange.response.headers.push_back(
        {lower(line.substr(0, colon)), std::string(trim(line.substr(colon + 1)))});
  }
  return size * count;
}

std::size_t on_body(char* data, std::size_t size, std::size_t count, void* user) {
  Exchange& exchange = *static_cast<Exchange*>(user);
  const std::string_view bytes(data, size * count);
  HttpResponse& response = exchange.response;
  if (exchange.request.sink && response.status / 100 == 2) {
    response.sink_started = true;
    if (auto taken = exchange.request.sink(bytes); !taken) {
      exchange.error = taken.error();
      return 0;
    }
  } else {
    if (response.body.size() + bytes.size() > limits::kMaxAnswerBytes) {
      exchange.error = Error(ErrorCode::kMalformed, "the answer is larger than allowed");
      return 0;
    }
    response.body.append(bytes);
  }
  return bytes.size();
}

std::size_t on_read(char* into, std::size_t size, std::size_t count, void* user) {
  Exchange& exchange = *static_cast<Exchange*>(user);
  const HttpRequest& request = exchange.request;
  const std::uint64_t left = request.body_bytes - exchange.sent;
  const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(size * count, left));
  if (wanted == 0) return 0;
  const auto got = request.reader(exchange.sent, {into, wanted});
  if (!got || *got == 0) {
    exchange.error = got ? Error(ErrorCode::kIncompleteBody, "the source became shorter") : got.error();
    return CURL_READFUNC_ABORT;
  }
  exchange.sent += *got;
  if (request.on_sent) request.on_sent(exchange.sent);
  return *got;
}

int on_seek(void* user, curl_off_t offset, int origin) {
  if (origin != SEEK_SET) return CURL_SEEKFUNC_CANTSEEK;
  static_cast<Exchange*>(user)->sent = static_cast<std::uint64_t>(offset);
  return CURL_SEEKFUNC_OK;
}

int on_progress(void*, curl_off_t, curl_off_t, curl_off_t, curl_off_t) { return interrupted() ? 1 : 0; }

template <class Value>
void set(CURL* handle, CURLoption option, Value value) {
  curl_easy_setopt(handle, option, value);
}

void set_method_and_body(CURL* handle, Exchange& exchange) {
  const HttpRequest& request = exchange.request;
  if (request.method == "HEAD") {
    set(handle, CURLOPT_NOBODY, 1L);
  } else if (request.reader && request.body_bytes > 0) {
    set(handle, CURLOPT_UPLOAD, 1L);
    set(handle, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request.body_bytes));
    set(handle, CURLOPT_READFUNCTION, &on_read);
    set(handle, CURLOPT_READDATA, &exchange);
    set(handle, CURLOPT_SEEKFUNCTION, &on_seek);
    set(handle, CURLOPT_SEEKDATA, &exchange);
  } else if (request.method == "PUT" || request.method == "POST") {
    set(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    set(handle, CURLOPT_POSTFIELDS, request.body.data());
  }
  if (request.method != "HEAD") set(handle, CURLOPT_CUSTOMREQUEST, request.method.c_str());
}

CurlList header_list(const HttpRequest& request) {
  CurlList list;
  const auto add = [&](const std::string& line) {
    list.reset(curl_slist_append(list.release(), line.c_str()));
  };
  bool has_type = false;
  for (const Header& header : request.headers) {
    // curl sends a header without a value only when it ends in a semicolon.
    add(header.value.empty() ? header.name + ";" : header.name + ": " + header.value);
    has_type = has_type || lower(header.name) == "content-type";
  }
  if (!has_type) add("Content-Type:");
  add("Accept:");
  return list;
}

Error error_of(CURLcode code, const Exchange& exchange, const char* detail) {
  if (exchange.error) return *exchange.error;
  if (code == CURLE_ABORTED_BY_CALLBACK) return {ErrorCode::kCancelled, "interrupted"};
  const std::string text = *detail != '\0' ? detail : curl_easy_strerror(code);
  if (code == CURLE_OPERATION_TIMEDOUT) return {ErrorCode::kTimeout, text};
  return {ErrorCode::kIo, text};
}

}  // namespace

std::string default_ca_file() {
  for (const char* name : {"FLASHSTORE_CA_FILE", "SSL_CERT_FILE", "CURL_CA_BUNDLE"})
    if (const char* value = std::getenv(name); value && *value != '\0') return value;
  return {};
}

struct HttpClient::State {
  HttpOptions options;
  std::mutex mutex;
  std::vector<CurlHandle> idle;

  CurlHandle take() {
    const std::lock_guard lock(mutex);
    if (idle.empty()) return CurlHandle(curl_easy_init());
    CurlHandle handle = std::move(idle.back());
    idle.pop_back();
    return handle;
  }
  void give_back(CurlHandle handle) {
    curl_easy_reset(handle.get());  // Keeps the connection.
    const std::lock_guard lock(mutex);
    idle.push_back(std::move(handle));
  }
};

std::string HttpResponse::header(std::string_view name) const {
  const auto found = std::ranges::find(headers, name, &Header::name);
  return found == headers.end() ? std::string() : found->value;
}

HttpClient::HttpClient(HttpOptions options) : state_(std::make_unique<State>()) {
  static const bool started = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  static_cast<void>(started);
  if (options.ca_file.empty()) options.ca_file = default_ca_file();
  state_->options = std::move(options);
}

HttpClient::~HttpClient() = default;

Result<HttpResponse> HttpClient::perform(const HttpRequest& request, bool* started) {
  if (interrupted()) return fail(ErrorCode::kCancelled, "interrupted");
  CurlHandle owned = state_->take();
  if (!owned) return fail(ErrorCode::kInternal, "libcurl gives no handle");
  CURL* handle = owned.get();
  Exchange exchange{request, {}, 0, {}};
  char detail[CURL_ERROR_SIZE] = "";
  const CurlList headers = header_list(request);
  set(handle, CURLOPT_URL, request.url.c_str());
  set(handle, CURLOPT_PATH_AS_IS, 1L);
  set(handle, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  set(handle, CURLOPT_NOSIGNAL, 1L);
  set(handle, CURLOPT_ERRORBUFFER, detail);
  set(handle, CURLOPT_HTTPHEADER, headers.get());
  set(handle, CURLOPT_HEADERFUNCTION, &on_header);
  set(handle, CURLOPT_HEADERDATA, &exchange);
  set(handle, CURLOPT_WRITEFUNCTION, &on_body);
  set(handle, CURLOPT_WRITEDATA, &exchange);
  set(handle, CURLOPT_NOPROGRESS, 0L);
  set(handle, CURLOPT_XFERINFOFUNCTION, &on_progress);
  set(handle, CURLOPT_CONNECTTIMEOUT, static_cast<long>(limits::kConnectTimeout.count()));
  set(handle, CURLOPT_BUFFERSIZE, 512L * 1024L);
  set(handle, CURLOPT_UPLOAD_BUFFERSIZE, 1024L * 1024L);
  set(handle, CURLOPT_TCP_KEEPALIVE, 1L);
  if (!request.endless) {
    set(handle, CURLOPT_LOW_SPEED_LIMIT, 1L);
    set(handle, CURLOPT_LOW_SPEED_TIME, static_cast<long>(limits::kStallTimeout.count()));
  }
  if (state_->options.insecure) {
    set(handle, CURLOPT_SSL_VERIFYPEER, 0L);
    set(handle, CURLOPT_SSL_VERIFYHOST, 0L);
  }
  if (!state_->options.ca_file.empty()) set(handle, CURLOPT_CAINFO, state_->options.ca_file.c_str());
  set_method_and_body(handle, exchange);
  const CURLcode code = curl_easy_perform(handle);
  state_->give_back(std::move(owned));
  if (started) *started = exchange.response.sink_started;
  if (state_->options.debug)
    fmt::print(stderr, "{} {} -> {}\n", request.method, request.url,
               code == CURLE_OK ? std::to_string(exchange.response.status) : std::string(detail));
  if (code != CURLE_OK) return std::unexpected(error_of(code, exchange, detail));
  return std::move(exchange.response);
}

}  // namespace flashstor::cli
