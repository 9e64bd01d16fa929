#include "s3d/http/server.h"

#include "engine/async/sync.h"
#include "s3d/http/session.h"

namespace flashstor::s3d {

std::string_view name_of(Refusal refusal) {
  switch (refusal) {
    case Refusal::kMalformed:
      return "malformed";
    case Refusal::kSmuggling:
      return "smuggling";
    case Refusal::kHeaderTooLarge:
      return "header_too_large";
    case Refusal::kSlowHeader:
      return "slow_header";
    case Refusal::kSlowBody:
      return "slow_body";
    case Refusal::kSlowReceiver:
      return "slow_receiver";
    case Refusal::kTooManyConnections:
      return "too_many_connections";
    case Refusal::kNoMemory:
      return "no_memory";
  }
  return "unknown";
}

class HttpServer::Impl {
 public:
  Impl(Runtime& runtime, std::unique_ptr<async::Listener> listener, ServerOptions options,
       HttpHandler& handler)
      : core_(runtime, std::move(options), handler), listener_(std::move(listener)) {
    sweep_.owner = this;
    sweep_.fire = [](async::TimerNode* timer) { static_cast<OwnedTimer*>(timer)->owner->sweep(); };
    grace_.owner = this;
    grace_.fire = [](async::TimerNode* timer) { static_cast<OwnedTimer*>(timer)->owner->break_all(); };
  }
  ~Impl() { FLASHSTOR_CHECK(gate_.running() == 0); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void start() {
    arm_sweep();
    gate_.spawn(accept_all());
  }

  Task<void> stop(Milliseconds grace) {
    core_.stopping = true;
    listener_->close();
    for (Wire* wire = core_.first; wire != nullptr; wire = wire->next()) wire->stop_if_idle();
    grace_.at = core_.runtime.now() + grace;
    core_.runtime.arm(grace_);
    co_await gate_.close();
    core_.runtime.disarm(grace_);
    core_.runtime.disarm(sweep_);
  }

  [[nodiscard]] std::uint16_t port() const { return listener_->port(); }
  [[nodiscard]] const ServerCounters& counters() const { return core_.counters; }

 private:
  struct OwnedTimer : async::TimerNode {
    Impl* owner = nullptr;
  };

  void arm_sweep() {
    sweep_.at = core_.runtime.now() + core_.options.sweep_interval;
    core_.runtime.arm(sweep_);
  }
  void sweep() {
    const MonotonicTime now = core_.runtime.now();
    for (Wire* wire = core_.first; wire != nullptr;) {
      Wire* next = wire->next();
      wire->check(now);
      wire = next;
    }
    arm_sweep();
  }
  void break_all() {
    for (Wire* wire = core_.first; wire != nullptr;) {
      Wire* next = wire->next();
      wire->close();
      wire = next;
    }
  }

  Task<void> accept_all() {
    for (;;) {
      auto connection = co_await listener_->accept();
      if (!connection) co_return;
      ++core_.counters.accepted;
      if (core_.counters.open_connections < core_.options.max_connections) {
        gate_.spawn(run_session(core_, std::move(*connection)));
      } else {
        core_.handler.on_refused(Refusal::kTooManyConnections, (*connection)->peer());
        (*connection)->close();
      }
    }
  }
  static Task<void> run_session(ServerCore& core, std::unique_ptr<async::Connection> connection) {
    Session session(core, std::move(connection));
    co_await session.run();
  }

  ServerCore core_;
  std::unique_ptr<async::Listener> listener_;
  async::Gate gate_;
  OwnedTimer sweep_;
  OwnedTimer grace_;
};

HttpServer::HttpServer(Runtime& runtime, std::unique_ptr<async::Listener> listener, ServerOptions options,
                       HttpHandler& handler)
    : impl_(std::make_unique<Impl>(runtime, std::move(listener), std::move(options), handler)) {}
HttpServer::~HttpServer() = default;
void HttpServer::start() { impl_->start(); }
Task<void> HttpServer::stop(Milliseconds grace) { return impl_->stop(grace); }
std::uint16_t HttpServer::port() const { return impl_->port(); }
const ServerCounters& HttpServer::counters() const { return impl_->counters(); }

}  // namespace flashstor::s3d
