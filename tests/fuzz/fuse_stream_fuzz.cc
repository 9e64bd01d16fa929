// What another host sends as the requests of its kernel, which need not be one: it is served, refused or cut
// off, and nothing of this process is touched by it.
// Input: the first byte says whether the rest is the stream itself, or for each request its opcode, node and
// two bytes of length, then the bytes of its arguments.
#include <cstddef>
#include <cstdint>
#include <string>

#include "fusefs/stream_kernel.h"
#include "tests/fuzz/memory_connection.h"
#include "tests/fuzz/memory_mount.h"

using namespace flashstor;

namespace {

constexpr std::size_t kMaxInput = 4096;
constexpr std::size_t kPieceBytes = 61;

std::string stream_of(std::string_view input) {
  if (input.empty()) return {};
  const bool raw = (input.front() & 1) != 0;
  input.remove_prefix(1);
  if (raw) return std::string(input);
  std::string out = fuzz::kernel_request(FUSE_INIT, 0, 2, fuzz::kernel_greeting());
  std::uint64_t unique = 2;
  while (input.size() >= 4) {
    const auto opcode = static_cast<std::uint8_t>(input[0]);
    const auto node = static_cast<std::uint8_t>(input[1]);
    const std::size_t wanted = static_cast<std::uint8_t>(input[2]) +
                               (static_cast<std::size_t>(static_cast<std::uint8_t>(input[3]) & 1) << 8);
    input.remove_prefix(4);
    const std::string_view arguments = input.substr(0, wanted);
    input.remove_prefix(arguments.size());
    out += fuzz::kernel_request(opcode, node, unique += 2, arguments);
  }
  return out;
}

ssize_t send_to_stream(int, iovec* parts, int count, void* data) {
  return static_cast<fusefs::Mount*>(data)->stream->answer(parts, count);
}

Task<void> serve_all(fusefs::StreamKernel* kernel, fuse_session* session, fusefs::Mount* mount,
                     files::Volume* volume) {
  co_await kernel->serve(session);
  mount->cancel_lock_waits();
  co_await mount->gate.close();
  static_cast<void>(co_await volume->close());
}

void serve(async::UvRuntime& runtime, files::Volume& volume, const std::string& stream) {
  fuzz::Everybody access;
  std::string received;
  fusefs::Mount mount(runtime, volume, access, volume.root_inode());
  fusefs::StreamKernel kernel(std::make_unique<fuzz::MemoryConnection>(stream, kPieceBytes, &received),
                              mount);
  mount.stream = &kernel;
  fuzz::MemorySession session(mount, send_to_stream);
  runtime.run_until(serve_all(&kernel, session.get(), &mount, &volume));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static async::UvRuntime* const runtime = std::make_unique<async::UvRuntime>().release();
  if (size > kMaxInput) return 0;
  fuzz::MemoryBucket bucket(*runtime);
  serve(*runtime, bucket.volume(), stream_of({reinterpret_cast<const char*>(data), size}));
  return 0;
}
