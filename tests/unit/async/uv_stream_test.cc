#include "engine/async/uv_stream.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <fstream>
#include <vector>

#include "engine/async/sync.h"

namespace flashstor::async {
namespace {

struct Pair {
  std::unique_ptr<Connection> client;
  std::unique_ptr<Connection> server;
};

Task<Pair> connected(UvRuntime& loop, Listener& listener) {
  Pair pair;
  auto client =
      co_await connect_tcp(loop, "127.0.0.1", listener.port(), loop.now() + std::chrono::seconds(5));
  auto server = co_await listener.accept();
  EXPECT_TRUE(client.has_value() && server.has_value());
  pair.client = std::move(*client);
  pair.server = std::move(*server);
  co_return pair;
}

Task<Result<void>> write_all(Connection& to, std::string_view text) {
  const std::span<const std::byte> slice = std::as_bytes(std::span(text));
  co_return co_await to.write(std::span(&slice, 1));
}

Task<std::size_t> drain(Connection& from) {
  std::vector<std::byte> piece(100'000);
  std::size_t total = 0;
  for (;;) {
    const auto got = co_await from.read(piece);
    if (!got || *got == 0) co_return total;
    total += *got;
  }
}

/// Runs `script` with a listener on a free port.
void with_listener(Task<void> (*script)(UvRuntime&, Listener&)) {
  UvRuntime loop;
  auto listener = listen_tcp(loop, "127.0.0.1", 0);
  ASSERT_TRUE(listener.has_value());
  ASSERT_NE((*listener)->port(), 0);
  loop.run_until(script(loop, **listener));
}

TEST(UvStream, BytesArriveInOrderAndTheEndIsSeen) {
  with_listener([](UvRuntime& loop, Listener& listener) -> Task<void> {
    Pair pair = co_await connected(loop, listener);
    EXPECT_TRUE(pair.server->peer().starts_with("127.0.0.1:"));
    EXPECT_TRUE((co_await write_all(*pair.client, "hello")).has_value());
    EXPECT_TRUE((co_await pair.server->wait_readable()).has_value());
    std::vector<std::byte> into(3);
    EXPECT_EQ(co_await pair.server->read(into), 3U);
    EXPECT_EQ(static_cast<char>(into[0]), 'h');
    EXPECT_TRUE((co_await pair.client->shutdown()).has_value());
    EXPECT_EQ(co_await drain(*pair.server), 2U);
  });
}

TEST(UvStream, AWriterWaitsForItsReader) {
  with_listener([](UvRuntime& loop, Listener& listener) -> Task<void> {
    Pair pair = co_await connected(loop, listener);
    Gate gate;
    bool written = false;
    gate.spawn([](Connection* to, bool* done) -> Task<void> {
      const std::string piece(1 << 20, 'x');
      const std::span<const std::byte> slice = std::as_bytes(std::span(piece));
      const std::vector<std::span<const std::byte>> slices(100, slice);
      EXPECT_TRUE((co_await to->write(slices)).has_value());
      *done = true;
      (void)co_await to->shutdown();
    }(pair.client.get(), &written));
    co_await sleep_for(loop, Milliseconds(1));
    EXPECT_FALSE(written);  // 100 MiB do not fit in any socket buffer
    EXPECT_EQ(co_await drain(*pair.server), std::size_t{100} << 20);
    co_await gate.close();
    EXPECT_TRUE(written);
  });
}

TEST(UvStream, AFastPeerDoesNotKeepTheLoop) {
  with_listener([](UvRuntime& loop, Listener& listener) -> Task<void> {
    Pair pair = co_await connected(loop, listener);
    Gate gate;
    std::size_t turns = 0;
    bool over = false;
    gate.spawn([](UvRuntime* on, std::size_t* count, const bool* end) -> Task<void> {
      for (; !*end; ++*count) co_await sleep_for(*on, Nanoseconds(0));
    }(&loop, &turns, &over));
    gate.spawn([](Connection* to) -> Task<void> {
      const std::string piece(1 << 16, 'x');
      for (int i = 0; i < 512; ++i) (void)co_await write_all(*to, piece);
      (void)co_await to->shutdown();
    }(pair.client.get()));
    EXPECT_EQ(co_await drain(*pair.server), std::size_t{32} << 20);
    over = true;
    co_await gate.close();
    EXPECT_GE(turns, 32U);  // at least one a MiB
  });
}

TEST(UvStream, CloseEndsPendingWaits) {
  with_listener([](UvRuntime& loop, Listener& listener) -> Task<void> {
    Pair pair = co_await connected(loop, listener);
    Gate gate;
    std::optional<ErrorCode> read_code;
    std::optional<ErrorCode> accept_code;
    gate.spawn([](Connection* from, std::optional<ErrorCode>* code) -> Task<void> {
      std::vector<std::byte> into(10);
      const auto got = co_await from->read(into);
      *code = got ? ErrorCode::kInternal : got.error().code();
    }(pair.server.get(), &read_code));
    gate.spawn([](Listener* from, std::optional<ErrorCode>* code) -> Task<void> {
      const auto got = co_await from->accept();
      *code = got ? ErrorCode::kInternal : got.error().code();
    }(&listener, &accept_code));
    pair.server->close();
    listener.close();
    EXPECT_FALSE(read_code.has_value());  // not from inside close
    co_await gate.close();
    EXPECT_EQ(read_code, ErrorCode::kCancelled);
    EXPECT_EQ(accept_code, ErrorCode::kCancelled);
  });
}

TEST(UvStream, ABrokenPeerIsAnErrorAndNoSignal) {
  with_listener([](UvRuntime& loop, Listener& listener) -> Task<void> {
    Pair pair = co_await connected(loop, listener);
    pair.client->close();
    const std::string piece(1 << 20, 'x');
    bool failed = false;
    for (int i = 0; i < 20 && !failed; ++i) failed = !(co_await write_all(*pair.server, piece)).has_value();
    EXPECT_TRUE(failed);
  });
}

TEST(UvStream, ATakenPortIsNamed) {
  UvRuntime loop;
  const auto first = listen_tcp(loop, "127.0.0.1", 0);
  ASSERT_TRUE(first.has_value());
  const std::uint16_t port = (*first)->port();
  const auto second = listen_tcp(loop, "127.0.0.1", port);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code(), ErrorCode::kBusy);
  EXPECT_NE(second.error().message().find("127.0.0.1:" + std::to_string(port)), std::string_view::npos);
  EXPECT_TRUE(listen_tcp(loop, "127.0.0.1", port, {.join_port = true}).has_value());
  EXPECT_EQ(listen_tcp(loop, "localhorst", 1).error().code(), ErrorCode::kInvalidArgument);
}

TEST(UvStream, NobodyListeningIsAnError) {
  UvRuntime loop;
  std::uint16_t port = 0;
  {
    const auto listener = listen_tcp(loop, "127.0.0.1", 0);
    port = (*listener)->port();
  }
  const auto connection =
      loop.run_until(connect_tcp(loop, "127.0.0.1", port, loop.now() + std::chrono::seconds(5)));
  ASSERT_FALSE(connection.has_value());
  EXPECT_EQ(connection.error().code(), ErrorCode::kIo);
}

TEST(UvStream, UnixSocketsReplaceAStaleFileOnly) {
  UvRuntime loop;
  const std::string path = ::testing::TempDir() + "flashstor-uv-stream-" + std::to_string(::getpid());
  {
    auto listener = listen_unix(loop, path);
    ASSERT_TRUE(listener.has_value()) << listener.error().describe();
    EXPECT_EQ(listen_unix(loop, path).error().code(), ErrorCode::kBusy);
    loop.run_until([](UvRuntime* on, Listener* from, std::string at) -> Task<void> {
      EXPECT_TRUE(
          (co_await from->accept()).has_value());  // the second listener's look whether somebody serves
      auto client = co_await connect_unix(*on, at);
      auto server = co_await from->accept();
      EXPECT_TRUE(client.has_value() && server.has_value());
      EXPECT_TRUE((co_await write_all(**client, "x")).has_value());
      (*client)->close();
      EXPECT_EQ(co_await drain(**server), 1U);
    }(&loop, listener->get(), path));
  }
  EXPECT_NE(::access(path.c_str(), F_OK), 0);  // removed by the close
  const int left_behind = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{.sun_family = AF_UNIX};
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(left_behind, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ::close(left_behind);
  EXPECT_TRUE(listen_unix(loop, path).has_value());
  std::ofstream(path) << "a file";
  EXPECT_FALSE(listen_unix(loop, path).has_value());
  ::unlink(path.c_str());
}

}  // namespace
}  // namespace flashstor::async
