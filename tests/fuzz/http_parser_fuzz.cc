// Any bytes as a header block: what parses must be whole, in bounds and mean one thing.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/base/check.h"
#include "s3d/http/parser.h"

using namespace flashstor;
using namespace flashstor::s3d;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  HeaderScan scan;
  std::size_t end = 0;
  // Piece by piece it must find what it finds at once.
  for (std::size_t seen = 0; seen <= size && end == 0; seen += 1 + seen / 3) {
    const auto found = scan.find_end(bytes.substr(0, seen));
    if (!found) return 0;
    end = *found;
  }
  HeaderScan whole;
  const auto at_once = whole.find_end(bytes);
  if (!at_once || *at_once == 0) return 0;
  FLASHSTOR_CHECK(end == 0 || end == *at_once);
  ArenaPool pool(64, 4);
  Arena arena(pool);
  const auto parts = parse_request(bytes.substr(0, *at_once), arena);
  if (!parts) return 0;
  const Request request(*parts);
  FLASHSTOR_CHECK(!request.method().empty() && !request.path().empty());
  FLASHSTOR_CHECK(request.path().front() == '/' || request.path() == "*");
  FLASHSTOR_CHECK(request.count("content-length") <= 1 && request.count("host") <= 1);
  FLASHSTOR_CHECK(!(request.chunked() && request.content_length()));
  FLASHSTOR_CHECK(request.path().size() <= request.raw_path().size());
  std::size_t sum = request.peer_address().size();
  for (const HeaderField& field : request.headers()) {
    FLASHSTOR_CHECK(!field.name.empty() && field.value.find_first_of("\r\n") == std::string_view::npos);
    FLASHSTOR_CHECK(request.header(field.name).has_value());
    sum += field.value.size();
  }
  for (const QueryParam& param : request.query()) {
    FLASHSTOR_CHECK(request.find_query(param.name) != nullptr);
    sum += param.value.size();
  }
  FLASHSTOR_CHECK(sum <= 4 * size);
  return 0;
}
