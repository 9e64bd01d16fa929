#include "s3d/auth/payload.h"

#include <charconv>

#include "s3d/auth/aws_chunked.h"

namespace flashstor::s3d {
namespace {

/// Checks the SHA-256 of a whole body; the last byte is only given once it matched.
class HashedBody final : public BodySource {
 public:
  HashedBody(BodySource& inner, const Sha256Digest& expected) : inner_(inner), expected_(expected) {}

  Task<Result<std::size_t>> read(std::span<std::byte> into) override {
    if (done_) co_return std::size_t{0};
    const std::size_t got = co_await or_return(inner_.read(into));
    total_ += got;
    hash_.update(std::span<const std::byte>(into.first(got)));
    if (got != 0 && total_ != inner_.length()) co_return got;
    done_ = true;
    if (hash_.finish() != expected_) {
      failed_ = true;
      co_return fail(ErrorCode::kBadDigest,
                     "The provided 'x-amz-content-sha256' header does not match what was computed.");
    }
    co_return got;
  }
  [[nodiscard]] std::optional<std::uint64_t> length() const override { return inner_.length(); }
  [[nodiscard]] bool failed() const { return failed_; }

 private:
  BodySource& inner_;
  Sha256Digest expected_;
  Sha256 hash_;
  std::uint64_t total_ = 0;
  bool done_ = false;
  bool failed_ = false;
};

Result<std::uint64_t> decoded_length(const Request& request) {
  const std::string_view text = request.header("x-amz-decoded-content-length").value_or("");
  std::uint64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size())
    return fail(ErrorCode::kMalformed, "x-amz-decoded-content-length is missing or is no number");
  return value;
}

}  // namespace

class Payload::Impl {
 public:
  BodySource* source = nullptr;
  std::optional<HashedBody> hashed;
  std::unique_ptr<AwsChunkedBody> chunked;  // large: most bodies are not framed
};

Payload::Payload(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Payload::~Payload() = default;

Result<std::unique_ptr<Payload>> Payload::open(Request& request, const Identity& identity) {
  auto impl = std::make_unique<Impl>();
  BodySource& body = request.body();
  switch (identity.payload) {
    case PayloadKind::kUnsigned:
      impl->source = &body;
      break;
    case PayloadKind::kHash:
      impl->source = &impl->hashed.emplace(body, identity.payload_hash);
      break;
    case PayloadKind::kStreaming:
    case PayloadKind::kStreamingTrailer:
    case PayloadKind::kStreamingUnsignedTrailer: {
      auto length = decoded_length(request);
      if (!length) return std::unexpected(std::move(length).error());
      impl->source = (impl->chunked = std::make_unique<AwsChunkedBody>(
                          body, identity, *length, request.header("x-amz-trailer").value_or("")))
                         .get();
      break;
    }
  }
  return std::unique_ptr<Payload>(new Payload(std::move(impl)));  // NOLINT: the constructor is private
}

Task<Result<std::size_t>> Payload::read(std::span<std::byte> into) { return impl_->source->read(into); }
std::optional<std::uint64_t> Payload::length() const { return impl_->source->length(); }

std::span<const HeaderField> Payload::trailers() const {
  return impl_->chunked ? impl_->chunked->trailers() : std::span<const HeaderField>();
}

std::optional<AuthFailure> Payload::failure() const {
  if (impl_->hashed && impl_->hashed->failed()) return AuthFailure::kPayloadHashMismatch;
  if (impl_->chunked && impl_->chunked->signature_failed()) return AuthFailure::kBadChunkSignature;
  return std::nullopt;
}

bool Payload::in_trailer() const { return impl_->chunked && impl_->chunked->in_trailer(); }
bool Payload::is_chunked() const { return impl_->chunked != nullptr; }

}  // namespace flashstor::s3d
