#pragma once

#include <cstddef>
#include <expected>
#include <memory>
#include <string_view>

#include "engine/base/arena.h"
#include "s3d/http/request.h"
#include "s3d/http/server.h"

namespace flashstor::s3d {

/// Why bytes are not a request that is served, and what to answer.
struct ParseFailure {
  Refusal refusal = Refusal::kMalformed;
  int status = 400;
  std::string_view why;  ///< A literal.
};

/// Looks for the blank line that ends a header block in bytes that arrive piece by piece.
class HeaderScan {
 public:
  /// `bytes` is the block from its beginning; gives its size with the blank line once it is there, 0 before.
  /// Errors: kSmuggling for a line that ends in a bare LF.
  std::expected<std::size_t, ParseFailure> find_end(std::string_view bytes);

 private:
  std::size_t scanned_ = 0;
  std::size_t line_start_ = 0;
};

/// Parses one whole header block (through its blank line). Views point into `block` and, for what had to be
/// decoded, into `arena`. Errors: see Refusal; nothing is accepted that two servers could read in two ways.
/// Source: RFC 9112; Boost.Beast's basic_parser does the grammar.
std::expected<Request::Parts, ParseFailure> parse_request(std::string_view block, Arena& arena);

}  // namespace flashstor::s3d
