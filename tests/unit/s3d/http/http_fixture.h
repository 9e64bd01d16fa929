#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "engine/async/sync.h"
#include "engine/async/uv_runtime.h"
#include "engine/async/uv_stream.h"
#include "s3d/http/server.h"

namespace flashstor::s3d {

using async::Connection;
using async::UvRuntime;

/// Answers by path: what each test of the server needs.
class TestHandler final : public HttpHandler {
 public:
  Task<void> handle(Request& request, ResponseWriter& response) override {
    seen.push_back(std::string(request.method()) + " " + std::string(request.target()));
    if (request.path() == "/silent") co_return;
    if (request.path() == "/half") {
      response.start(10);
      (void)co_await response.write("half");
      co_return;
    }
    if (request.path() == "/more") {
      response.start(4);
      (void)co_await response.write("four");
      const auto sent = co_await response.write("more");
      if (!sent) errors.push_back(sent.error().code());
      co_return;
    }
    if (request.path() == "/unchanged") {
      response.set_status(304);
      (void)co_await response.send("");
      co_return;
    }
    if (request.path() == "/stream") {
      response.start(std::nullopt);
      (void)co_await response.write("one ");
      (void)co_await response.write(BufferChain(Buffer::copy_of(std::string_view("two"))));
      (void)co_await response.finish();
      co_return;
    }
    if (request.path() == "/ignore-body") {
      response.set_status(403);
      (void)co_await response.send("no");
      co_return;
    }
    if (request.path() == "/large") {
      const Buffer block = Buffer::allocate(limits::kMiB);
      std::memset(block.slice(0, block.size()).writable(), 'x', block.size());
      response.start(std::nullopt);
      while (true) {
        const auto sent = co_await response.write(block);
        if (sent) continue;
        errors.push_back(sent.error().code());
        co_return;
      }
    }
    if (request.path() == "/wait") {
      if (on_wait) on_wait();
      co_await async::sleep_for(*async::Runtime::current(), Milliseconds(20));
    }
    auto body = co_await read_all(request.body(), limits::kMiB);
    if (!body) {
      errors.push_back(body.error().code());
      response.set_status(400);
      (void)co_await response.send("bad body");
      co_return;
    }
    response.add_header("x-path", request.path());
    response.add_header("x-split", "a\r\nb");
    last_body = std::string(body->view());
    (void)co_await response.send("[" + last_body + "]");
  }
  void on_refused(Refusal refusal, std::string_view) override { ++refused[refusal]; }

  std::vector<std::string> seen;
  std::vector<ErrorCode> errors;
  std::map<Refusal, int> refused;
  std::string last_body;
  std::function<void()> on_wait;
};

inline Task<Result<void>> send_text(Connection& connection, std::string text) {
  const auto slice = std::as_bytes(std::span(text));
  co_return co_await connection.write(std::span(&slice, 1));
}

/// Everything until the peer closes, or until `enough` is in it.
inline Task<std::string> receive(Connection& connection, std::string enough) {
  std::string all;
  std::vector<std::byte> piece(64 * 1024);
  while (enough.empty() || all.find(enough) == std::string::npos) {
    const auto got = co_await connection.read(piece);
    if (!got || *got == 0) break;
    all.append(reinterpret_cast<const char*>(piece.data()), *got);
  }
  co_return all;
}

/// A server on a free port of 127.0.0.1 and its client on the same loop.
class HttpServerTest : public ::testing::Test {
 public:
  /// Runs `script` against a server with these options, then stops it.
  void serve(ServerOptions options, std::function<Task<void>(HttpServerTest&)> script) {
    runtime.run_until([](HttpServerTest* self, ServerOptions wanted,
                         std::function<Task<void>(HttpServerTest&)> steps) -> Task<void> {
      auto listener = async::listen_tcp(self->runtime, "127.0.0.1", 0);
      EXPECT_TRUE(listener.has_value());
      HttpServer server(self->runtime, std::move(*listener), std::move(wanted), self->handler);
      self->server = &server;
      server.start();
      co_await steps(*self);
      co_await server.stop(Milliseconds(50));
      self->server = nullptr;
    }(this, std::move(options), std::move(script)));
  }

  Task<std::unique_ptr<Connection>> connect() {
    auto connection = co_await async::connect_tcp(runtime, "127.0.0.1", server->port(),
                                                  runtime.now() + std::chrono::seconds(5));
    EXPECT_TRUE(connection.has_value());
    co_return std::move(*connection);
  }
  /// Sends `text` on a new connection and gives all that comes until it closes.
  Task<std::string> exchange(std::string text) {
    auto connection = co_await connect();
    (void)co_await send_text(*connection, std::move(text));
    co_return co_await receive(*connection, "");
  }

  UvRuntime runtime;
  TestHandler handler;
  HttpServer* server = nullptr;
};

}  // namespace flashstor::s3d
