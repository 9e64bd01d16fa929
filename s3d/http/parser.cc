#include "s3d/http/parser.h"

#include <boost/beast/http/basic_parser.hpp>
#include <memory_resource>
#include <vector>

#include "s3d/http/limits.h"
#include "s3d/http/percent.h"

namespace flashstor::s3d {
namespace {

namespace http = boost::beast::http;
using boost::beast::error_code;
using BeastView = boost::beast::string_view;
using BodyLength = boost::optional<std::uint64_t>;

std::string_view view_of(BeastView text) { return {text.data(), text.size()}; }

ParseFailure malformed(std::string_view why) { return {Refusal::kMalformed, 400, why}; }
ParseFailure smuggling(std::string_view why) { return {Refusal::kSmuggling, 400, why}; }

// The fields of one header block. Beast checks the grammar; what it lets pass and a proxy might read
// differently (repeated lengths, folded lines, coding lists) is refused here.
class BlockParser final : public http::basic_parser<true> {
 public:
  BlockParser(std::string_view block, Arena& arena) : block_(block), fields_(&arena) {
    fields_.reserve(32);
    header_limit(static_cast<std::uint32_t>(limits::kMaxHeaderBytes + 1));
    body_limit(boost::none);
  }
  Request::Parts parts;
  std::optional<ParseFailure> failure;
  [[nodiscard]] std::span<const HeaderField> fields() const { return fields_; }

 private:
  void refuse(ParseFailure why, error_code& ec) {
    failure = why;
    ec = http::error::bad_field;
  }
  void on_request_impl(http::verb, BeastView method, BeastView target, int version, error_code&) override {
    parts.method = view_of(method);
    parts.target = view_of(target);
    parts.minor_version_zero = version == 10;
  }
  void on_field_impl(http::field field, BeastView name, BeastView value, error_code& ec) override {
    if (fields_.size() == http_limits::kMaxHeaderFields)
      return refuse({Refusal::kHeaderTooLarge, 400, "too many header fields"}, ec);
    const std::string_view text = view_of(value);
    const bool in_place =
        text.empty() || (text.data() >= block_.data() && text.data() < block_.data() + block_.size());
    if (!in_place) return refuse(smuggling("folded header line"), ec);
    fields_.push_back({view_of(name), text});
    if (field == http::field::content_length) {
      if (seen_length_ || text.find(',') != std::string_view::npos)
        return refuse(smuggling("repeated Content-Length"), ec);
      seen_length_ = true;
    } else if (field == http::field::transfer_encoding) {
      if (!equal_ignoring_case(text, "chunked"))
        return refuse(smuggling("Transfer-Encoding other than chunked"), ec);
      parts.chunked = true;
    } else if (field == http::field::host) {
      if (seen_host_) return refuse(smuggling("repeated Host"), ec);
      seen_host_ = true;
      parts.host = text;
    } else if (field == http::field::expect) {
      parts.expects_continue = equal_ignoring_case(text, "100-continue");
    }
  }
  void on_header_impl(error_code& ec) override {
    if (!seen_host_ && !parts.minor_version_zero) return refuse(malformed("no Host"), ec);
    if (parts.minor_version_zero && parts.chunked) return refuse(smuggling("chunked in HTTP/1.0"), ec);
    parts.keep_alive = keep_alive();
    if (parts.minor_version_zero) parts.expects_continue = false;
    if (seen_length_) parts.content_length = *content_length();
  }
  // The body is not parsed here.
  void on_response_impl(int, BeastView, int, error_code&) override {}
  void on_body_init_impl(const BodyLength&, error_code&) override {}
  std::size_t on_body_impl(BeastView, error_code&) override { return 0; }
  void on_chunk_header_impl(std::uint64_t, BeastView, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, BeastView, error_code&) override { return 0; }
  void on_finish_impl(error_code&) override {}

  std::string_view block_;
  std::pmr::vector<HeaderField> fields_;
  bool seen_length_ = false;
  bool seen_host_ = false;
};

ParseFailure failure_of(const error_code& ec) {
  if (ec == http::error::bad_version) return {Refusal::kMalformed, 505, "HTTP version"};
  if (ec == http::error::bad_method) return malformed("method");
  if (ec == http::error::bad_target) return malformed("request target");
  if (ec == http::error::multiple_content_length) return smuggling("repeated Content-Length");
  if (ec == http::error::bad_content_length) return malformed("Content-Length");
  if (ec == http::error::bad_transfer_encoding) return smuggling("Content-Length and Transfer-Encoding");
  if (ec == http::error::header_limit) return {Refusal::kHeaderTooLarge, 400, "header block"};
  if (ec == http::error::bad_obs_fold) return smuggling("folded header line");
  if (ec == http::error::bad_line_ending) return smuggling("line ending");
  return malformed("header field");
}

std::optional<ParseFailure> split_query(Request::Parts& parts, Arena& arena) {
  if (parts.raw_query.empty()) return std::nullopt;
  std::pmr::vector<QueryParam> params(&arena);
  std::string_view rest = parts.raw_query;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('&'), rest.size());
    const std::string_view item = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (item.empty()) continue;
    if (params.size() == http_limits::kMaxQueryParams) return malformed("too many query parameters");
    const std::size_t equals = item.find('=');
    const auto name = percent_decode(item.substr(0, equals), true, arena);
    const auto value = equals == std::string_view::npos
                           ? std::optional<std::string_view>("")
                           : percent_decode(item.substr(equals + 1), true, arena);
    if (!name || !value) return malformed("percent-encoding of the query");
    params.push_back({*name, *value, equals != std::string_view::npos});
  }
  // The vector's memory stays with the arena until the request is over.
  const auto kept =
      std::span(static_cast<QueryParam*>(arena.keep(params.size() * sizeof(QueryParam), alignof(QueryParam))),
                params.size());
  std::uninitialized_copy(params.begin(), params.end(), kept.begin());
  parts.query = kept;
  return std::nullopt;
}

std::optional<ParseFailure> split_target(Request::Parts& parts, Arena& arena) {
  std::string_view target = parts.target;
  if (target.size() > http_limits::kMaxTargetBytes)
    return ParseFailure{Refusal::kHeaderTooLarge, 400, "request target"};
  if (target == "*" && parts.method == "OPTIONS") {
    parts.path = parts.raw_path = target;
    return std::nullopt;
  }
  for (const std::string_view scheme : {std::string_view("http://"), std::string_view("https://")}) {
    if (!target.starts_with(scheme)) continue;
    target.remove_prefix(scheme.size());
    const std::size_t slash = std::min(target.find_first_of("/?"), target.size());
    if (!equal_ignoring_case(target.substr(0, slash), parts.host)) return smuggling("target and Host differ");
    target.remove_prefix(slash);
    if (target.empty()) target = "/";
    break;
  }
  if (target.front() != '/') return malformed("request target");
  const std::size_t question = target.find('?');
  parts.raw_path = target.substr(0, question);
  if (question != std::string_view::npos) parts.raw_query = target.substr(question + 1);
  const auto path = percent_decode(parts.raw_path, false, arena);
  if (!path) return malformed("percent-encoding of the path");
  parts.path = *path;
  return split_query(parts, arena);
}

}  // namespace

std::expected<std::size_t, ParseFailure> HeaderScan::find_end(std::string_view bytes) {
  for (;;) {
    const std::size_t lf = bytes.find('\n', scanned_);
    if (lf == std::string_view::npos) {
      scanned_ = bytes.size();
      return std::size_t{0};
    }
    if (lf == 0 || bytes[lf - 1] != '\r') return std::unexpected(smuggling("line ends in a bare LF"));
    scanned_ = lf + 1;
    if (lf - line_start_ == 1) return lf + 1;
    line_start_ = lf + 1;
  }
}

std::expected<Request::Parts, ParseFailure> parse_request(std::string_view block, Arena& arena) {
  BlockParser parser(block, arena);
  error_code ec;
  parser.put(boost::asio::const_buffer(block.data(), block.size()), ec);
  if (parser.failure) return std::unexpected(*parser.failure);
  // Beast takes a length behind "chunked" for a bad one.
  if (ec == http::error::bad_content_length && parser.parts.chunked)
    return std::unexpected(smuggling("Content-Length and Transfer-Encoding"));
  if (ec) return std::unexpected(failure_of(ec));
  if (!parser.is_header_done()) return std::unexpected(malformed("header block"));
  Request::Parts parts = parser.parts;
  const auto found = parser.fields();
  const auto kept = std::span(
      static_cast<HeaderField*>(arena.keep(found.size_bytes() + 1, alignof(HeaderField))), found.size());
  std::uninitialized_copy(found.begin(), found.end(), kept.begin());
  parts.headers = kept;
  parts.arena = &arena;
  if (auto failure = split_target(parts, arena)) return std::unexpected(*failure);
  return parts;
}

}  // namespace flashstor::s3d
