#include "s3d/http/wire_response.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace flashstor::s3d {
namespace {

using Slices = std::array<std::span<const std::byte>, 64>;

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

}  // namespace

WireResponse::WireResponse(Wire& wire, const Request::Parts& parts, WireBody& body, Arena& arena)
    : wire_(wire),
      body_(body),
      head_only_(parts.method == "HEAD"),
      old_version_(parts.minor_version_zero),
      keep_alive_(parts.keep_alive),
      first_lines_(&arena),
      headers_(&arena) {
  headers_.reserve(1024);
}

void WireResponse::set_status(int status) {
  FLASHSTOR_CHECK(!begun_ && status >= 200 && status <= 599);
  status_ = status;
}

void WireResponse::add_header(std::string_view name, std::string_view value) {
  FLASHSTOR_CHECK(!begun_);
  headers_.append(name).append(": ");
  const std::size_t at = headers_.size();
  headers_.append(value);
  // A line break in a stored value must not become a header of its own.
  for (std::size_t i = at; i < headers_.size(); ++i)
    if (headers_[i] == '\r' || headers_[i] == '\n' || headers_[i] == '\0') headers_[i] = ' ';
  headers_.append("\r\n");
}

void WireResponse::render_head() {
  close_ = close_ || !keep_alive_ || wire_.core().stopping || !body_.can_be_skipped();
  body_.answer_begins();
  first_lines_.reserve(256);
  auto out = std::back_inserter(first_lines_);
  fmt::format_to(out, "HTTP/1.1 {} {}\r\n", status_, reason_of(status_));
  first_lines_.append(wire_.core().fixed_headers());
  if (length_ && status_ != 204 && status_ != 304) {
    fmt::format_to(out, "Content-Length: {}\r\n", *length_);
  } else if (!length_ && !without_body()) {
    chunked_ = !old_version_;
    close_ = close_ || old_version_;
    if (chunked_) first_lines_.append("Transfer-Encoding: chunked\r\n");
  }
  if (close_) {
    first_lines_.append("Connection: close\r\n");
  } else if (old_version_) {
    first_lines_.append("Connection: keep-alive\r\n");
  }
  headers_.append("\r\n");
}

Task<Result<void>> WireResponse::push(std::span<const Buffer> slices, std::string_view text, bool last) {
  if (wire_.broken()) co_return fail(ErrorCode::kCancelled, "the connection is gone");
  FLASHSTOR_CHECK(begun_ && !finished_);
  std::uint64_t total = text.size();
  for (const Buffer& slice : slices) total += slice.size();
  if (length_ && !without_body()) {
    if (total > announced_left_) {  // never more than announced: it would be read as the next answer
      abort();
      co_return fail(ErrorCode::kInternal, "more body bytes than announced");
    }
    announced_left_ -= total;
  }
  Slices out;
  std::size_t count = 0;
  if (!head_sent_) {
    render_head();
    head_sent_ = true;
    out[count++] = bytes_of(first_lines_);
    out[count++] = bytes_of(headers_);
  }
  std::array<char, 20> size_line;
  if (!without_body() && total > 0) {
    if (chunked_) {
      const auto end = fmt::format_to_n(size_line.data(), size_line.size(), "{:x}\r\n", total);
      out[count++] = bytes_of({size_line.data(), end.size});
    }
    for (const Buffer& slice : slices) {
      if (count == out.size()) {
        co_await or_return(wire_.send(out));
        count = 0;
      }
      out[count++] = slice.span();
    }
    if (count + 3 > out.size()) {
      co_await or_return(wire_.send(std::span(out).first(count)));
      count = 0;
    }
    if (!text.empty()) out[count++] = bytes_of(text);
    if (chunked_) out[count++] = bytes_of("\r\n");
    sent_ += total;
  }
  if (last) {
    finished_ = true;
    if (chunked_) out[count++] = bytes_of("0\r\n\r\n");
  }
  if (count > 0) co_await or_return(wire_.send(std::span(out).first(count)));
  co_return {};
}

void WireResponse::start(std::optional<std::uint64_t> content_length) {
  FLASHSTOR_CHECK(!begun_);
  begun_ = true;
  length_ = content_length;
  announced_left_ = content_length.value_or(0);
}

Task<Result<void>> WireResponse::send(std::string_view body) {
  start(body.size());
  return push({}, body, true);
}

Task<Result<void>> WireResponse::send(const BufferChain& body) {
  start(body.size());
  return push(body.slices(), {}, true);
}

Task<Result<void>> WireResponse::send_head(std::uint64_t content_length) {
  FLASHSTOR_CHECK(head_only_ || content_length == 0);
  start(content_length);
  return push({}, {}, true);
}

Task<Result<void>> WireResponse::write(const Buffer& slice) { return push(std::span(&slice, 1), {}, false); }
Task<Result<void>> WireResponse::write(const BufferChain& slices) { return push(slices.slices(), {}, false); }
Task<Result<void>> WireResponse::write(std::string_view bytes) { return push({}, bytes, false); }

Task<Result<void>> WireResponse::finish() {
  if (length_ && announced_left_ > 0 && !without_body()) {
    abort();
    co_return fail(ErrorCode::kInternal, "fewer body bytes than announced");
  }
  co_return co_await push({}, {}, true);
}

void WireResponse::abort() {
  close_ = true;
  wire_.close();
}

Task<void> WireResponse::conclude() {
  if (finished_ || wire_.broken()) co_return;
  if (begun_) {
    abort();
    co_return;
  }
  headers_.clear();
  status_ = 500;
  close_ = true;
  (void)co_await send("");
}

std::string_view reason_of(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 417:
      return "Expectation Failed";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    case 507:
      return "Insufficient Storage";
    default:
      return "Unknown";
  }
}

}  // namespace flashstor::s3d
