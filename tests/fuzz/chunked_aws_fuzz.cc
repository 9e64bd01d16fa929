// Any bytes as an aws-chunked body: it means the same however it is split; signed ones never pass without the
// key.
#include <cstddef>
#include <cstdint>
#include <string>

#include "engine/async/uv_runtime.h"
#include "engine/base/limits.h"
#include "s3d/auth/aws_chunked.h"
#include "s3d/auth/signing_key.h"

using namespace flashstor;
using namespace flashstor::s3d;

namespace {

struct Outcome {
  bool passed = false;
  std::string payload;
  std::size_t trailers = 0;
};

Task<Outcome> decode(const Identity* identity, std::string_view bytes, std::uint64_t length,
                     std::size_t piece) {
  MemoryBody inner(Buffer::copy_of(bytes), piece);
  AwsChunkedBody body(inner, *identity, length);
  const auto all = co_await read_all(body, limits::kMiB);
  Outcome out;
  out.passed = all.has_value();
  if (all) out.payload = std::string(all->view());
  out.trailers = body.trailers().size();
  co_return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static async::UvRuntime* const runtime = std::make_unique<async::UvRuntime>().release();
  if (size < 2) return 0;
  static const std::string seed(64, '0');
  Identity identity;
  identity.payload = static_cast<PayloadKind>(2 + data[0] % 3);
  identity.signing_key = derive_signing_key("nobody guesses this", "20130524", "us-east-1", "s3");
  identity.signature = seed;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  const Outcome whole = runtime->run_until(decode(&identity, bytes, data[1], SIZE_MAX));
  const Outcome pieces = runtime->run_until(decode(&identity, bytes, data[1], 1));
  FLASHSTOR_CHECK(whole.passed == pieces.passed && whole.payload == pieces.payload &&
                  whole.trailers == pieces.trailers);
  FLASHSTOR_CHECK(!whole.passed || whole.payload.size() == data[1]);
  FLASHSTOR_CHECK(!whole.passed || identity.payload == PayloadKind::kStreamingUnsignedTrailer);
  return 0;
}
