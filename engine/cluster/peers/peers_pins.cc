#include <algorithm>

#include "engine/async/gather.h"
#include "engine/cluster/limits.h"
#include "engine/cluster/peers/peers.h"

// Which slices that are to be freed readers on other nodes use. A gateway is not in the list of nodes: it is
// asked over the channels that it has opened to this one.
namespace flashstor::cluster {

namespace wire = storage::wire;
using wire::Method;
using wire::Payload;

namespace {

PinAnswer answer_of(std::string holder, std::uint32_t set, Result<Payload> answer) {
  PinAnswer out{.holder = std::move(holder), .answered = false, .pinned = {}};
  if (!answer) return out;
  auto slices = decode_slice_ids(answer->head.view());
  out.answered = slices.has_value() && slices->set == set;
  if (out.answered) out.pinned = std::move(slices->ids);
  return out;
}

}  // namespace

Task<std::vector<PinAnswer>> Peers::ask_pinned(std::uint32_t set, std::vector<DataId> ids) {
  const std::string question = encode_slice_ids({.set = set, .ids = std::move(ids)});
  const auto ask_node = [](const Node* node, std::uint32_t which, std::string text) -> Task<PinAnswer> {
    co_return answer_of(node->name, which,
                        co_await node->data->call(wire::number_of(Method::kPinned), wire::payload_of(text),
                                                  storage::kPeerSmallCall));
  };
  const auto ask_guest = [](std::string name, std::vector<GuestRef> channels, std::uint32_t which,
                            std::string text) -> Task<PinAnswer> {
    PinAnswer out{.holder = std::move(name), .answered = false, .pinned = {}};
    // The newest first: of one whose machine went down this node may not have heard.
    for (auto guest = channels.rbegin(); guest != channels.rend() && !out.answered; ++guest)
      out = answer_of(std::move(out.holder), which,
                      co_await async::run_on(*(*guest)->runtime, call_guest(*guest, text)));
    co_return out;
  };
  std::vector<Task<PinAnswer>> asking;
  for (const auto& node : nodes_)
    if (node->data != nullptr) asking.push_back(ask_node(node.get(), set, question));
  for (auto& [name, channels] : guests_now()) asking.push_back(ask_guest(name, channels, set, question));
  co_return co_await async::gather(std::move(asking));
}

// On the loop of the channel, which may have ended. A gateway asks for a sign of life at shorter periods than
// this deadline: that it does not answer it means that the channel is dead.
Task<Result<Payload>> Peers::call_guest(GuestRef guest, std::string question) {
  if (guest->channel == nullptr) co_return fail(ErrorCode::kIo, "the channel has ended");
  auto answer = co_await guest->channel->call(wire::number_of(Method::kPinned), wire::payload_of(question),
                                              storage::kPeerSmallCall);
  if (!answer && answer.error().code() == ErrorCode::kTimeout && guest->channel != nullptr)
    guest->channel->close(answer.error());
  co_return answer;
}

Result<Payload> Peers::answer_pinned(const Payload& request) {
  auto slices = decode_slice_ids(request.head.view());
  if (!slices) return std::unexpected(std::move(slices).error());
  {
    const std::lock_guard lock(mutex_);
    if (slices->set >= sets_.size()) return fail(ErrorCode::kBusy, "this node is starting or stopping");
    slices->ids = sets_[slices->set]->pinned_of(slices->ids);
  }
  return wire::payload_of(encode_slice_ids(*slices));
}

Task<Result<Payload>> Peers::answer_as_guest(std::uint16_t method, Payload request) {
  if (method == wire::number_of(Method::kPinned)) co_return answer_pinned(request);
  co_return fail(ErrorCode::kNotSupported, "a gateway does not answer that");
}

Peers::GuestRef Peers::welcome_guest(const std::string& name, wire::Channel& channel) {
  auto guest = std::make_shared<Guest>(Runtime::current(), &channel);
  const std::lock_guard lock(mutex_);
  guests_[name].channels.push_back(guest);
  return guest;
}

void Peers::part_from_guest(const std::string& name, const GuestRef& guest) {
  guest->channel = nullptr;
  const std::lock_guard lock(mutex_);
  GuestNode& node = guests_[name];
  std::erase(node.channels, guest);
  node.seen = Runtime::current()->now();
}

std::vector<std::pair<std::string, std::vector<Peers::GuestRef>>> Peers::guests_now() {
  const MonotonicTime now = Runtime::current()->now();
  std::vector<std::pair<std::string, std::vector<GuestRef>>> out;
  const std::lock_guard lock(mutex_);
  std::erase_if(guests_, [now](const auto& guest) {
    return guest.second.channels.empty() && now >= guest.second.seen + limits::kGuestKept;
  });
  for (const auto& [name, guest] : guests_) out.emplace_back(name, guest.channels);
  return out;
}

}  // namespace flashstor::cluster
