// Any call of the admin API by root: "METHOD path", a line end, the body.
#include <cstddef>
#include <cstdint>
#include <string>

#include "engine/base/json.h"
#include "tests/fuzz/memory_door.h"

using namespace flashstor;
using namespace flashstor::s3d;

namespace {

Task<void> serve(fuzz::MemoryDoor* door, Call* call) {
  const auto sent = co_await door->admin().handle(*call);
  FLASHSTOR_CHECK(sent.has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static async::UvRuntime* const runtime = std::make_unique<async::UvRuntime>().release();
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::size_t line = std::min(bytes.find('\n'), size);
  const std::string_view head = bytes.substr(0, line);
  const std::size_t space = head.find(' ');
  // A trace is a stream that ends with its listener: not for one answer.
  if (space == std::string_view::npos || head.contains("trace")) return 0;
  fuzz::MemoryDoor door(*runtime);
  const std::string method(head.substr(0, space));
  const std::string path = "/flashstor/admin/v1/" + std::string(head.substr(space + 1));
  const std::string_view text = bytes.substr(std::min(line + 1, size));
  MemoryBody body(Buffer::copy_of(text));
  Request::Parts parts;
  parts.method = method;
  parts.target = parts.raw_path = parts.path = path;
  parts.content_length = text.size();
  parts.body = &body;
  Request request(parts);
  KeptResponse response;
  Call call(door.services(), request, response, {});
  call.who = door.root();
  runtime->run_until(serve(&door, &call));
  FLASHSTOR_CHECK(response.started() && response.status() >= 200 && response.status() != 500);
  if (!response.body.empty()) FLASHSTOR_CHECK(Json::parse(response.body, {.bytes = SIZE_MAX}).has_value());
  return 0;
}
