#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "s3d/auth/signature.h"
#include "s3d/http/body.h"

namespace flashstor::s3d {

/// The payload of an authenticated request as S3 means it: aws-chunked framing removed, chunk and trailer
/// signatures or the signed SHA-256 checked on the way. `read` gives 0 only after every check has passed.
/// Errors: those of the body, and kSignatureMismatch (chunk or trailer), kBadDigest (SHA-256), kMalformed
/// (framing), kIncompleteBody (length other than x-amz-decoded-content-length); `failure` names the cause
/// where it is one of identity.
class Payload final : public BodySource {
 public:
  /// `request` and `identity` outlive it. Errors: kMalformed for a decoded length that is missing or does not
  /// parse.
  static Result<std::unique_ptr<Payload>> open(Request& request, const Identity& identity);
  ~Payload() override;

  Task<Result<std::size_t>> read(std::span<std::byte> into) override;
  [[nodiscard]] std::optional<std::uint64_t> length() const override;
  /// Trailing headers (`x-amz-checksum-…`, lower case), once `read` has given 0. Good as long as this object.
  [[nodiscard]] std::span<const HeaderField> trailers() const;
  [[nodiscard]] std::optional<AuthFailure> failure() const;
  /// aws-chunked, and its trailing headers are reached: what is malformed from here on is the trailer.
  [[nodiscard]] bool in_trailer() const;
  /// The body came in aws-chunked framing.
  [[nodiscard]] bool is_chunked() const;

  class Impl;

 private:
  explicit Payload(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace flashstor::s3d
