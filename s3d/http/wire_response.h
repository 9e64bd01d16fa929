#pragma once

#include <array>
#include <memory_resource>
#include <string>

#include "s3d/http/response.h"
#include "s3d/http/wire.h"
#include "s3d/http/wire_body.h"

namespace flashstor::s3d {

/// The answer to the request under way, on its connection.
class WireResponse final : public ResponseWriter {
 public:
  WireResponse(Wire& wire, const Request::Parts& parts, WireBody& body, Arena& arena);

  void set_status(int status) override;
  void add_header(std::string_view name, std::string_view value) override;
  Task<Result<void>> send(std::string_view body) override;
  Task<Result<void>> send(const BufferChain& body) override;
  Task<Result<void>> send_head(std::uint64_t content_length) override;
  void start(std::optional<std::uint64_t> content_length) override;
  Task<Result<void>> write(const Buffer& slice) override;
  Task<Result<void>> write(const BufferChain& slices) override;
  Task<Result<void>> write(std::string_view bytes) override;
  Task<Result<void>> finish() override;
  void abort() override;
  void close_after() override { close_ = true; }
  [[nodiscard]] bool started() const override { return begun_; }
  [[nodiscard]] int status() const override { return status_; }
  [[nodiscard]] std::uint64_t body_bytes_sent() const override { return sent_; }

  /// After the handler: 500 when it gave no answer, a break when it left one unfinished.
  Task<void> conclude();
  [[nodiscard]] bool closes() const { return close_ || wire_.broken(); }

 private:
  /// Sends the head if it did not go yet, then slices and text in one writev or several; the end of the body
  /// when `last`.
  Task<Result<void>> push(std::span<const Buffer> slices, std::string_view text, bool last);
  void render_head();
  [[nodiscard]] bool without_body() const {
    return head_only_ || status_ < 200 || status_ == 204 || status_ == 304;
  }

  Wire& wire_;
  WireBody& body_;
  const bool head_only_;
  const bool old_version_;
  const bool keep_alive_;
  int status_ = 200;
  bool begun_ = false;
  bool head_sent_ = false;
  bool finished_ = false;
  bool chunked_ = false;
  bool close_ = false;
  std::optional<std::uint64_t> length_;
  std::uint64_t announced_left_ = 0;
  std::uint64_t sent_ = 0;
  std::pmr::string first_lines_;
  std::pmr::string headers_;
};

}  // namespace flashstor::s3d
