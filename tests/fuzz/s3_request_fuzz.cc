// Any request of the owner: header block, then its body. Every operation's parameters, headers and documents
// (listings, DeleteObjects, Complete, tagging, versioning, ACL, policy) are read here, and each is answered
// once. "UPLOAD" in the target stands for the id of an upload that is there.
#include <cstddef>
#include <cstdint>
#include <string>

#include "s3d/http/parser.h"
#include "s3d/ops/dispatch.h"
#include "s3d/ops/s3_handler.h"
#include "tests/fuzz/memory_door.h"

using namespace flashstor;
using namespace flashstor::s3d;

namespace {

Task<Result<void>> run(fuzz::MemoryDoor* door, Call* call) {
  const Route found = route(call->request(), call->target());
  if (found.refusal) co_return call->refuse(found.refusal->code, found.refusal->message);
  call->operation = found.operation;
  co_await or_return(refuse_unsupported_headers(*call));
  if (found.operation->resource == ResourceKind::kObject)
    co_await or_return(objects::check_object_key(call->target().key));
  if (found.operation->resource != ResourceKind::kService && found.operation->name != "CreateBucket")
    call->bucket = co_await or_return(door->store().head_bucket(call->bucket_name()));
  co_return co_await found.operation->handler(*call);
}

Task<void> serve(fuzz::MemoryDoor* door, Request* request) {
  KeptResponse response;
  Call call(door->services(), *request, response, resolve_target(*request, door->services().facts.domains));
  call.who = door->root();
  const auto outcome = co_await run(door, &call);
  if (outcome) {
    FLASHSTOR_CHECK(response.status() >= 200 && response.status() < 500);
    co_return;
  }
  const S3Error error = call.s3_error(outcome.error());
  FLASHSTOR_CHECK(shape_of(error.code).status >= 300);
  // What a client sends is his mistake, never ours: nothing in memory fails by itself.
  FLASHSTOR_CHECK(error.code != S3Code::kInternalError);
  (void)error_document(error, {.resource = request->path(),
                               .bucket = call.target().bucket,
                               .key = call.target().key,
                               .request_id = "1",
                               .host_id = "2"});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static async::UvRuntime* const runtime = std::make_unique<async::UvRuntime>().release();
  fuzz::MemoryDoor door(*runtime);
  std::string bytes(reinterpret_cast<const char*>(data), size);
  if (const auto at = bytes.find("UPLOAD"); at != std::string::npos) bytes.replace(at, 6, door.upload());
  HeaderScan scan;
  const auto end = scan.find_end(bytes);
  if (!end || *end == 0) return 0;
  ArenaPool pool(64, 4);
  Arena arena(pool);
  auto parts = parse_request(std::string_view(bytes).substr(0, *end), arena);
  if (!parts) return 0;
  MemoryBody body(Buffer::copy_of(std::string_view(bytes).substr(*end)), 13);
  parts->body = &body;
  parts->content_length = size - std::min(size, *end);
  Request request(*parts);
  runtime->run_until(serve(&door, &request));
  return 0;
}
