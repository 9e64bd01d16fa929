#include "s3d/http/wire_body.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace flashstor::s3d {

WireBody::WireBody(Wire& wire, const Request::Parts& parts, std::span<std::byte> received, Arena& arena)
    : wire_(wire),
      arena_(arena),
      received_(received),
      length_(parts.content_length),
      left_(parts.content_length.value_or(0)),
      chunked_(parts.chunked),
      done_(!parts.chunked && left_ == 0),
      continue_wanted_(parts.expects_continue) {
  if (done_) length_ = 0;
}

std::optional<std::uint64_t> WireBody::length() const { return chunked_ ? std::nullopt : length_; }

Task<void> WireBody::welcome() {
  if (!done_ || !std::exchange(continue_wanted_, false)) co_return;
  static_cast<void>(co_await send_continue());  // a broken connection shows at the answer
}

bool WireBody::can_be_skipped() const {
  return done_ || (!continue_wanted_ && (chunked_ || left_ <= wire_.core().options.drain_bytes));
}

Task<Result<std::size_t>> WireBody::read(std::span<std::byte> into) {
  if (done_ || into.empty()) co_return std::size_t{0};
  if (wire_.broken()) co_return fail(ErrorCode::kCancelled);
  if (continue_wanted_) {
    if (!continue_allowed_)
      co_return fail(ErrorCode::kIncompleteBody, "answered before the body was asked for");
    continue_wanted_ = false;
    co_await or_return(send_continue());
  }
  co_return co_await (chunked_ ? read_chunked(into) : read_plain(into));
}

Task<Result<void>> WireBody::send_continue() {
  static constexpr std::string_view kLine = "HTTP/1.1 100 Continue\r\n\r\n";
  const std::span<const std::byte> line = std::as_bytes(std::span(kLine));
  co_return co_await wire_.send(std::span(&line, 1));
}

Task<Result<std::size_t>> WireBody::receive(std::span<std::byte> into) {
  const ServerOptions& options = wire_.core().options;
  const MonotonicTime start = wire_.core().runtime.now();
  const Nanoseconds earned = std::chrono::seconds(came_ / options.min_body_bytes_per_second);
  const Nanoseconds allowed = options.body_grace + earned - waited_;
  wire_.expect_by(start + std::max(allowed, Nanoseconds(0)), Refusal::kSlowBody);
  const std::size_t got = co_await or_return(wire_.read(into));
  wire_.relax();
  waited_ += wire_.core().runtime.now() - start;
  came_ += got;
  if (got == 0) co_return fail(ErrorCode::kIncompleteBody, "the body ended before its announced length");
  co_return got;
}

Task<Result<std::size_t>> WireBody::read_plain(std::span<std::byte> into) {
  into = into.first(static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), left_)));
  std::size_t got = std::min(into.size(), received_.size());
  if (got > 0) {
    std::memcpy(into.data(), received_.data(), got);
    received_ = received_.subspan(got);
  } else {
    got = co_await or_return(receive(into));
  }
  left_ -= got;
  done_ = left_ == 0;
  co_return got;
}

Task<Result<std::size_t>> WireBody::read_chunked(std::span<std::byte> into) {
  if (!decoder_) decoder_.emplace();
  for (;;) {
    // No more payload is taken off than fits: what is beyond stays in front of the decoder.
    const std::string_view bytes(reinterpret_cast<const char*>(received_.data()), received_.size());
    const auto step = co_await or_return(decoder_->next(bytes, into.size()));
    received_ = received_.subspan(step.consumed);
    if (!step.payload.empty()) {
      std::memcpy(into.data(), step.payload.data(), step.payload.size());
      co_return step.payload.size();
    }
    if (decoder_->done()) {
      done_ = true;
      co_return std::size_t{0};
    }
    if (window_.empty()) {
      constexpr std::size_t kWindow =
          std::max(http_limits::kChunkWindowBytes, http_limits::kFirstHeaderBytes);
      window_ = {static_cast<std::byte*>(arena_.keep(kWindow)), kWindow};
    }
    FLASHSTOR_CHECK(received_.size() < window_.size());
    std::memmove(window_.data(), received_.data(), received_.size());
    const std::size_t got = co_await or_return(receive(window_.subspan(received_.size())));
    received_ = window_.first(received_.size() + got);
  }
}

Task<bool> WireBody::skip() {
  if (done_) co_return true;
  if (!can_be_skipped() || wire_.broken()) co_return false;
  constexpr std::size_t kScratch = 8 * 1024;
  const std::span scratch(static_cast<std::byte*>(arena_.keep(kScratch)), kScratch);
  std::size_t skipped = 0;
  while (!done_) {
    const auto got = co_await read(scratch);
    if (!got) co_return false;
    skipped += *got;
    if (skipped > wire_.core().options.drain_bytes) co_return false;
  }
  co_return true;
}

}  // namespace flashstor::s3d
