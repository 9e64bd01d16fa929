#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "engine/async/stream.h"

namespace flashstor::fuzz {

/// A peer that sends fixed bytes in pieces, then ends, and takes everything.
class MemoryConnection final : public async::Connection {
 public:
  MemoryConnection(std::string_view sends, std::size_t piece_bytes, std::string* received)
      : sends_(sends), piece_bytes_(piece_bytes), received_(received) {}
  Task<Result<std::size_t>> read(std::span<std::byte> into) override {
    if (closed_) co_return fail(ErrorCode::kCancelled);
    const std::size_t size = std::min({into.size(), piece_bytes_, sends_.size()});
    if (size > 0) std::memcpy(into.data(), sends_.data(), size);
    sends_.remove_prefix(size);
    co_return size;
  }
  Task<Result<void>> wait_readable() override {
    if (closed_) co_return fail(ErrorCode::kCancelled);
    co_return {};
  }
  Task<Result<void>> write(std::span<const std::span<const std::byte>> slices) override {
    if (closed_) co_return fail(ErrorCode::kCancelled);
    for (const auto& slice : slices)
      received_->append(reinterpret_cast<const char*>(slice.data()), slice.size());
    co_return {};
  }
  [[nodiscard]] std::uint64_t bytes_sent() const override { return received_->size(); }
  Task<Result<void>> shutdown() override { co_return {}; }
  void close() override { closed_ = true; }
  [[nodiscard]] std::string peer() const override { return "192.0.2.1:1"; }

 private:
  std::string_view sends_;
  std::size_t piece_bytes_;
  std::string* received_;
  bool closed_ = false;
};

/// Gives one connection, then nothing more.
class OneConnection final : public async::Listener {
 public:
  explicit OneConnection(std::unique_ptr<async::Connection> only) : only_(std::move(only)) {}
  Task<Result<std::unique_ptr<async::Connection>>> accept() override {
    if (only_ == nullptr) co_return fail(ErrorCode::kCancelled);
    co_return std::move(only_);
  }
  void close() override {}
  [[nodiscard]] std::uint16_t port() const override { return 0; }

 private:
  std::unique_ptr<async::Connection> only_;
};

}  // namespace flashstor::fuzz
