// Any bytes as a whole connection: it must end, and how they are split must not change what was served.
#include <cstddef>
#include <cstdint>
#include <string>

#include "engine/async/uv_runtime.h"
#include "s3d/http/server.h"
#include "tests/fuzz/memory_connection.h"

using namespace flashstor;
using namespace flashstor::s3d;

namespace {

class Recorder final : public HttpHandler {
 public:
  Task<void> handle(Request& request, ResponseWriter& response) override {
    seen.append(request.method()).append(" ").append(request.target()).append("\n");
    if (request.find_query("unread") == nullptr) {
      const auto body = co_await read_all(request.body(), limits::kMiB);
      seen.append(body ? body->view() : std::string_view("broken")).append("\n");
    }
    response.add_header("x-echo", request.path());
    if (request.find_query("stream") != nullptr) {
      response.start(std::nullopt);
      (void)co_await response.write("piece");
      (void)co_await response.finish();
    } else {
      (void)co_await response.send("whole");
    }
  }
  void on_refused(Refusal, std::string_view) override {}
  std::string seen;
};

std::string serve(async::UvRuntime& runtime, std::string_view bytes, std::size_t piece_bytes) {
  Recorder recorder;
  std::string received;
  auto listener = std::make_unique<fuzz::OneConnection>(
      std::make_unique<fuzz::MemoryConnection>(bytes, piece_bytes, &received));
  HttpServer server(runtime, std::move(listener), {}, recorder);
  runtime.run_until([](HttpServer* on) -> Task<void> {
    on->start();
    co_await on->stop(Milliseconds(1000));
  }(&server));
  FLASHSTOR_CHECK(server.counters().open_connections == 0);
  return recorder.seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static async::UvRuntime* const runtime = std::make_unique<async::UvRuntime>().release();
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::string at_once = serve(*runtime, bytes, SIZE_MAX);
  FLASHSTOR_CHECK(serve(*runtime, bytes, 7) == at_once);
  return 0;
}
