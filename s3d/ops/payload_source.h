#pragma once

#include <algorithm>

#include "engine/objects/body_source.h"
#include "s3d/http/body.h"
#include "s3d/ops/limits.h"

namespace flashstor::s3d {

/// The payload of a request as the engine pulls it, in blocks of at most kPutBlockBytes.
class PayloadSource final : public objects::BodySource {
 public:
  explicit PayloadSource(s3d::BodySource& payload) : payload_(payload) {}
  Task<Result<std::optional<Buffer>>> next() override {
    const std::uint64_t whole = payload_.length().value_or(UINT64_MAX);
    const std::uint64_t left = whole - std::min(whole, taken_);
    // The end is asked for too: checks that cover the whole payload fail there.
    const std::size_t want =
        std::clamp<std::uint64_t>(left, ops_limits::kMinBlockBytes, ops_limits::kPutBlockBytes);
    Buffer block = co_await or_return(read_block(payload_, want));
    if (block.empty()) co_return std::optional<Buffer>();
    taken_ += block.size();
    co_return std::optional<Buffer>(std::move(block));
  }
  [[nodiscard]] std::optional<std::uint64_t> length() const override { return payload_.length(); }

 private:
  s3d::BodySource& payload_;
  std::uint64_t taken_ = 0;
};

}  // namespace flashstor::s3d
