#include <gtest/gtest.h>
#include <sys/socket.h>

#include "engine/async/sync.h"
#include "engine/async/uv_stream.h"
#include "engine/storage/wire/channel.h"
#include "engine/storage/wire/token.h"

namespace flashstor::storage::wire {
namespace {

const std::string kSecret = "a secret of the cluster";

TEST(Frame, HeaderComesBackAsItWasWritten) {
  const FrameHeader header{.kind = FrameKind::kAnswer,
                           .method = 513,
                           .call = 0x0102030405060708,
                           .head_bytes = 77,
                           .body_bytes = 1'000'000,
                           .payload_checksum = 0xdeadbeef};
  const auto bytes = encode_header(header);
  const auto back = decode_header(bytes);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(*back, header);
}

TEST(Frame, EveryFlippedBitOfAHeaderIsSeen) {
  const auto good = encode_header({.kind = FrameKind::kCall, .method = 3, .call = 9});
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    auto bad = good;
    bad[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
    EXPECT_FALSE(decode_header(bad).has_value()) << "bit " << bit;
  }
}

TEST(Frame, SizesOverTheLimitAreRefused) {
  FrameHeader header{.head_bytes = kMaxFrameHeadBytes + 1};
  EXPECT_FALSE(decode_header(encode_header(header)).has_value());
  header = {.body_bytes = kMaxFrameBodyBytes + 1};
  EXPECT_FALSE(decode_header(encode_header(header)).has_value());
}

TEST(Frame, ErrorsTravelWithTheirWords) {
  const Error back = decode_error(encode_error(Error(ErrorCode::kWriteQuorum, "three of four")));
  EXPECT_EQ(back.code(), ErrorCode::kWriteQuorum);
  EXPECT_EQ(back.message(), "three of four");
  EXPECT_EQ(decode_error("\xff\xff\x00").code(), ErrorCode::kMalformed);
}

TokenClaims claims_at(std::int64_t seconds) {
  return {.from = "a:1",
          .to = "b:2",
          .deployment = {.high = 1, .low = 3},
          .expires = seconds + kTokenSeconds,
          .nonce = "0123456789abcdef0123456789abcdef"};
}
WallTime at(std::int64_t seconds) { return base::from_nanoseconds(seconds * 1'000'000'000); }

TEST(Token, IsTakenOnce) {
  TokenVerifier verifier(kSecret, "b:2");
  const std::string token = sign_token(kSecret, claims_at(1000));
  const auto first = verifier.verify(token, at(1000));
  ASSERT_TRUE(first.has_value()) << first.error().describe();
  EXPECT_EQ(first->from, "a:1");
  EXPECT_EQ(first->deployment, claims_at(0).deployment);
  const auto again = verifier.verify(token, at(1001));
  ASSERT_FALSE(again.has_value());
  EXPECT_EQ(again.error().code(), ErrorCode::kInvalidToken);
}

TEST(Token, RootCredentialsAreComparedWithoutBeingTold) {
  const std::string root = sign_root(kSecret, "root", "password");
  EXPECT_EQ(root, sign_root(kSecret, "root", "password"));
  EXPECT_EQ(root.size(), 64U);
  EXPECT_NE(root, sign_root("another", "root", "password"));
  EXPECT_NE(root, sign_root(kSecret, "root", "passwore"));
  EXPECT_NE(root, sign_root(kSecret, "roo", "tpassword"));
  EXPECT_NE(sign_root(kSecret, "a\nb", "c"), sign_root(kSecret, "a", "b\nc"));
}

TEST(Token, ReplayIsRefusedAsLongAsTheTokenIsGood) {
  TokenVerifier verifier(kSecret, "b:2");
  const std::string token = sign_token(kSecret, claims_at(1000));
  ASSERT_TRUE(verifier.verify(token, at(1000)).has_value());
  for (std::int64_t later = 1; later < 3 * kMaxClockSkewSeconds; later += 7)
    EXPECT_FALSE(verifier.verify(token, at(1000 + later)).has_value()) << later;
}

TEST(Token, AnotherSecretAddresseeOrTimeIsRefused) {
  TokenVerifier verifier(kSecret, "b:2");
  EXPECT_FALSE(verifier.verify(sign_token("another", claims_at(1000)), at(1000)).has_value());
  auto elsewhere = claims_at(1000);
  elsewhere.to = "c:3";
  EXPECT_FALSE(verifier.verify(sign_token(kSecret, elsewhere), at(1000)).has_value());
  const std::string token = sign_token(kSecret, claims_at(1000));
  EXPECT_EQ(verifier.verify(token, at(1000 + kTokenSeconds + kMaxClockSkewSeconds + 1)).error().code(),
            ErrorCode::kExpiredToken);
  EXPECT_EQ(verifier.verify(token, at(1000 - kMaxClockSkewSeconds - 1)).error().code(),
            ErrorCode::kExpiredToken);
  EXPECT_TRUE(verifier.verify(token, at(1000)).has_value());
}

TEST(Token, NoPartOfItCanBeChanged) {
  TokenVerifier verifier(kSecret, "b:2");
  const std::string token = sign_token(kSecret, claims_at(1000));
  for (std::size_t i = 0; i < token.size(); ++i) {
    std::string bad = token;
    bad[i] = bad[i] == '1' ? '2' : '1';
    if (bad != token) EXPECT_FALSE(verifier.verify(bad, at(1000)).has_value()) << bad;
  }
}

/// Two channels over one socket pair on one loop.
class ChannelTest : public ::testing::Test {
 public:
  ChannelTest() {
    int pair[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    near_ = async::adopt_socket(loop_, pair[0], "near");
    far_ = async::adopt_socket(loop_, pair[1], "far");
  }

  Task<Result<Payload>> serve(std::uint16_t method, Payload request) {
    ++served_;
    if (method == 7) co_return fail(ErrorCode::kNoSpace, "no room for you");
    if (method == 8) {
      co_await hold_.wait();
      co_return request;
    }
    last_ = std::string(request.head.view());
    co_return request;
  }

  void run(Task<void> (*script)(ChannelTest&, Channel&)) {
    loop_.run_until([](ChannelTest& self, Task<void> (*what)(ChannelTest&, Channel&)) -> Task<void> {
      Channel client(self.loop_, *self.near_, [](std::uint16_t, Payload) -> Task<Result<Payload>> {
        co_return fail(ErrorCode::kNotSupported);
      });
      Channel server(self.loop_, *self.far_, [&self](std::uint16_t method, Payload request) {
        return self.serve(method, std::move(request));
      });
      async::Gate gate;
      gate.spawn([](Channel& channel) -> Task<void> { static_cast<void>(co_await channel.run()); }(client));
      gate.spawn([](Channel& channel) -> Task<void> { static_cast<void>(co_await channel.run()); }(server));
      co_await what(self, client);
      self.hold_.set();
      client.close(Error(ErrorCode::kCancelled, "done"));
      co_await gate.close();
    }(*this, script));
  }

  async::UvRuntime loop_;
  std::unique_ptr<async::Connection> near_;
  std::unique_ptr<async::Connection> far_;
  async::Event hold_;
  int served_ = 0;
  std::string last_;
};

TEST_F(ChannelTest, CarriesCallsOfEverySize) {
  run([](ChannelTest&, Channel& client) -> Task<void> {
    for (const std::size_t bytes : {0UL, 1UL, 65'535UL, 65'536UL, 5'000'000UL}) {
      Buffer body = Buffer::allocate(bytes);
      for (std::size_t i = 0; i < bytes; ++i) body.writable()[i] = static_cast<std::byte>(i * 31 >> 3);
      const auto answer =
          co_await client.call(1, payload_of("head", BufferChain(body)), std::chrono::seconds(20));
      EXPECT_TRUE(answer.has_value());
      if (!answer) co_return;
      EXPECT_EQ(answer->head.view(), "head");
      EXPECT_EQ(answer->body.flatten().view(), body.view());
    }
  });
}

TEST_F(ChannelTest, GivesTheErrorOfThePeer) {
  run([](ChannelTest&, Channel& client) -> Task<void> {
    const auto answer = co_await client.call(7, {}, std::chrono::seconds(20));
    EXPECT_EQ(answer.error().code(), ErrorCode::kNoSpace);
    EXPECT_EQ(answer.error().message(), "no room for you");
  });
}

TEST_F(ChannelTest, ACallPastItsDeadlineEndsAndOthersGoOn) {
  run([](ChannelTest& self, Channel& client) -> Task<void> {
    const auto late = co_await client.call(8, payload_of("late"), Milliseconds(10));
    EXPECT_EQ(late.error().code(), ErrorCode::kTimeout);
    self.hold_.set();
    const auto next = co_await client.call(1, payload_of("next"), std::chrono::seconds(20));
    EXPECT_TRUE(next.has_value());
    EXPECT_EQ(next ? next->head.view() : std::string_view(), "next");
  });
}

TEST_F(ChannelTest, NoticesArriveInOrder) {
  run([](ChannelTest& self, Channel& client) -> Task<void> {
    for (int i = 0; i < 100; ++i) EXPECT_TRUE(client.notify(1, payload_of(std::to_string(i))));
    EXPECT_TRUE((co_await client.call(2, payload_of("end"), std::chrono::seconds(20))).has_value());
    EXPECT_EQ(self.served_, 101);
    EXPECT_EQ(self.last_, "end");
  });
}

TEST_F(ChannelTest, OpenCallsEndWithTheConnection) {
  run([](ChannelTest& self, Channel& client) -> Task<void> {
    async::Gate gate;
    Result<Payload> answer;
    gate.spawn([](Channel& channel, Result<Payload>& out) -> Task<void> {
      out = co_await channel.call(8, payload_of("held"), std::chrono::seconds(20));
    }(client, answer));
    while (self.served_ == 0) co_await async::switch_to(self.loop_);
    self.far_->close();
    co_await gate.close();
    EXPECT_EQ(answer.error().code(), ErrorCode::kIo);
    EXPECT_EQ((co_await client.call(1, {}, std::chrono::seconds(20))).error().code(), ErrorCode::kIo);
  });
}

TEST_F(ChannelTest, AByteThatChangedOnTheWayEndsTheConnection) {
  loop_.run_until([](ChannelTest& self) -> Task<void> {
    Channel server(self.loop_, *self.far_, [&self](std::uint16_t method, Payload request) {
      return self.serve(method, std::move(request));
    });
    async::Gate gate;
    Error ended(ErrorCode::kInternal);
    gate.spawn(
        [](Channel& channel, Error& out) -> Task<void> { out = co_await channel.run(); }(server, ended));
    const Payload sent = payload_of("a head");
    const auto header = encode_header({.kind = FrameKind::kCall,
                                       .method = 1,
                                       .call = 1,
                                       .head_bytes = static_cast<std::uint32_t>(sent.head.size()),
                                       .payload_checksum = checksum_of(sent)});
    const std::string changed = "a heaD";
    const std::span<const std::byte> slices[] = {header, std::as_bytes(std::span(changed))};
    EXPECT_TRUE((co_await self.near_->write(slices)).has_value());
    co_await gate.close();
    EXPECT_EQ(ended.code(), ErrorCode::kCorrupt);
    EXPECT_EQ(self.served_, 0);
  }(*this));
}

}  // namespace
}  // namespace flashstor::storage::wire
