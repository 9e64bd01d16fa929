// Any header block to the verifier: nobody who does not know the secret gets in.
#include <cstddef>
#include <cstdint>
#include <string>

#include "engine/async/uv_runtime.h"
#include "s3d/auth/canonical.h"
#include "s3d/auth/payload.h"
#include "s3d/auth/signature.h"
#include "s3d/http/parser.h"

using namespace flashstor;
using namespace flashstor::s3d;

namespace {

class OneKey final : public CredentialSource {
 public:
  Task<Result<const Credential*>> find(std::string_view access_key) override {
    if (access_key != credential_.access_key) co_return fail(ErrorCode::kInvalidAccessKey);
    co_return &credential_;
  }

 private:
  Credential credential_{"AKIAIOSFODNN7EXAMPLE", "nobody guesses this", ""};
};

Task<void> judge(SignatureVerifier* verifier, Request* request) {
  const auto verdict = co_await verifier->verify(*request, *parse_amz_date("20130524T000000Z"));
  if (!verdict) {
    (void)s3_answer_of(verdict.error().cause, verdict.error().presigned);
    FLASHSTOR_CHECK(!name_of(verdict.error().cause).empty());
    co_return;
  }
  FLASHSTOR_CHECK(verdict->anonymous);
  auto payload = Payload::open(*request, *verdict);
  if (payload) (void)co_await read_all(**payload, limits::kMiB);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static async::UvRuntime* const runtime = std::make_unique<async::UvRuntime>().release();
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  HeaderScan scan;
  const auto end = scan.find_end(bytes);
  if (!end || *end == 0) return 0;
  ArenaPool pool(64, 4);
  Arena arena(pool);
  auto parts = parse_request(bytes.substr(0, *end), arena);
  if (!parts) return 0;
  MemoryBody body(Buffer::copy_of(bytes.substr(*end)), 11);
  parts->body = &body;
  Request request(*parts);
  OneKey key;
  SignatureVerifier verifier(key, {.region = "us-east-1"});
  runtime->run_until(judge(&verifier, &request));
  return 0;
}
