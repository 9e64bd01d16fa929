// Any bytes as a chunked body: it means the same however it is split, and never more than came.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "engine/base/check.h"
#include "s3d/http/chunked_decoder.h"

using namespace flashstor;
using namespace flashstor::s3d;

namespace {

struct Outcome {
  std::string payload;
  bool done = false;
  bool broken = false;
  std::size_t consumed = 0;
};

Outcome decode(std::string_view bytes, std::size_t piece, std::size_t max_payload) {
  Outcome out;
  ChunkedDecoder decoder;
  std::string held;
  while (!out.broken && !decoder.done()) {
    const auto step = decoder.next(held, max_payload);
    if (!step) {
      out.broken = true;
      break;
    }
    FLASHSTOR_CHECK(step->consumed <= held.size() && step->payload.size() <= max_payload);
    out.payload.append(step->payload);
    out.consumed += step->consumed;
    const bool progress = !step->payload.empty();
    held.erase(0, step->consumed);
    if (progress || decoder.done()) continue;
    if (bytes.empty()) break;
    const std::size_t size = std::min(piece, bytes.size());
    held.append(bytes.substr(0, size));
    bytes.remove_prefix(size);
  }
  out.done = decoder.done();
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const Outcome whole = decode(bytes, SIZE_MAX, SIZE_MAX);
  const Outcome pieces = decode(bytes, 3, 5);
  FLASHSTOR_CHECK(whole.done == pieces.done);
  FLASHSTOR_CHECK(!whole.done || (whole.payload == pieces.payload && whole.consumed == pieces.consumed));
  FLASHSTOR_CHECK(whole.payload.size() <= size);
  return 0;
}
