#include "engine/base/codec.h"
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
  if (!in.ok()) co_return fail(ErrorCode::kMalformed, "a peer's answer does not parse");
  start.base = co_await or_return(storage::decode_fill_base(in.rest()));
  co_return start;
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

Task<Result<Payload>> Peers::answer_keeper(Method method, Payload request) {
  ByteReader in(request.head.view());
  const auto set = static_cast<std::uint32_t>(in.varint());
  const bool of_session = method == Method::kFillRows || method == Method::kFillClose;
  const Uuid session = of_session ? Uuid::from_bytes(in.raw(16)) : Uuid();
  const std::uint8_t family = method == Method::kFillRows ? in.u8() : 0;
  const bool has_text = method == Method::kFillRows || method == Method::kRaise;
  std::string from(has_text ? in.bytes() : std::string_view());
  if (!in.ok() || !in.at_end() || family >= storage::kFamilies)
    co_return fail(ErrorCode::kMalformed, "a peer's request does not parse");
  std::optional<Task<Result<std::string>>> asked;
  {
    // A keeper counts the call before the lock is let go, and waits for it when it stops.
    const std::lock_guard lock(mutex_);
    const auto found = keepers_.find(set);
    if (found == keepers_.end()) co_return fail(ErrorCode::kNotLeader);
    asked.emplace(found->second->answer(method, session, static_cast<Family>(family), std::move(from)));
  }
  co_return wire::payload_of(co_await or_return(std::move(*asked)));
}

}  // namespace flashstor::cluster
