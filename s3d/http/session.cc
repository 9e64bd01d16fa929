#include "s3d/http/session.h"

#include <fmt/format.h>

#include <cstring>

#include "s3d/http/wire_body.h"
#include "s3d/http/wire_response.h"

namespace flashstor::s3d {
namespace {

constexpr std::size_t kLingerBytes = limits::kMiB;
constexpr Milliseconds kLingerTime{2000};
// A client that pipelines without end gives way to the others after so many.
constexpr unsigned kPipelinedInTurn = 32;

std::string_view view_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

Session::Session(ServerCore& core, std::unique_ptr<async::Connection> connection)
    : core_(core), wire_(core, std::move(connection)), arenas_{Arena(core.arenas), Arena(core.arenas)} {}

Task<void> Session::run() {
  unsigned pipelined = 0;
  for (bool first = true;; first = false) {
    if (used_ == 0) {
      if (core_.stopping) break;
      if (first) {
        wire_.expect_by(after(core_.options.header_deadline), Refusal::kSlowHeader);
      } else {
        wire_.expect_by(after(core_.options.idle_deadline), std::nullopt);
      }
      if (!co_await wire_.wait_readable()) break;
      pipelined = 0;
    } else if (++pipelined % kPipelinedInTurn == 0) {
      co_await async::sleep_for(core_.runtime, Nanoseconds(0));
    }
    // Everything of the request is destroyed before the arena goes back.
    const auto rest = co_await serve();
    if (!rest) break;
    recycle(*rest);
  }
  wire_.close();
}

Task<std::optional<std::span<std::byte>>> Session::serve() {
  if (core_.arenas.exhausted()) {
    co_await refuse({Refusal::kNoMemory, 503, "out of request memory; try again"});
    co_return std::nullopt;
  }
  wire_.expect_by(after(core_.options.header_deadline), Refusal::kSlowHeader);
  const auto header_bytes = co_await receive_header();
  if (!header_bytes) co_return std::nullopt;
  wire_.relax();
  auto parts = parse_request(view_of(buffer_.first(*header_bytes)), arena());
  if (!parts) {
    co_await refuse(parts.error());
    co_return std::nullopt;
  }
  WireBody body(wire_, *parts, buffer_.subspan(*header_bytes, used_ - *header_bytes), arena());
  parts->peer = wire_.peer();
  parts->tls = core_.options.tls;
  parts->received_at = core_.runtime.now();
  parts->body = &body;
  co_await body.welcome();
  Request request(*parts);
  ConnectionTaker* upgrades = core_.options.upgrades;
  if (ConnectionTaker* taker = upgrades == nullptr ? nullptr : upgrades->taker_of(request)) {
    // Nobody may have spoken before the answer.
    if (*header_bytes == used_) {
      std::string authorization(request.header("authorization").value_or(std::string_view()));
      co_await wire_.give_to(*taker, std::move(authorization));
    }
    co_return std::nullopt;
  }
  WireResponse response(wire_, *parts, body, arena());
  ++core_.counters.requests;
  ++core_.counters.running_requests;
  co_await core_.handler.handle(request, response);
  --core_.counters.running_requests;
  co_await response.conclude();
  if (response.closes()) {
    if (!body.done()) co_await linger();
    co_return std::nullopt;
  }
  if (!co_await body.skip()) {
    co_await linger();
    co_return std::nullopt;
  }
  co_return body.rest();
}

void Session::grow(std::size_t capacity) {
  const std::span larger(static_cast<std::byte*>(arena().keep(capacity)), capacity);
  if (used_ > 0) std::memcpy(larger.data(), buffer_.data(), used_);
  buffer_ = larger;
}

void Session::recycle(std::span<std::byte> rest) {
  const std::size_t before = current_;
  current_ = rest.empty() ? current_ : 1 - current_;
  buffer_ = {};
  used_ = 0;
  if (!rest.empty()) {
    grow(std::max(http_limits::kFirstHeaderBytes, rest.size()));
    std::memcpy(buffer_.data(), rest.data(), rest.size());
    used_ = rest.size();
  }
  arenas_[before].reset();
}

Task<std::optional<std::size_t>> Session::receive_header() {
  HeaderScan scan;
  bool skipped = false;
  if (buffer_.empty()) grow(http_limits::kFirstHeaderBytes);
  for (;;) {
    // One empty line after a body, however it came: RFC 9112, 2.2.
    if (!skipped && used_ >= 2 && view_of(buffer_).starts_with("\r\n")) {
      skipped = true;
      used_ -= 2;
      std::memmove(buffer_.data(), buffer_.data() + 2, used_);
      scan = HeaderScan();
    }
    const auto end = scan.find_end(view_of(buffer_.first(used_)));
    if (!end) {
      co_await refuse(end.error());
      co_return std::nullopt;
    }
    if (*end > limits::kMaxHeaderBytes || (*end == 0 && used_ >= limits::kMaxHeaderBytes)) {
      co_await refuse({Refusal::kHeaderTooLarge, 400, "the header is larger than 64 KiB"});
      co_return std::nullopt;
    }
    if (*end > 0) co_return *end;
    if (used_ == buffer_.size()) grow(limits::kMaxHeaderBytes);
    const auto got = co_await wire_.read(buffer_.subspan(used_));
    if (!got) co_return std::nullopt;
    if (*got == 0) {
      if (used_ > 0) core_.handler.on_refused(Refusal::kMalformed, wire_.peer());
      co_return std::nullopt;
    }
    used_ += *got;
  }
}

Task<void> Session::refuse(ParseFailure failure) {
  core_.handler.on_refused(failure.refusal, wire_.peer());
  const std::string_view code = failure.refusal == Refusal::kHeaderTooLarge ? "RequestHeaderSectionTooLarge"
                                : failure.status == 503                     ? "SlowDown"
                                : failure.status == 505                     ? "HttpVersionNotSupported"
                                                                            : "BadRequest";
  const std::string body = fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{}</Code><Message>{}</Message></Error>", code,
      failure.why);
  const std::string answer = fmt::format(
      "HTTP/1.1 {} {}\r\n{}Content-Type: application/xml\r\nContent-Length: {}\r\nConnection: "
      "close\r\n\r\n{}",
      failure.status, reason_of(failure.status), core_.fixed_headers(), body.size(), body);
  const std::span<const std::byte> slice = std::as_bytes(std::span(answer));
  if (co_await wire_.send(std::span(&slice, 1))) co_await linger();
}

Task<void> Session::linger() {
  if (wire_.broken()) co_return;
  co_await wire_.shutdown();
  wire_.expect_by(after(kLingerTime), std::nullopt);
  constexpr std::size_t kScratch = 8 * 1024;
  const std::span scratch(static_cast<std::byte*>(arena().keep(kScratch)), kScratch);
  for (std::size_t skipped = 0; skipped < kLingerBytes && !wire_.broken();) {
    const auto got = co_await wire_.read(scratch);
    if (!got || *got == 0) break;
    skipped += *got;
  }
}

}  // namespace flashstor::s3d
