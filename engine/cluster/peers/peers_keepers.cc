#include <algorithm>

#include "engine/async/gather.h"
#include "engine/base/codec.h"
#include "engine/cluster/leaderless.h"
#include "engine/cluster/member_state.h"
#include "engine/cluster/peers/peers.h"

// What the keepers of a set's drives ask each other: who takes part, and the rows that a new drive is filled
// with.
namespace flashstor::cluster {

namespace wire = storage::wire;
using wire::Method;
using wire::Payload;

namespace {

ByteWriter address(std::uint32_t set) {
  ByteWriter out;
  out.varint(set);
  return out;
}

}  // namespace

void Peers::add_keeper(std::uint32_t set, DriveKeeper& keeper) {
  const std::lock_guard lock(mutex_);
  keepers_[set] = &keeper;
}

Task<Result<SetView>> Peers::view(std::uint32_t node, std::uint32_t set) {
  const auto answer = co_await or_return(
      caller(node).call(Method::kSetView, wire::payload_of(address(set).take()), storage::kPeerSmallCall));
  co_return decode_view(answer.head.view());
}

Task<Result<FillStart>> Peers::open_fill(std::uint32_t node, std::uint32_t set) {
  const auto answer = co_await or_return(
      caller(node).call(Method::kFillOpen, wire::payload_of(address(set).take()), storage::kPeerSlowCall));
  ByteReader in(answer.head.view());
  FillStart start;
  start.session = Uuid::from_bytes(in.raw(16));
  start.bytes = in.varint();
  if (!in.ok()) co_return fail(ErrorCode::kMalformed, "a peer's answer does not parse");
  start.base = co_await or_return(storage::decode_fill_base(in.rest()));
  co_return start;
}

Task<Result<FillStatus>> Peers::fills(std::uint32_t node, std::uint32_t set) {
  const auto answer = co_await or_return(
      caller(node).call(Method::kFillStatus, wire::payload_of(address(set).take()), storage::kPeerSmallCall));
  co_return decode_fill_status(answer.head.view());
}

Task<Result<storage::RowPage>> Peers::fill_rows(std::uint32_t node, std::uint32_t set, Uuid session,
                                                Family family, std::string from) {
  ByteWriter out = address(set);
  out.append(session.to_bytes()).u8(static_cast<std::uint8_t>(family)).bytes(from);
  const auto answer = co_await or_return(
      caller(node).call(Method::kFillRows, wire::payload_of(out.take()), storage::kPeerDataCall));
  co_return storage::decode_page(answer.head.view());
}

Task<Result<std::vector<Standing>>> Peers::standing(std::uint32_t node, std::uint32_t set) {
  const auto answer = co_await or_return(
      caller(node).call(Method::kStanding, wire::payload_of(address(set).take()), storage::kPeerSmallCall));
  co_return decode_standing(answer.head.view());
}

Task<Result<void>> Peers::raise(std::uint32_t node, std::uint32_t set, RecoverPlan plan) {
  ByteWriter out = address(set);
  out.bytes(encode_plan(plan));
  co_await or_return(caller(node).call(Method::kRaise, wire::payload_of(out.take()), storage::kPeerSlowCall));
  co_return Result<void>();
}

Task<void> Peers::close_fill(std::uint32_t node, std::uint32_t set, Uuid session) {
  ByteWriter out = address(set);
  out.append(session.to_bytes());
  static_cast<void>(
      co_await caller(node).call(Method::kFillClose, wire::payload_of(out.take()), storage::kPeerSmallCall));
}

// Nodes with drives tell each other; a gateway, which they do not know, asks.
Task<void> Peers::keep_asking(std::uint32_t node) {
  while (!stopping_) {
    for (std::uint32_t index = 0; is_up(node) && !stopping_; ++index) {
      ErasureSet* set = find_set(index);
      if (set == nullptr || !co_await ask_reports(node, *set, index)) break;
    }
    co_await stop_.wait_until(options_.home->now() + kReportPeriod);
  }
}

Task<bool> Peers::ask_reports(std::uint32_t node, ErasureSet& set, std::uint32_t index) {
  const auto answer = co_await caller(node).call(Method::kReports, wire::payload_of(address(index).take()),
                                                 storage::kPeerSmallCall);
  if (!answer) co_return false;
  auto bundle = decode_bundle(*answer);
  // The set may have been closed meanwhile.
  if (!bundle || !bundle->messages.empty() || find_set(index) != &set) co_return false;
  set.receive(node, std::move(*bundle));
  co_return true;
}

Task<Result<Payload>> Peers::answer_keeper(Method method, Payload request) {
  ByteReader in(request.head.view());
  const auto set = static_cast<std::uint32_t>(in.varint());
  const bool of_session = method == Method::kFillRows || method == Method::kFillClose;
  const Uuid session = of_session ? Uuid::from_bytes(in.raw(16)) : Uuid();
  const std::uint8_t family = method == Method::kFillRows ? in.u8() : 0;
  const bool has_text =
      method == Method::kFillRows || method == Method::kRaise || method == Method::kQueryLeaderless;
  std::string from(has_text ? in.bytes() : std::string_view());
  if (!in.ok() || !in.at_end() || family >= storage::kFamilies)
    co_return fail(ErrorCode::kMalformed, "a peer's request does not parse");
  if (method == Method::kReports) {
    ErasureSet* here = find_set(set);
    if (here == nullptr) co_return fail(ErrorCode::kBusy, "this node is starting");
    co_return encode_bundle(co_await here->reports());
  }
  if (method == Method::kQueryLeaderless) {
    ErasureSet* here = find_set(set);
    if (here == nullptr) co_return fail(ErrorCode::kNotLeader);
    co_return wire::payload_of(
        co_await or_return(here->query_leaderless(co_await or_return(decode_leaderless(from)))));
  }
  auto asked = ask_keeper(set, method, session, static_cast<Family>(family), std::move(from));
  if (!asked) co_return fail(ErrorCode::kNotLeader);
  co_return wire::payload_of(co_await or_return(std::move(*asked)));
}

// A keeper counts the call before the lock is let go, and waits for it when it stops.
std::optional<Task<Result<std::string>>> Peers::ask_keeper(std::uint32_t set, Method method, Uuid session,
                                                           Family family, std::string text) {
  const std::lock_guard lock(mutex_);
  const auto found = keepers_.find(set);
  if (found == keepers_.end()) return std::nullopt;
  return found->second->answer(method, session, family, std::move(text));
}

Task<Result<std::string>> Peers::query_leaderless(std::uint32_t set, CommandKind kind, std::string payload) {
  const std::uint32_t self = options_.spread.self;
  const auto ask = [](Peers* peers, std::uint32_t node, std::uint32_t which) -> Task<std::vector<Standing>> {
    Result<std::vector<Standing>> there = fail(ErrorCode::kNotLeader);
    if (node != peers->options_.spread.self) {
      there = co_await peers->standing(node, which);
    } else if (auto own = peers->ask_keeper(which, Method::kStanding, {}, {}, {})) {
      const auto text = co_await std::move(*own);
      if (text) there = decode_standing(*text);
    }
    co_return there ? std::move(*there) : std::vector<Standing>{};
  };
  std::vector<Task<std::vector<Standing>>> asking;
  for (std::uint32_t node = 0; node < nodes_.size(); ++node)
    if (is_up(node)) asking.push_back(ask(this, node, set));
  std::vector<Standing> standing;
  for (auto& there : co_await async::gather(std::move(asking)))
    std::ranges::move(there, std::back_inserter(standing));
  LeaderlessQuery query = co_await or_return(leaderless_query(standing, kind, std::move(payload)));
  const std::uint32_t node = options_.spread.drive(set, slot_of_member(query.member)).node;
  if (node == self) {
    ErasureSet* here = find_set(set);
    if (here == nullptr) co_return fail(ErrorCode::kNotLeader);
    co_return co_await here->query_leaderless(std::move(query));
  }
  ByteWriter out = address(set);
  out.bytes(encode_leaderless(query));
  const auto answer = co_await or_return(
      caller(node).call(Method::kQueryLeaderless, wire::payload_of(out.take()), kForwardDeadline));
  co_return std::string(answer.head.view());
}

}  // namespace flashstor::cluster
