#include "s3d/node/files_door.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "engine/async/gather.h"
#include "engine/async/stream_calls.h"
#include "engine/async/sync.h"
#include "engine/async/uv_socket.h"
#include "engine/async/uv_stream.h"
#include "engine/base/codec.h"
#include "engine/base/hex.h"
#include "s3d/node/mount_handover.h"
#include "s3d/node/mount_limits.h"

namespace flashstor::s3d {
namespace {

constexpr std::size_t kChallengeBytes = 16;
constexpr std::size_t kPumpBytes = 256 * limits::kKiB;

// Carries bytes until either side ends; then neither goes on.
Task<bool> pump(async::Connection* from, async::Connection* to) {
  std::vector<std::byte> buffer(kPumpBytes);
  while (true) {
    const auto got = co_await from->read(buffer);
    if (!got || *got == 0) break;
    const std::span<const std::byte> parts[] = {std::span(buffer).first(*got)};
    if (const auto sent = co_await to->write(parts); !sent) break;
  }
  from->close();
  to->close();
  co_return true;
}

}  // namespace

void FilesDoor::open(std::vector<async::UvRuntime*> loops) {
  loops_ = std::move(loops);
  open_.store(true, std::memory_order_release);
}

ConnectionTaker* FilesDoor::taker_of(const Request& request) {
  if (!open_.load(std::memory_order_acquire)) return nullptr;
  const bool mine =
      request.path() == kFilesPath && request.method() == "GET" && request.header("upgrade") == kFilesUpgrade;
  return mine ? this : nullptr;
}

async::UvRuntime* FilesDoor::loop_here() const {
  const auto found = std::ranges::find(loops_, Runtime::current());
  return found == loops_.end() ? nullptr : *found;
}

// Gives the client's message.
Task<Result<std::string>> FilesDoor::greet(async::Connection& connection, async::UvRuntime& loop,
                                           std::string challenge) {
  async::Event heard;
  async::Gate watching;
  watching.spawn([](Runtime& home, async::Event& done, async::Connection& open) -> Task<void> {
    if (!co_await done.wait_until(home.now() + mount_limits::kHandoverDeadline)) open.close();
  }(loop, heard, connection));
  const auto exchange = [](async::Connection& open, std::string words) -> Task<Result<std::string>> {
    co_await or_return(async::write_text(
        open, fmt::format(
                  "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: {}\r\n{}: {}\r\n\r\n",
                  kFilesUpgrade, kFilesChallenge, words)));
    std::array<std::byte, 4> head{};
    co_await or_return(async::read_exactly(open, head));
    const std::uint32_t bytes = ByteReader({reinterpret_cast<const char*>(head.data()), head.size()}).u32();
    if (bytes > mount_limits::kMaxMessageBytes)
      co_return fail(ErrorCode::kMalformed, "the message is too long");
    std::string message(bytes, '\0');
    co_await or_return(async::read_exactly(open, std::as_writable_bytes(std::span(message))));
    co_return message;
  };
  auto message = co_await exchange(connection, std::move(challenge));
  heard.set();
  co_await watching.close();
  co_return message;
}

Task<void> FilesDoor::take(async::Connection& connection, std::string /*authorization*/) {
  async::UvRuntime* loop = loop_here();
  if (loop == nullptr) co_return;
  const std::string challenge = base::to_hex(loop->random().bytes(kChallengeBytes));
  auto message = co_await greet(connection, *loop, challenge);
  if (!message) co_return;
  std::array<int, 2> pair{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair.data()) != 0) co_return;
  const std::unique_ptr<async::Connection> inside = async::adopt_socket(*loop, pair[0], connection.peer());
  const auto mounted = co_await mounter_(std::move(*message), challenge, connection.peer(), pair[1]);
  const std::string answer = handover_answer(mounted);
  ByteWriter head;
  head.u32(static_cast<std::uint32_t>(answer.size()));
  const auto told = co_await async::write_text(connection, head.take() + answer);
  if (!told || !mounted) co_return;  // closing `inside` ends the mount
  std::vector<Task<bool>> both;
  both.push_back(pump(&connection, inside.get()));
  both.push_back(pump(inside.get(), &connection));
  static_cast<void>(co_await async::gather(std::move(both)));
}

}  // namespace flashstor::s3d
