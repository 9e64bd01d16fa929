#include "s3d/auth/aws_chunked.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "s3d/auth/signing_key.h"

namespace flashstor::s3d {
namespace {

constexpr std::size_t kMaxTrailers = 16;
constexpr std::size_t kMaxExtraBytes = 4;
// SHA-256 of nothing.
constexpr std::string_view kEmptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

std::unexpected<Error> malformed(std::string words) {
  return fail(ErrorCode::kMalformed, "aws-chunked: " + words);
}

}  // namespace

AwsChunkedBody::AwsChunkedBody(BodySource& inner, const Identity& identity, std::uint64_t decoded_bytes,
                               std::string_view promised)
    : inner_(inner), identity_(identity), decoded_bytes_(decoded_bytes), promised_(promised) {
  if (signed_chunks()) {
    FLASHSTOR_CHECK(identity.signature.size() == previous_.size() && identity.signing_key != nullptr);
    std::ranges::copy(identity.signature, previous_.begin());
  }
}

Task<Result<std::size_t>> AwsChunkedBody::read(std::span<std::byte> into) {
  while (state_ != State::kEnd && state_ != State::kData) co_await or_return(step());
  if (state_ == State::kEnd) co_return std::size_t{0};
  const std::size_t got = co_await or_return(read_data(into));
  // The last payload byte is only given once the signatures behind it have matched.
  while (total_ == decoded_bytes_ && state_ != State::kEnd) {
    if (state_ == State::kData) co_return malformed("more bytes than x-amz-decoded-content-length");
    co_await or_return(step());
  }
  co_return got;
}

Task<Result<void>> AwsChunkedBody::step() {
  const std::string_view line = co_await or_return(read_line());
  switch (state_) {
    case State::kChunkLine:
      co_return begin_chunk(line);
    case State::kDataEnd:
      if (!line.empty()) co_return malformed("no line end behind a chunk");
      co_return end_chunk();
    case State::kTrailer:
      if (line.empty() && (!signed_chunks() || !has_trailer() || trailer_signature_)) {
        co_await or_return(end_trailer());
        co_return co_await expect_end();
      }
      co_return take_trailer_line(line);
    case State::kData:
    case State::kEnd:
      break;
  }
  co_return malformed("unexpected state");
}

Result<void> AwsChunkedBody::begin_chunk(std::string_view line) {
  const std::size_t semicolon = std::min(line.find(';'), line.size());
  const std::string_view digits = line.substr(0, semicolon);
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), chunk_left_, 16);
  if (digits.empty() || parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size())
    return malformed("chunk size");
  if (signed_chunks()) {
    static constexpr std::string_view kName = ";chunk-signature=";
    const std::string_view extension = line.substr(semicolon);
    if (!extension.starts_with(kName) || extension.size() != kName.size() + given_.size())
      return malformed("chunk signature");
    std::ranges::copy(extension.substr(kName.size()), given_.begin());
  }
  if (chunk_left_ > decoded_bytes_ - total_) return malformed("more bytes than x-amz-decoded-content-length");
  hash_ = Sha256();
  last_chunk_ = chunk_left_ == 0;
  if (!last_chunk_) {
    state_ = State::kData;
    return {};
  }
  return end_chunk();
}

Result<void> AwsChunkedBody::end_chunk() {
  if (signed_chunks()) {
    if (auto checked = check_signature("AWS4-HMAC-SHA256-PAYLOAD", {given_.data(), given_.size()}, true);
        !checked)
      return checked;
  }
  hash_ = Sha256();
  state_ = last_chunk_ ? State::kTrailer : State::kChunkLine;
  return {};
}

Result<void> AwsChunkedBody::take_trailer_line(std::string_view line) {
  if (line.empty())
    return {};  // some clients end the trailing headers with a blank line before their signature
  const std::size_t colon = line.find(':');
  if (!has_trailer() || colon == std::string_view::npos || colon == 0) return malformed("trailer");
  std::string name(line.substr(0, colon));
  for (char& c : name)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  std::string_view value = line.substr(colon + 1);
  while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.remove_prefix(1);
  while (!value.empty() && (value.back() == ' ' || value.back() == '\t')) value.remove_suffix(1);
  if (name == "x-amz-trailer-signature") {
    if (trailer_signature_) return malformed("repeated trailer signature");
    trailer_signature_ = std::string(value);
    return {};
  }
  if (trailer_text_.size() == kMaxTrailers || trailer_signature_) return malformed("too many trailers");
  hash_.update(name).update(":").update(value).update("\n");
  trailer_text_.emplace_back(std::move(name), std::string(value));
  return {};
}

Result<void> AwsChunkedBody::end_trailer() {
  if (signed_chunks() && has_trailer()) {
    if (auto checked = check_signature("AWS4-HMAC-SHA256-TRAILER", *trailer_signature_, false); !checked)
      return checked;
  }
  bool kept_promise = promised_.empty();
  for (const auto& [name, value] : trailer_text_) {
    trailers_.push_back({name, value});
    kept_promise |= equal_ignoring_case(name, promised_);
  }
  if (!kept_promise) return malformed("the trailing header that x-amz-trailer names is missing");
  return {};
}

Result<void> AwsChunkedBody::check_signature(std::string_view algorithm, std::string_view given,
                                             bool over_data) {
  const auto content = hex_of(hash_.finish());
  const HmacKey& key = identity_.signing_key->hmac;
  Sha256 mac = key.begin();
  mac.update(algorithm)
      .update("\n")
      .update(identity_.amz_date)
      .update("\n")
      .update(identity_.scope)
      .update("\n");
  mac.update(std::string_view(previous_.data(), previous_.size())).update("\n");
  if (over_data) mac.update(kEmptyHash).update("\n");
  mac.update(view_of(content));
  previous_ = hex_of(key.end(mac));
  if (equal_in_constant_time(view_of(previous_), given)) return {};
  signature_failed_ = true;
  return fail(ErrorCode::kSignatureMismatch, over_data
                                                 ? "The signature of a chunk does not match."
                                                 : "The signature of the trailing headers does not match.");
}

Task<Result<std::size_t>> AwsChunkedBody::read_data(std::span<std::byte> into) {
  into = into.first(static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), chunk_left_)));
  std::size_t got = std::min(into.size(), end_ - begin_);
  if (got > 0) {
    std::memcpy(into.data(), window_.data() + begin_, got);
    begin_ += got;
  } else {
    got = co_await or_return(inner_.read(into));
    if (got == 0) co_return fail(ErrorCode::kIncompleteBody, "aws-chunked: the body ended inside a chunk");
  }
  if (signed_chunks()) hash_.update(std::span<const std::byte>(into.first(got)));
  chunk_left_ -= got;
  total_ += got;
  if (chunk_left_ == 0) state_ = State::kDataEnd;
  co_return got;
}

Task<Result<std::string_view>> AwsChunkedBody::read_line() {
  for (std::size_t scanned = begin_;;) {
    const auto* data = reinterpret_cast<const char*>(window_.data());
    const std::string_view held(data + begin_, end_ - begin_);
    const std::size_t lf = held.find('\n', scanned - begin_);
    if (lf != std::string_view::npos) {
      begin_ += lf + 1;
      std::string_view line = held.substr(0, lf);
      if (line.ends_with('\r')) {
        line.remove_suffix(1);
      } else if (state_ != State::kTrailer) {  // the trailer of some clients ends its lines in a bare LF
        co_return malformed("line end");
      }
      co_return line;
    }
    if (begin_ > 0) {
      std::memmove(window_.data(), window_.data() + begin_, held.size());
      begin_ = 0;
      end_ = held.size();
    }
    scanned = end_;
    if (end_ == window_.size()) co_return malformed("a line is too long");
    const std::size_t got = co_await or_return(inner_.read(std::span(window_).subspan(end_)));
    if (got == 0)
      co_return fail(ErrorCode::kIncompleteBody, "aws-chunked: the body ended before its last chunk");
    end_ += got;
  }
}

Task<Result<void>> AwsChunkedBody::expect_end() {
  if (total_ != decoded_bytes_)
    co_return fail(ErrorCode::kIncompleteBody, "aws-chunked: fewer bytes than x-amz-decoded-content-length");
  // Some clients send one line end too many behind the trailer; nothing else may follow.
  for (std::size_t extra = 0;;) {
    const std::string_view held(reinterpret_cast<const char*>(window_.data()) + begin_, end_ - begin_);
    extra += held.size();
    if (extra > kMaxExtraBytes || held.find_first_not_of("\r\n") != std::string_view::npos)
      co_return malformed("bytes behind the last chunk");
    begin_ = 0;
    end_ = co_await or_return(inner_.read(std::span(window_)));
    if (end_ == 0) break;
  }
  state_ = State::kEnd;
  co_return {};
}

}  // namespace flashstor::s3d
