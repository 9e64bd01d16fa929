#include "engine/storage/wire/link.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "engine/async/stream_calls.h"
#include "engine/base/hex.h"

namespace flashstor::storage::wire {
namespace {

constexpr std::size_t kMaxUpgradeAnswer = 2048;
// In the refusal of one that has the secret, but shows no certificate with its name.
constexpr std::string_view kUncertified = "\r\nFlashstor-Refused: certificate";

// Of "host:port", where the host may be an IPv6 address in brackets.
std::string host_of(const std::string& node) {
  std::string host = node.substr(0, node.rfind(':'));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return host;
}

}  // namespace

Link::Link(Runtime& home, LinkOptions options) : home_(home), options_(std::move(options)) {}

Link::~Link() { FLASHSTOR_CHECK(gate_.running() == 0); }

void Link::start() { gate_.spawn(keep_connected()); }

Task<void> Link::stop() {
  stopping_ = true;
  if (opening_ != nullptr) opening_->close(Error(ErrorCode::kCancelled, "this node is stopping"));
  stop_.notify_all();
  co_await gate_.close();
  while (calls_ > 0) co_await async::sleep_for(home_, Milliseconds(1));
}

Task<void> Link::keep_connected() {
  Milliseconds retry = kFirstRetry;
  while (!stopping_) {
    const MonotonicTime began = home_.now();
    const auto ended = co_await session();
    if (!ended) trouble_ = std::string(ended.error().message());
    if (stopping_) co_return;
    retry = home_.now() - began > kPingDeadline * 2 ? kFirstRetry : std::min(retry * 2, kLastRetry);
    co_await stop_.wait_until(home_.now() + retry);
  }
}

Task<Result<void>> Link::session() {
  auto connection = co_await or_return(options_.connect(home_.now() + kConnectDeadline));
  if (stopping_) co_return fail(ErrorCode::kCancelled, "this node is stopping");
  async::Event upgraded;
  Result<void> opened;
  {
    // The handshake has no deadline of its own: the connection is broken off at ours.
    async::Gate watching;
    watching.spawn([](Runtime& home, async::Event& done, async::Connection& open) -> Task<void> {
      if (!co_await done.wait_until(home.now() + kConnectDeadline)) open.close();
    }(home_, upgraded, *connection));
    opened = co_await upgrade(*connection);
    upgraded.set();
    co_await watching.close();
  }
  co_await or_return(std::move(opened));
  // `stop` found no channel to close while the handshake ran.
  if (stopping_) co_return fail(ErrorCode::kCancelled, "this node is stopping");
  Channel channel(home_, *connection, [this](std::uint16_t method, Payload request) -> Task<Result<Payload>> {
    if (options_.answer) co_return co_await options_.answer(method, std::move(request));
    co_return fail(ErrorCode::kNotSupported, "this side of the channel answers nothing");
  });
  opening_ = &channel;
  async::Gate beside;
  Result<void> greeted = fail(ErrorCode::kTimeout, "the peer did not say hello");
  beside.spawn([](Link* self, Channel* open, Result<void>* result) -> Task<void> {
    *result = co_await self->options_.greet(*open);
    if (!*result) {
      open->close(result->error());
      co_return;
    }
    self->channel_ = open;
    self->trouble_.clear();
    self->up_.store(true, std::memory_order_release);
    self->options_.changed(true);
    co_await self->keep_pinging(*open);
  }(this, &channel, &greeted));
  const Error ended = co_await channel.run();
  opening_ = channel_ = nullptr;
  const bool was_up = up_.exchange(false, std::memory_order_acq_rel);
  stop_.notify_all();  // the pinger
  co_await beside.close();
  if (was_up) options_.changed(false);
  if (!greeted) co_return greeted;
  co_return std::unexpected(ended);
}

Task<Result<void>> Link::upgrade(async::Connection& connection) {
  const std::int64_t now = base::to_nanoseconds(home_.wall_now()) / 1'000'000'000;
  const TokenClaims claims{.from = options_.self,
                           .to = options_.peer,
                           .deployment = options_.deployment(),
                           .expires = now + kTokenSeconds,
                           .nonce = base::to_hex(home_.random().bytes(16))};
  std::string request = "GET ";
  request.append(kChannelPath).append(" HTTP/1.1\r\nHost: ").append(options_.peer);
  request.append("\r\nConnection: upgrade\r\nUpgrade: ").append(kUpgradeName);
  request.append("\r\nAuthorization: ").append(sign_token(options_.secret, claims)).append("\r\n\r\n");
  co_await or_return(async::write_text(connection, std::move(request)));
  std::string answer;
  // Byte by byte to the empty line, so that no byte of the first frame is taken with it.
  while (!answer.ends_with("\r\n\r\n")) {
    std::array<std::byte, 1> one{};
    if (answer.size() >= kMaxUpgradeAnswer || co_await or_return(connection.read(one)) == 0)
      co_return fail(ErrorCode::kMalformed,
                     options_.peer + " does not answer as a node of this version does");
    answer.push_back(static_cast<char>(one[0]));
  }
  if (answer.starts_with("HTTP/1.1 503")) co_return fail(ErrorCode::kBusy, options_.peer + " is starting");
  if (answer.find(kUncertified) != std::string::npos)
    co_return fail(ErrorCode::kAccessDenied,
                   options_.peer +
                       " refused this node's TLS certificate: it is not trusted there, or does not "
                       "name " +
                       host_of(options_.self));
  if (!answer.starts_with("HTTP/1.1 101"))
    co_return fail(ErrorCode::kAccessDenied,
                   options_.peer + " refused this node: another cluster secret, name or version?");
  if (answer.find("\r\nFlashstor-Proof: " + sign_proof(options_.secret, claims) + "\r\n") ==
      std::string::npos)
    co_return fail(ErrorCode::kAccessDenied, options_.peer + " does not have this cluster's secret");
  co_return Result<void>();
}

Task<void> Link::keep_pinging(Channel& channel) {
  while (!channel.closed() && !stopping_) {
    const auto answer = co_await channel.call(options_.ping_method, {}, kPingDeadline);
    if (!answer) {
      channel.close(Error(ErrorCode::kTimeout, options_.peer + " does not answer"));
      co_return;
    }
    co_await stop_.wait_until(home_.now() + kPingPeriod);
  }
}

Task<Result<Payload>> Link::call_home(std::uint16_t method, Payload request, Nanoseconds deadline) {
  if (channel_ == nullptr) co_return fail(ErrorCode::kIo, options_.peer + " is not reachable");
  ++calls_;
  auto answer = co_await channel_->call(method, std::move(request), deadline);
  --calls_;
  co_return answer;
}

Task<Result<Payload>> Link::call(std::uint16_t method, Payload request, Nanoseconds deadline) {
  if (!up()) co_return fail(ErrorCode::kIo, options_.peer + " is not reachable");
  co_return co_await async::run_on(home_, call_home(method, std::move(request), deadline));
}

void Link::notify(std::uint16_t method, Payload request) {
  if (!up()) return;
  if (home_.on_this_thread()) {
    if (channel_ != nullptr) channel_->notify(method, std::move(request));
    return;
  }
  home_.post_function([this, method, request = std::move(request)]() mutable {
    if (channel_ != nullptr) channel_->notify(method, std::move(request));
  });
}

Task<Result<TokenClaims>> accept_upgrade(async::Connection& connection, TokenVerifier& verifier,
                                         std::string secret, std::string token, WallTime now,
                                         bool certified) {
  auto claims = verifier.verify(token, now);
  // Who has the secret may know why; a stranger may not.
  const bool uncertified = claims && certified && !connection.is_certified(host_of(claims->from));
  if (uncertified)
    claims = fail(ErrorCode::kAccessDenied, claims->from + " shows no trusted certificate with its name");
  if (!claims) {
    static_cast<void>(co_await async::write_text(
        connection, fmt::format("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close{}\r\n\r\n",
                                uncertified ? kUncertified : "")));
    co_return claims;
  }
  std::string answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: ";
  answer.append(kUpgradeName).append("\r\nFlashstor-Proof: ").append(sign_proof(secret, *claims));
  answer.append("\r\n\r\n");
  co_await or_return(async::write_text(connection, std::move(answer)));
  co_return claims;
}

}  // namespace flashstor::storage::wire
