#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "engine/base/arena.h"
#include "engine/base/time.h"
#include "s3d/http/body.h"

namespace flashstor::s3d {

/// One header line: the name as it was sent, the value without white space around it.
struct HeaderField {
  std::string_view name;
  std::string_view value;
};

/// One `name[=value]` of the query, percent-decoded ('+' is a space), in the order of the request.
struct QueryParam {
  std::string_view name;
  std::string_view value;
  bool has_value = false;  ///< `?acl` has none, `?acl=` has an empty one.
};

/// True when both are the same but for ASCII case.
[[nodiscard]] inline bool equal_ignoring_case(std::string_view left, std::string_view right) {
  if (left.size() != right.size()) return false;
  for (std::size_t i = 0; i < left.size(); ++i) {
    if (left[i] == right[i]) continue;
    const auto letter = static_cast<unsigned char>(left[i] | 0x20);
    if (letter != static_cast<unsigned char>(right[i] | 0x20) || letter < 'a' || letter > 'z') return false;
  }
  return true;
}

/// A parsed HTTP/1.x request. Every view points into the arena of the connection and is good until the
/// request was answered (until `HttpHandler::handle` ends): what must live longer is copied.
class Request {
 public:
  /// What the parser found; `parse_request` fills it, the connection adds the rest.
  struct Parts {
    std::string_view method;
    std::string_view target;
    std::string_view raw_path;
    std::string_view path;
    std::string_view raw_query;
    std::string_view host;
    std::span<const QueryParam> query;
    std::span<const HeaderField> headers;
    std::optional<std::uint64_t> content_length;
    bool chunked = false;
    bool keep_alive = false;
    bool expects_continue = false;
    bool minor_version_zero = false;  ///< HTTP/1.0.
    // From the connection.
    std::string_view peer;
    bool tls = false;
    MonotonicTime received_at{};
    BodySource* body = nullptr;
    Arena* arena = nullptr;
  };
  explicit Request(const Parts& parts) : parts_(parts) {}

  [[nodiscard]] std::string_view method() const { return parts_.method; }
  [[nodiscard]] bool is_head() const { return parts_.method == "HEAD"; }
  /// The request target as it was sent.
  [[nodiscard]] std::string_view target() const { return parts_.target; }
  /// The path as it was sent, percent-encoded; begins with '/' (or is "*").
  [[nodiscard]] std::string_view raw_path() const { return parts_.raw_path; }
  /// The path percent-decoded once and not otherwise changed: "//", "/./" and '+' stay; any byte may be in
  /// it.
  [[nodiscard]] std::string_view path() const { return parts_.path; }
  /// What follows '?', as it was sent.
  [[nodiscard]] std::string_view raw_query() const { return parts_.raw_query; }
  [[nodiscard]] std::span<const QueryParam> query() const { return parts_.query; }
  /// The first parameter of that name (case matters), or nullptr.
  [[nodiscard]] const QueryParam* find_query(std::string_view name) const;
  /// All headers in order, duplicates too.
  [[nodiscard]] std::span<const HeaderField> headers() const { return parts_.headers; }
  /// The first value under `name`, ASCII case ignored.
  [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const;
  /// How many headers have that name.
  [[nodiscard]] std::size_t count(std::string_view name) const;
  /// The Host header, with its port if there is one; empty for HTTP/1.0 without.
  [[nodiscard]] std::string_view host() const { return parts_.host; }
  /// The Content-Length header; never beside `chunked()`.
  [[nodiscard]] std::optional<std::uint64_t> content_length() const { return parts_.content_length; }
  [[nodiscard]] bool chunked() const { return parts_.chunked; }
  [[nodiscard]] bool has_body() const { return parts_.chunked || parts_.content_length.value_or(0) > 0; }
  /// Address and port of the other side: "192.0.2.1:40312", "[2001:db8::1]:40312", or empty for a Unix
  /// socket.
  [[nodiscard]] std::string_view peer() const { return parts_.peer; }
  /// The address alone, without port and brackets.
  [[nodiscard]] std::string_view peer_address() const;
  [[nodiscard]] bool tls() const { return parts_.tls; }
  /// When the header was complete.
  [[nodiscard]] MonotonicTime received_at() const { return parts_.received_at; }
  /// The payload as it comes off the wire, transfer coding removed.
  [[nodiscard]] BodySource& body() { return *parts_.body; }
  /// For what the request allocates for itself; gone when it was answered.
  [[nodiscard]] Arena& arena() const { return *parts_.arena; }
  [[nodiscard]] const Parts& parts() const { return parts_; }

 private:
  Parts parts_;
};

}  // namespace flashstor::s3d
