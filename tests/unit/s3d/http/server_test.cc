#include "tests/unit/s3d/http/http_fixture.h"

namespace flashstor::s3d {
namespace {

std::size_t occurrences(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST_F(HttpServerTest, AnswersAndKeepsTheConnection) {
  serve({}, [](HttpServerTest& t) -> Task<void> {
    auto client = co_await t.connect();
    for (int i = 0; i < 3; ++i) {
      (void)co_await send_text(*client, "GET /a%20b HTTP/1.1\r\nHost: h\r\n\r\n");
      const std::string answer = co_await receive(*client, "[]");
      EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\nDate: ")) << answer;
      EXPECT_NE(answer.find("\r\nContent-Length: 2\r\n"), std::string::npos);
      EXPECT_NE(answer.find("\r\nx-path: /a b\r\n"), std::string::npos);
      EXPECT_NE(answer.find("\r\nx-split: a  b\r\n"), std::string::npos);
      EXPECT_EQ(answer.find("Connection:"), std::string::npos);
    }
    EXPECT_EQ(t.server->counters().accepted, 1U);
    EXPECT_EQ(t.server->counters().requests, 3U);
  });
}

TEST_F(HttpServerTest, ServesAPipelineInOrder) {
  serve({}, [](HttpServerTest& t) -> Task<void> {
    const std::string answer = co_await t.exchange(
        "PUT /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\none"
        "PUT /2 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n"
        "\r\nPUT /3 HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nConnection: close\r\n\r\nthree");
    EXPECT_EQ(occurrences(answer, "HTTP/1.1 200 OK"), 3U);
    EXPECT_LT(answer.find("[one]"), answer.find("[two]"));
    EXPECT_LT(answer.find("[two]"), answer.find("[three]"));
    EXPECT_NE(answer.find("Connection: close"), std::string::npos);
  });
}

TEST_F(HttpServerTest, ALongPipelineGivesWayToOthers) {
  serve({}, [](HttpServerTest& t) -> Task<void> {
    auto greedy = co_await t.connect();
    std::string all;
    for (int i = 0; i < 500; ++i) all += "GET /greedy HTTP/1.1\r\nHost: h\r\n\r\n";
    auto modest = co_await t.connect();
    (void)co_await send_text(*greedy, all);
    (void)co_await send_text(*modest, "GET /modest HTTP/1.1\r\nHost: h\r\n\r\n");
    (void)co_await receive(*modest, "[]");
    EXPECT_LT(t.handler.seen.size(), 250U);
    greedy->close();
  });
}

TEST_F(HttpServerTest, TakesARequestByteByByte) {
  serve({}, [](HttpServerTest& t) -> Task<void> {
    auto client = co_await t.connect();
    // The empty body first: Beast has an assertion about its last line that came in pieces.
    const std::string text =
        "PUT /e HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        "PUT /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n";
    for (const char c : text) {
      (void)co_await send_text(*client, std::string(1, c));
      co_await async::switch_to(*async::Runtime::current());
    }
    EXPECT_NE((co_await receive(*client, "]")).find("[]"), std::string::npos);
    EXPECT_NE((co_await receive(*client, "]")).find("[ab]"), std::string::npos);
  });
}

TEST_F(HttpServerTest, LargeBodiesComeWhole) {
  serve({}, [](HttpServerTest& t) -> Task<void> {
    const std::string body(900'000, 'q');
    const std::string answer = co_await t.exchange(
        "PUT /big HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 900000\r\n\r\n" + body);
    EXPECT_TRUE(answer.ends_with("[" + body + "]"));
  });
}

TEST_F(HttpServerTest, HeadHasLengthAndNoBody) {
  serve({}, [](HttpServerTest& t) -> Task<void> {
    const std::string answer = co_await t.exchange("HEAD / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    EXPECT_NE(answer.find("Content-Length: 2\r\n"), std::string::npos);
    EXPECT_TRUE(answer.ends_with("\r\n\r\n"));
  });
}

TEST_F(HttpServerTest, StreamsChunkedAndUntilTheCloseForTheOldVersion) {
  serve({}, [](HttpServerTest& t) -> Task<void> {
    const std::string chunked =
        co_await t.exchange("GET /stream HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    EXPECT_TRUE(chunked.ends_with("\r\n\r\n4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n")) << chunked;
    const std::string old = co_await t.exchange("GET /stream HTTP/1.0\r\n\r\n");
    EXPECT_TRUE(old.ends_with("\r\n\r\none two")) << old;
    EXPECT_EQ(old.find("Transfer-Encoding"), std::string::npos);
  });
}

TEST_F(HttpServerTest, AHandlerWithoutAnswerIs500AndAnUnfinishedBodyBreaks) {
  serve({}, [](HttpServerTest& t) -> Task<void> {
    EXPECT_TRUE(
        (co_await t.exchange("GET /silent HTTP/1.1\r\nHost: h\r\n\r\n")).starts_with("HTTP/1.1 500 "));
    EXPECT_TRUE((co_await t.exchange("GET /half HTTP/1.1\r\nHost: h\r\n\r\n")).ends_with("\r\n\r\nhalf"));
  });
}

TEST_F(HttpServerTest, NeverSendsMoreThanAnnounced) {
  serve({}, [](HttpServerTest& t) -> Task<void> {
    EXPECT_TRUE((co_await t.exchange("GET /more HTTP/1.1\r\nHost: h\r\n\r\n")).ends_with("\r\n\r\nfour"));
    const std::string unchanged =
        co_await t.exchange("GET /unchanged HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    EXPECT_TRUE(unchanged.starts_with("HTTP/1.1 304 "));
    EXPECT_EQ(unchanged.find("Content-Length"), std::string::npos);
  });
  EXPECT_EQ(handler.errors, (std::vector<ErrorCode>{ErrorCode::kInternal}));
}

TEST_F(HttpServerTest, SaysContinueOnlyWhenTheBodyIsRead) {
  serve({}, [](HttpServerTest& t) -> Task<void> {
    auto client = co_await t.connect();
    (void)co_await send_text(
        *client, "PUT /x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    EXPECT_EQ(co_await receive(*client, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    (void)co_await send_text(*client, "body");
    EXPECT_NE((co_await receive(*client, "]")).find("[body]"), std::string::npos);
    const std::string refused = co_await t.exchange(
        "PUT /ignore-body HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    EXPECT_TRUE(refused.starts_with("HTTP/1.1 403 "));
    EXPECT_NE(refused.find("Connection: close"), std::string::npos);
  });
}

// botocore 1.29 hangs at the request after one that asked and got its final answer without `100 Continue`.
TEST_F(HttpServerTest, SaysContinueToAllWhoAskAlsoWithoutABodyOrAfterIt) {
  serve({}, [](HttpServerTest& t) -> Task<void> {
    const std::string empty = co_await t.exchange(
        "PUT /x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 0\r\nConnection: "
        "close\r\n\r\n");
    EXPECT_TRUE(empty.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 ")) << empty;
    const std::string unasked = co_await t.exchange(
        "PUT /x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\nConnection: "
        "close\r\n\r\nbody");
    EXPECT_TRUE(unasked.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 ")) << unasked;
    EXPECT_TRUE(unasked.ends_with("[body]"));
  });
}

TEST_F(HttpServerTest, DrainsAShortUnreadBodyAndClosesOnALongOne) {
  serve({}, [](HttpServerTest& t) -> Task<void> {
    const std::string answers = co_await t.exchange(
        "PUT /ignore-body HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nskip"
        "GET /next HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    EXPECT_EQ(occurrences(answers, "HTTP/1.1 "), 2U);
    const std::string closed =
        co_await t.exchange("PUT /ignore-body HTTP/1.1\r\nHost: h\r\nContent-Length: 10000000\r\n\r\n" +
                            std::string(700'000, 'x'));
    EXPECT_TRUE(closed.starts_with("HTTP/1.1 403 "));
    EXPECT_NE(closed.find("Connection: close"), std::string::npos);
  });
}

TEST_F(HttpServerTest, RefusesAndCountsBadRequests) {
  serve({}, [](HttpServerTest& t) -> Task<void> {
    EXPECT_TRUE((co_await t.exchange("nonsense\r\n\r\n")).starts_with("HTTP/1.1 400 "));
    EXPECT_TRUE((co_await t.exchange("GET / HTTP/1.1\nHost: h\n\n")).starts_with("HTTP/1.1 400 "));
    EXPECT_TRUE(
        (co_await t.exchange("GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(70'000, 'x') + "\r\n\r\n"))
            .starts_with("HTTP/1.1 400 "));
    EXPECT_TRUE((co_await t.exchange("GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(60'000, 'x') +
                                     "\r\nConnection: close\r\n\r\n"))
                    .starts_with("HTTP/1.1 200 "));
    auto client = co_await t.connect();
    (void)co_await send_text(*client, "GET / HTT");
    (void)co_await client->shutdown();
    EXPECT_EQ(co_await receive(*client, ""), "");
  });
  EXPECT_EQ(handler.refused[Refusal::kMalformed], 2);
  EXPECT_EQ(handler.refused[Refusal::kSmuggling], 1);
  EXPECT_EQ(handler.refused[Refusal::kHeaderTooLarge], 1);
}

TEST_F(HttpServerTest, ABodyThatEndsEarlyIsIncomplete) {
  serve({}, [](HttpServerTest& t) -> Task<void> {
    auto client = co_await t.connect();
    (void)co_await send_text(*client, "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nfour");
    (void)co_await client->shutdown();
    EXPECT_TRUE((co_await receive(*client, "")).starts_with("HTTP/1.1 400 "));
    EXPECT_TRUE(
        (co_await t.exchange("PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"))
            .starts_with("HTTP/1.1 400 "));
  });
  EXPECT_EQ(handler.errors, (std::vector<ErrorCode>{ErrorCode::kIncompleteBody, ErrorCode::kMalformed}));
}

TEST_F(HttpServerTest, CutsOffSlowHeadersAndSlowBodies) {
  ServerOptions options;
  options.header_deadline = Milliseconds(15);
  options.body_grace = Milliseconds(15);
  options.sweep_interval = Milliseconds(5);
  serve(options, [](HttpServerTest& t) -> Task<void> {
    EXPECT_EQ(co_await t.exchange("GET / HTTP/1.1\r\nHos"), "");
    EXPECT_EQ(co_await t.exchange("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nfour"), "");
  });
  EXPECT_EQ(handler.refused[Refusal::kSlowHeader], 1);
  EXPECT_EQ(handler.refused[Refusal::kSlowBody], 1);
  EXPECT_EQ(handler.errors, (std::vector<ErrorCode>{ErrorCode::kTimeout}));
}

TEST_F(HttpServerTest, CutsOffWhoDoesNotTakeTheAnswer) {
  ServerOptions options;
  options.body_grace = Milliseconds(15);
  options.min_body_bytes_per_second = limits::kGiB;
  options.sweep_interval = Milliseconds(5);
  serve(options, [](HttpServerTest& t) -> Task<void> {
    auto client = co_await t.connect();
    (void)co_await send_text(*client, "GET /large HTTP/1.1\r\nHost: h\r\n\r\n");
    while (t.handler.errors.empty()) co_await async::sleep_for(t.runtime, Milliseconds(2));
  });
  EXPECT_EQ(handler.errors, (std::vector<ErrorCode>{ErrorCode::kTimeout}));
  EXPECT_EQ(handler.refused[Refusal::kSlowReceiver], 1);
}

TEST_F(HttpServerTest, ABrokenClientEndsTheAnswer) {
  serve({}, [](HttpServerTest& t) -> Task<void> {
    auto client = co_await t.connect();
    (void)co_await send_text(*client, "GET /large HTTP/1.1\r\nHost: h\r\n\r\n");
    (void)co_await receive(*client, "xxxx");
    client->close();
    while (t.handler.errors.empty()) co_await async::sleep_for(t.runtime, Milliseconds(1));
  });
  EXPECT_EQ(handler.errors, (std::vector<ErrorCode>{ErrorCode::kIo}));
}

TEST_F(HttpServerTest, SaysWhenItsMemoryIsLent) {
  ServerOptions options;
  options.max_arena_blocks = 0;
  serve(options, [](HttpServerTest& t) -> Task<void> {
    EXPECT_TRUE((co_await t.exchange("GET / HTTP/1.1\r\nHost: h\r\n\r\n")).starts_with("HTTP/1.1 503 "));
  });
  EXPECT_EQ(handler.refused[Refusal::kNoMemory], 1);
}

TEST_F(HttpServerTest, TurnsAwayMoreConnectionsThanAllowed) {
  ServerOptions options;
  options.max_connections = 1;
  serve(options, [](HttpServerTest& t) -> Task<void> {
    auto first = co_await t.connect();
    (void)co_await send_text(*first, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    (void)co_await receive(*first, "[]");
    EXPECT_EQ(co_await t.exchange("GET / HTTP/1.1\r\nHost: h\r\n\r\n"), "");
  });
  EXPECT_EQ(handler.refused[Refusal::kTooManyConnections], 1);
}

TEST_F(HttpServerTest, AStopFinishesWhatRunsAndClosesWhatIdles) {
  serve({}, [](HttpServerTest& t) -> Task<void> {
    auto idle = co_await t.connect();
    (void)co_await send_text(*idle, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    (void)co_await receive(*idle, "[]");
    auto busy = co_await t.connect();
    (void)co_await send_text(*busy, "GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
    async::Event started;
    t.handler.on_wait = [&] { started.set(); };
    co_await started.wait();
    co_await t.server->stop(Milliseconds(5000));
    EXPECT_EQ(t.server->counters().open_connections, 0U);
    EXPECT_EQ(co_await receive(*idle, ""), "");
    const std::string answer = co_await receive(*busy, "");
    EXPECT_TRUE(answer.ends_with("[]")) << answer;
    EXPECT_NE(answer.find("Connection: close"), std::string::npos);
  });
}

}  // namespace
}  // namespace flashstor::s3d
