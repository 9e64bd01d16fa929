#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/base/error.h"

namespace flashstor::s3d {

/// Takes chunked framing off a stream of bytes: strictly, since what two servers read differently smuggles
/// requests. Our own, as Beast's stops the process on bytes that a client chooses (docs/decisions/0008).
/// Source: RFC 9112, 7.1.
class ChunkedDecoder {
 public:
  struct Step {
    std::size_t consumed = 0;
    std::string_view payload;  ///< Into the bytes given; empty when more are needed or at the end.
  };
  /// Goes on to the next payload bytes, at most `max_payload` (not 0). What was not consumed is given again,
  /// in front of more; at most kMaxChunkLineBytes are left so. Extensions and trailer fields are checked and
  /// dropped. Errors: kMalformed, and from then on always: nobody knows where the next request would begin.
  Result<Step> next(std::string_view bytes, std::size_t max_payload);
  [[nodiscard]] bool done() const { return state_ == State::kDone; }

 private:
  enum class State : std::uint8_t { kSizeLine, kPayload, kPayloadEnd, kTrailer, kDone, kBroken };

  Result<Step> advance(std::string_view bytes, std::size_t max_payload);
  Result<void> take_line(std::string_view line);

  State state_ = State::kSizeLine;
  std::uint64_t left_ = 0;  // payload bytes of this chunk
  std::size_t trailer_bytes_ = 0;
};

}  // namespace flashstor::s3d
