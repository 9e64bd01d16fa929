// What another host sends as the requests of its kernel, which need not be one: it is served, refused or cut
// off, and nothing of this process is touched by it.
// Input: the first byte says whether the rest is the stream itself, or for each request its opcode, node and
// two bytes of length, then the bytes of its arguments.
#include <fcntl.h>
#include <linux/fuse.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "engine/async/uv_runtime.h"
#include "engine/files/file_commands.h"
#include "engine/files/volume.h"
#include "engine/objects/commands.h"
#include "fusefs/mount.h"
#include "fusefs/stream_kernel.h"
#include "tests/fuzz/memory_connection.h"
#include "tests/support/fake_set.h"

using namespace flashstor;

namespace {

constexpr std::size_t kMaxInput = 4096;
constexpr std::size_t kPieceBytes = 61;

class Everybody final : public fusefs::AccessApi {
 public:
  Result<void> check(fusefs::AccessKind, std::string_view) override { return {}; }
};

std::string request(std::uint32_t opcode, std::uint64_t node, std::uint64_t unique,
                    std::string_view arguments) {
  fuse_in_header head{};
  head.opcode = opcode;
  head.nodeid = node;
  head.unique = unique;
  head.len = static_cast<std::uint32_t>(sizeof head + arguments.size());
  return std::string(reinterpret_cast<const char*>(&head), sizeof head).append(arguments);
}

std::string greeting() {
  fuse_init_in init{};
  init.major = FUSE_KERNEL_VERSION;
  init.minor = 31;
  init.max_readahead = 131'072;
  init.flags = FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_ATOMIC_O_TRUNC | FUSE_DO_READDIRPLUS;
  return request(FUSE_INIT, 0, 2, {reinterpret_cast<const char*>(&init), sizeof init});
}

std::string stream_of(std::string_view input) {
  if (input.empty()) return {};
  const bool raw = (input.front() & 1) != 0;
  input.remove_prefix(1);
  if (raw) return std::string(input);
  std::string out = greeting();
  std::uint64_t unique = 2;
  while (input.size() >= 4) {
    const auto opcode = static_cast<std::uint8_t>(input[0]);
    const auto node = static_cast<std::uint8_t>(input[1]);
    const std::size_t wanted = static_cast<std::uint8_t>(input[2]) +
                               (static_cast<std::size_t>(static_cast<std::uint8_t>(input[3]) & 1) << 8);
    input.remove_prefix(4);
    const std::string_view arguments = input.substr(0, wanted);
    input.remove_prefix(arguments.size());
    out += request(opcode, node, unique += 2, arguments);
  }
  return out;
}

Task<Result<void>> make_bucket(objects::ObjectStore* store) {
  objects::CreateBucketRequest request;
  request.name = "bucket";
  co_await or_return(store->create_bucket(std::move(request)));
  co_return {};
}

ssize_t send_to_stream(int, iovec* parts, int count, void* data) {
  return static_cast<fusefs::Mount*>(data)->stream->answer(parts, count);
}
ssize_t give_nothing(int, void*, std::size_t, void*) { return -1; }

Task<void> serve_all(fusefs::StreamKernel* kernel, fuse_session* session, fusefs::Mount* mount,
                     files::Volume* volume) {
  co_await kernel->serve(session);
  mount->cancel_lock_waits();
  co_await mount->gate.close();
  static_cast<void>(co_await volume->close());
}

void serve(async::UvRuntime& runtime, files::Volume& volume, const std::string& stream) {
  Everybody access;
  std::string received;
  fusefs::Mount mount(runtime, volume, access, volume.root_inode());
  fusefs::StreamKernel kernel(std::make_unique<fuzz::MemoryConnection>(stream, kPieceBytes, &received),
                              mount);
  mount.stream = &kernel;
  fuse_args words = FUSE_ARGS_INIT(0, nullptr);
  FLASHSTOR_CHECK(fuse_opt_add_arg(&words, "fuzz") == 0);
  fuse_session* session = fuse_session_new(&words, &fusefs::operations(), sizeof(fuse_lowlevel_ops), &mount);
  FLASHSTOR_CHECK(session != nullptr);
  const fuse_custom_io io{
      .writev = send_to_stream, .read = give_nothing, .splice_receive = nullptr, .splice_send = nullptr};
  FLASHSTOR_CHECK(fuse_session_custom_io(session, &io, ::open("/dev/null", O_RDWR | O_CLOEXEC)) == 0);
  runtime.run_until(serve_all(&kernel, session, &mount, &volume));
  fuse_session_destroy(session);
  fuse_opt_free_args(&words);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static async::UvRuntime* const runtime = std::make_unique<async::UvRuntime>().release();
  if (size > kMaxInput) return 0;
  cluster::CommandRegistry registry;
  objects::register_object_commands(registry);
  files::register_file_commands(registry);
  flashstor::testing::FakeCluster cluster(registry);
  objects::BucketEpoch epoch;
  base::SeededRandom random{3};
  objects::ObjectStore store(cluster, epoch, random);
  FLASHSTOR_CHECK(runtime->run_until(make_bucket(&store)).has_value());
  auto volume = runtime->run_until(files::Volume::open(store, "bucket", {}, *runtime));
  FLASHSTOR_CHECK(volume.has_value());
  serve(*runtime, **volume, stream_of({reinterpret_cast<const char*>(data), size}));
  volume->reset();
  runtime->run_until(store.close());
  return 0;
}
