#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "engine/async/stream.h"
#include "engine/async/sync.h"
#include "engine/storage/wire/channel.h"
#include "engine/storage/wire/token.h"

namespace flashstor::storage::wire {

/// Where channels are opened, below the node's own port.
inline constexpr std::string_view kChannelPath = "/.flashstor/v1/channel";
inline constexpr std::string_view kUpgradeName = "flashstor-channel";

/// How a link reaches its peer.
struct LinkOptions {
  std::string self;  ///< "host:port" of this node.
  std::string peer;  ///< "host:port" of the other.
  std::string secret;
  std::function<Task<Result<std::unique_ptr<async::Connection>>>(MonotonicTime deadline)> connect;
  std::function<Uuid()> deployment;  ///< Nil while unknown.
  /// Says hello over a new channel and checks the answer; the channel is dropped on an error.
  std::function<Task<Result<void>>(Channel& channel)> greet;
  /// Called on the link's runtime when the peer can be asked, and when it no longer can.
  std::function<void(bool up)> changed;
  std::uint16_t ping_method = 0;
  /// Answers what the peer asks over this channel. Empty: nothing.
  Channel::Handler answer;
};

/// Times of a link.
inline constexpr Milliseconds kConnectDeadline{1000};
inline constexpr Milliseconds kPingPeriod{250};
inline constexpr Milliseconds kPingDeadline{1000};
inline constexpr Milliseconds kFirstRetry{50};
inline constexpr Milliseconds kLastRetry{500};

/// A channel to one peer that is opened again whenever it breaks. A peer that does not answer a ping within a
/// second is down: its calls end at once and later ones fail without waiting.
/// Threads: `call`, `notify` and `up` from any loop; the rest on `home`.
class Link {
 public:
  Link(Runtime& home, LinkOptions options);
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
  ~Link();

  /// Connects, and keeps connecting until `stop`.
  void start();
  Task<void> stop();
  [[nodiscard]] bool up() const { return up_.load(std::memory_order_acquire); }
  /// Why it is not up, in words. On `home`.
  [[nodiscard]] const std::string& trouble() const { return trouble_; }
  [[nodiscard]] const std::string& peer() const { return options_.peer; }

  /// Errors: kIo at once while the peer is down; of Channel::call.
  Task<Result<Payload>> call(std::uint16_t method, Payload request, Nanoseconds deadline);
  void notify(std::uint16_t method, Payload request);

 private:
  Task<void> keep_connected();
  Task<Result<void>> session();
  Task<Result<void>> upgrade(async::Connection& connection);
  Task<void> keep_pinging(Channel& channel);
  Task<Result<Payload>> call_home(std::uint16_t method, Payload request, Nanoseconds deadline);

  Runtime& home_;
  LinkOptions options_;
  Channel* channel_ = nullptr;  // while up
  Channel* opening_ = nullptr;  // while a session runs
  std::string trouble_ = "not reached yet";
  std::atomic<bool> up_{false};
  bool stopping_ = false;
  std::size_t calls_ = 0;  // on home
  async::Signal stop_;
  async::Gate gate_;
};

/// The server's side of the upgrade, once its request was read. `token` is the value of its Authorization
/// header. Answers 101 with a proof, or 403 without a reason. `certified`: only who shows a trusted
/// certificate of the node that it says it is. Errors: why it was refused, for the log.
Task<Result<TokenClaims>> accept_upgrade(async::Connection& connection, TokenVerifier& verifier,
                                         std::string secret, std::string token, WallTime now,
                                         bool certified = false);

}  // namespace flashstor::storage::wire
