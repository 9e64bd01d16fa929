#include <fmt/format.h>

#include "engine/base/codec.h"
#include "engine/base/log.h"
#include "engine/cluster/peers/peers.h"

// What this node answers to the others.
namespace flashstor::cluster {

namespace wire = storage::wire;
using wire::Method;
using wire::Payload;

Task<void> Peers::serve(async::Connection& connection, std::string token) {
  Runtime& runtime = *Runtime::current();
  const auto claims = co_await wire::accept_upgrade(connection, verifier_, options_.secret, std::move(token),
                                                    runtime.wall_now(), options_.spread.tls);
  if (!claims) {
    // A peer that is refused comes again at once, each time from another port.
    const std::string peer = connection.peer();
    const std::string host = peer.substr(0, peer.rfind(':'));
    const std::string_view why = claims.error().message();
    if (const auto times = refused_.count(fmt::format("{} {}", host, why), runtime.now()))
      base::log_warning("a channel from {} was refused: {}{}", host, why, base::times_words(*times));
    co_return;
  }
  // Who has the secret and is no node of the list is a gateway: it asks, and has no part in any consensus.
  const auto from = number_of_node(claims->from);
  bool greeted = false;
  GuestRef guest;
  wire::Channel* opened = nullptr;
  wire::Channel channel(
      runtime, connection, [&, this](std::uint16_t method, Payload request) -> Task<Result<Payload>> {
        if (greeted && !from && !guest) guest = welcome_guest(claims->from, *opened);
        if (greeted && method >= wire::number_of(Method::kDrives) &&
            method <= wire::number_of(Method::kQuery))
          return answer_set(static_cast<Method>(method), std::move(request), from);
        if (greeted &&
            ((method >= wire::number_of(Method::kSetView) && method <= wire::number_of(Method::kReports)) ||
             method == wire::number_of(Method::kFillStatus)))
          return answer_keeper(static_cast<Method>(method), std::move(request));
        return answer(greeted, method, std::move(request));
      });
  opened = &channel;
  static_cast<void>(co_await channel.run());
  if (guest) part_from_guest(claims->from, guest);
}

Task<Result<Payload>> Peers::answer(bool& greeted, std::uint16_t method, Payload request) {
  if (method == wire::number_of(Method::kPing)) co_return Payload();
  if (method == wire::number_of(Method::kHello)) {
    const Hello other = co_await or_return(decode_hello(request.head.view()));
    const Hello own = hello();
    co_await or_return(check_hello(own, other));
    greeted = true;
    co_return wire::payload_of(encode_hello(own));
  }
  if (!greeted) co_return fail(ErrorCode::kAccessDenied, "say hello first");
  if (wire::is_drive_method(method))
    co_return co_await drives_.handle(static_cast<Method>(method), std::move(request));
  if (method == wire::number_of(Method::kBadShards)) co_return take_bad_shards(request);
  if (method == wire::number_of(Method::kPinned)) co_return answer_pinned(request);
  if (method == wire::number_of(Method::kEpochChanged)) {
    std::function<Task<void>()> taken;
    {
      const std::lock_guard lock(mutex_);
      taken = change_taken_;
    }
    if (taken) co_await taken();
    co_return Payload();
  }
  co_return fail(ErrorCode::kNotSupported, "this version does not know that call");
}

Result<Payload> Peers::take_bad_shards(const Payload& request) {
  auto bad = decode_bad_shards(request.head.view());
  if (!bad) return std::unexpected(std::move(bad).error());
  if (ErasureSet* set = find_set(bad->set)) set->told_bad(std::move(bad->items));
  return Payload();
}

void Peers::take_bundle(std::uint32_t from, const Payload& request) {
  auto bundle = decode_bundle(request);
  if (!bundle) {
    base::log_warning("{}: {}", options_.spread.nodes[from], bundle.error().message());
    return;
  }
  if (ErasureSet* set = find_set(bundle->set)) set->receive(from, std::move(*bundle));
}

Task<Result<Payload>> Peers::answer_set(Method method, Payload request, std::optional<std::uint32_t> from) {
  if (method == Method::kConsensus) {
    if (!from) co_return fail(ErrorCode::kAccessDenied, "a gateway has no members");
    take_bundle(*from, request);
    co_return Payload();
  }
  if (method == Method::kDrives) {
    const std::lock_guard lock(mutex_);
    if (!reports_) co_return fail(ErrorCode::kBusy, "this node has not looked at its drives yet");
    co_return wire::payload_of(encode_reports(*reports_));
  }
  if (method == Method::kExecute) {
    auto forwarded = co_await or_return(decode_command(request));
    ErasureSet* set = find_set(forwarded.set);
    if (set == nullptr) co_return fail(ErrorCode::kNotLeader);
    if (forwarded.staged != 0) set->adopt_staged(forwarded.command.data.id, forwarded.staged);
    const auto result = co_await set->execute(std::move(forwarded.command));
    if (!result) co_return std::unexpected(result.error());
    co_return wire::payload_of(encode_result(*result));
  }
  ByteReader in(request.head.view());
  const auto index = static_cast<std::uint32_t>(in.varint());
  const CommandKind kind = in.u16();
  std::string payload(in.bytes());
  if (!in.ok() || !in.at_end()) co_return fail(ErrorCode::kMalformed, "a query does not parse");
  ErasureSet* set = find_set(index);
  if (set == nullptr) co_return fail(ErrorCode::kNotLeader);
  const std::string answer = co_await or_return(set->query(kind, std::move(payload)));
  co_return wire::payload_of(answer);
}

}  // namespace flashstor::cluster
