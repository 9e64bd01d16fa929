#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "s3d/auth/signature.h"
#include "s3d/http/body.h"

namespace flashstor::s3d {

/// Takes aws-chunked framing off a body and checks the signature of each chunk and of the trailer as it goes.
/// Source: AWS, "Transferring payload in multiple chunks", "… with trailing headers".
class AwsChunkedBody final : public BodySource {
 public:
  /// `identity` gives kind, key, date, scope and the seed signature; it and `inner` outlive this. `promised`
  /// is the trailing header that x-amz-trailer names: without it the trailer is malformed.
  AwsChunkedBody(BodySource& inner, const Identity& identity, std::uint64_t decoded_bytes,
                 std::string_view promised = {});

  Task<Result<std::size_t>> read(std::span<std::byte> into) override;
  [[nodiscard]] std::optional<std::uint64_t> length() const override { return decoded_bytes_; }
  /// Names in lower case, without the trailer's signature.
  [[nodiscard]] std::span<const HeaderField> trailers() const { return trailers_; }
  [[nodiscard]] bool signature_failed() const { return signature_failed_; }
  /// Where a kMalformed came from: the trailing headers, or the chunks before them.
  [[nodiscard]] bool in_trailer() const { return state_ == State::kTrailer; }

 private:
  enum class State { kChunkLine, kData, kDataEnd, kTrailer, kEnd };

  [[nodiscard]] bool signed_chunks() const {
    return identity_.payload != PayloadKind::kStreamingUnsignedTrailer;
  }
  [[nodiscard]] bool has_trailer() const { return identity_.payload != PayloadKind::kStreaming; }
  /// One step that yields no payload.
  Task<Result<void>> step();
  Task<Result<std::size_t>> read_data(std::span<std::byte> into);
  Result<void> begin_chunk(std::string_view line);
  Result<void> end_chunk();
  Result<void> take_trailer_line(std::string_view line);
  Result<void> end_trailer();
  /// The next line without its line end; valid until the next call.
  Task<Result<std::string_view>> read_line();
  Task<Result<void>> expect_end();
  Result<void> check_signature(std::string_view algorithm, std::string_view given, bool over_data);

  BodySource& inner_;
  const Identity& identity_;
  std::uint64_t decoded_bytes_;
  std::string promised_;
  std::uint64_t total_ = 0;
  State state_ = State::kChunkLine;
  std::uint64_t chunk_left_ = 0;
  bool last_chunk_ = false;
  bool signature_failed_ = false;
  Sha256 hash_;                      // of the chunk or the trailer under way
  std::array<char, 64> previous_{};  // the signature before
  std::array<char, 64> given_{};     // what the chunk line said
  std::optional<std::string> trailer_signature_;
  std::vector<std::pair<std::string, std::string>> trailer_text_;
  std::vector<HeaderField> trailers_;
  std::array<std::byte, 8192> window_;  // bytes read ahead for lines
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace flashstor::s3d
