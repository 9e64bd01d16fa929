#include "s3d/http/chunked_decoder.h"

#include <algorithm>
#include <charconv>

#include "s3d/http/limits.h"

namespace flashstor::s3d {
namespace {

std::unexpected<Error> broken(std::string_view why) {
  return fail(ErrorCode::kMalformed, "chunked body: " + std::string(why));
}

bool is_text(char c) { return c == '\t' || (static_cast<unsigned char>(c) >= ' ' && c != '\x7f'); }

bool is_token_char(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         std::string_view("!#$%&'*+-.^_`|~").contains(c);
}

// `chunk-size [ chunk-ext ]`; a proxy that knows no extension may cut at the semicolon only, so nothing else
// follows a size.
Result<std::uint64_t> size_of(std::string_view line) {
  std::uint64_t size = 0;
  const char* const end = line.data() + line.size();
  const auto [at, error] = std::from_chars(line.data(), end, size, 16);
  if (error != std::errc{} || size > static_cast<std::uint64_t>(INT64_MAX))
    return broken("a size that is none");
  const std::string_view extension(at, end);
  const std::size_t begins = extension.find_first_not_of(" \t");
  if (begins != std::string_view::npos ? extension[begins] != ';' : !extension.empty())
    return broken("something else than an extension after a size");
  return size;
}

bool is_field(std::string_view line) {
  const std::size_t colon = line.find(':');
  return colon != std::string_view::npos && colon > 0 &&
         std::ranges::all_of(line.substr(0, colon), is_token_char);
}

}  // namespace

Result<void> ChunkedDecoder::take_line(std::string_view line) {
  if (!std::ranges::all_of(line, is_text)) return broken("a control byte in its framing");
  switch (state_) {
    case State::kSizeLine: {
      const auto size = size_of(line);
      if (!size) return std::unexpected(size.error());
      left_ = *size;
      state_ = left_ > 0 ? State::kPayload : State::kTrailer;
      return {};
    }
    case State::kPayloadEnd:
      if (!line.empty()) return broken("a chunk longer than its size");
      state_ = State::kSizeLine;
      return {};
    case State::kTrailer:
      trailer_bytes_ += line.size() + 2;
      if (line.empty()) {
        state_ = State::kDone;
      } else if (!is_field(line)) {
        return broken("a trailer that is no field");
      } else if (trailer_bytes_ > http_limits::kMaxChunkLineBytes) {
        return broken("a trailer that is too long");
      }
      return {};
    case State::kPayload:
    case State::kDone:
    case State::kBroken:
      break;
  }
  return broken("a line out of place");
}

Result<ChunkedDecoder::Step> ChunkedDecoder::next(std::string_view bytes, std::size_t max_payload) {
  if (state_ == State::kBroken) return broken("its framing was broken before");
  auto step = advance(bytes, max_payload);
  if (!step) state_ = State::kBroken;
  return step;
}

Result<ChunkedDecoder::Step> ChunkedDecoder::advance(std::string_view bytes, std::size_t max_payload) {
  Step step;
  while (!done()) {
    const std::string_view rest = bytes.substr(step.consumed);
    if (state_ == State::kPayload) {
      step.payload = rest.substr(0, std::min<std::uint64_t>(max_payload, left_));
      step.consumed += step.payload.size();
      left_ -= step.payload.size();
      if (left_ == 0) state_ = State::kPayloadEnd;
      if (left_ > 0 || !step.payload.empty()) return step;
      continue;
    }
    // Only what can be a line is looked at: a chunk's end is two bytes.
    const std::size_t limit = state_ == State::kPayloadEnd ? 2 : http_limits::kMaxChunkLineBytes;
    const std::string_view window = rest.substr(0, limit);
    const std::size_t feed = window.find('\n');
    if (feed == std::string_view::npos) {
      if (window.size() == limit) return broken("a line of its framing that is too long");
      return step;
    }
    if (feed == 0 || window[feed - 1] != '\r') return broken("a line that ends in a bare line feed");
    if (auto taken = take_line(window.substr(0, feed - 1)); !taken) return std::unexpected(taken.error());
    step.consumed += feed + 1;
  }
  return step;
}

}  // namespace flashstor::s3d
