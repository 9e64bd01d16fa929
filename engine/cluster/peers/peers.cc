#include "engine/cluster/peers/peers.h"

#include <algorithm>

#include "engine/async/gather.h"
#include "engine/base/log.h"

namespace flashstor::cluster {

namespace wire = storage::wire;
using wire::Method;

class Peers::Caller final : public storage::PeerCaller {
 public:
  explicit Caller(Node& node) : node_(node) {}
  Task<Result<wire::Payload>> call(Method method, wire::Payload request, Nanoseconds deadline) override {
    return node_.data->call(wire::number_of(method), std::move(request), deadline);
  }
  [[nodiscard]] bool reachable() const override { return node_.data->up(); }

 private:
  Node& node_;
};

Peers::Peers(PeersOptions options)
    : options_(std::move(options)),
      process_(Uuid::make(options_.home->random())),
      verifier_(options_.secret, options_.spread.nodes[options_.spread.self]) {
  for (std::uint32_t index = 0; index < options_.spread.nodes.size(); ++index) {
    auto node = std::make_unique<Node>();
    node->name = options_.spread.nodes[index];
    if (index != options_.spread.self) {
      wire::LinkOptions link;
      link.self = options_.spread.nodes[options_.spread.self];
      link.peer = node->name;
      link.secret = options_.secret;
      link.connect = [this, name = node->name](MonotonicTime deadline) {
        return options_.connect(name, deadline);
      };
      link.deployment = [this] { return deployment(); };
      link.greet = [this](wire::Channel& channel) { return greet(channel); };
      link.ping_method = wire::number_of(Method::kPing);
      if (options_.spread.gateway)
        link.answer = [this](std::uint16_t method, wire::Payload request) {
          return answer_as_guest(method, std::move(request));
        };
      link.changed = [](bool) {};
      node->data = std::make_unique<wire::Link>(*options_.home, link);
      link.changed = [this, index](bool up) { told(index, up); };
      node->consensus = std::make_unique<wire::Link>(*options_.home, std::move(link));
      node->caller = std::make_unique<Caller>(*node);
    }
    nodes_.push_back(std::move(node));
  }
}

Peers::~Peers() = default;

void Peers::start() {
  for (const auto& node : nodes_) {
    if (node->data == nullptr) continue;
    node->consensus->start();
    node->data->start();
  }
  if (!options_.spread.gateway) return;
  for (std::uint32_t node = 0; node < nodes_.size(); ++node)
    if (nodes_[node]->data != nullptr) gate_.spawn(keep_asking(node));
}

Task<void> Peers::stop() {
  stopping_ = true;
  stop_.notify_all();
  std::vector<Task<void>> stopping;
  for (const auto& node : nodes_) {
    if (node->data == nullptr) continue;
    stopping.push_back(node->consensus->stop());
    stopping.push_back(node->data->stop());
  }
  co_await async::gather(std::move(stopping));
  co_await gate_.close();
}

void Peers::told(std::uint32_t node, bool up) {
  base::log_info("{} {}", nodes_[node]->name, up ? "answers" : "does not answer any more");
  const std::lock_guard lock(mutex_);
  for (ErasureSet* set : sets_) set->node_changed(node, up);
}

bool Peers::is_up(std::uint32_t node) const {
  return node == options_.spread.self || (nodes_[node]->data->up() && nodes_[node]->consensus->up());
}

std::string Peers::troubles() const {
  std::string words;
  for (std::uint32_t node = 0; node < nodes_.size(); ++node) {
    if (is_up(node)) continue;
    if (!words.empty()) words += "; ";
    const std::string& why =
        nodes_[node]->data->up() ? nodes_[node]->consensus->trouble() : nodes_[node]->data->trouble();
    words += why.find(nodes_[node]->name) == std::string::npos ? nodes_[node]->name + ": " + why : why;
  }
  return words;
}

Uuid Peers::deployment() const {
  const std::lock_guard lock(mutex_);
  return deployment_;
}

void Peers::set_deployment(const Uuid& id) {
  const std::lock_guard lock(mutex_);
  deployment_ = id;
}

void Peers::set_reports(std::vector<DriveReport> reports) {
  const std::lock_guard lock(mutex_);
  reports_ = std::move(reports);
}

void Peers::add_set(ErasureSet& set) {
  const std::lock_guard lock(mutex_);
  sets_.push_back(&set);
  for (std::uint32_t node = 0; node < nodes_.size(); ++node)
    if (node != options_.spread.self && nodes_[node]->consensus->up()) set.node_changed(node, true);
}

void Peers::remove_sets() {
  drives_.remove_all();
  const std::lock_guard lock(mutex_);
  sets_.clear();
  keepers_.clear();
}

void Peers::on_change(std::function<Task<void>()> taken) {
  const std::lock_guard lock(mutex_);
  change_taken_ = std::move(taken);
}

ErasureSet* Peers::find_set(std::uint32_t index) {
  const std::lock_guard lock(mutex_);
  return index < sets_.size() ? sets_[index] : nullptr;
}

storage::PeerCaller& Peers::caller(std::uint32_t node) { return *nodes_[node]->caller; }

std::optional<std::uint32_t> Peers::number_of_node(std::string_view name) const {
  const auto found = std::ranges::find(options_.spread.nodes, name);
  if (found == options_.spread.nodes.end()) return std::nullopt;
  return static_cast<std::uint32_t>(found - options_.spread.nodes.begin());
}

Hello Peers::hello() const {
  return {.version = options_.version,
          .node = options_.spread.nodes[options_.spread.self],
          .layout = options_.spread.text(),
          .parity = options_.parity,
          .deployment = deployment(),
          .clock = base::to_nanoseconds(Runtime::current()->wall_now()),
          .process = process_,
          .root = options_.root};
}

Task<Result<void>> Peers::greet(wire::Channel& channel) {
  const auto answer = co_await or_return(channel.call(
      wire::number_of(Method::kHello), wire::payload_of(encode_hello(hello())), kNoticeDeadline));
  const Hello other = co_await or_return(decode_hello(answer.head.view()));
  co_return check_hello(hello(), other);
}

void Peers::send(std::uint32_t node, Bundle bundle) {
  wire::Link* link = nodes_[node]->consensus.get();
  if (link != nullptr && link->up()) link->notify(wire::number_of(Method::kConsensus), encode_bundle(bundle));
}

void Peers::send_bad(std::uint32_t node, std::uint32_t set, std::vector<HealItem> bad) {
  wire::Link* link = nodes_[node]->data.get();
  const BadShards out{.set = set, .items = std::move(bad)};
  if (link != nullptr && link->up())
    link->notify(wire::number_of(Method::kBadShards), wire::payload_of(encode_bad_shards(out)));
}

Task<Result<std::vector<DriveReport>>> Peers::reports_of(std::uint32_t node) {
  const auto answer = co_await or_return(
      nodes_[node]->data->call(wire::number_of(Method::kDrives), {}, storage::kPeerSmallCall));
  co_return decode_reports(answer.head.view());
}

Task<Result<CommandResult>> Peers::execute(std::uint32_t node, std::uint32_t set, const Command& command,
                                           std::uint32_t staged) {
  if (!is_up(node)) co_return fail(ErrorCode::kNotLeader);
  Runtime& runtime = *Runtime::current();
  const MonotonicTime deadline = runtime.now() + kForwardDeadline;
  auto answer = co_await nodes_[node]->data->call(wire::number_of(Method::kExecute),
                                                  encode_command(set, command, staged), kForwardDeadline);
  if (!answer) {
    const ErrorCode code = answer.error().code();
    // The leader's own kTimeout says that nothing was changed; one of the channel says nothing.
    const bool of_channel = code == ErrorCode::kTimeout && (!is_up(node) || runtime.now() >= deadline);
    if (code == ErrorCode::kIo || of_channel)
      co_return fail(ErrorCode::kUnknownOutcome, nodes_[node]->name + " fell silent during the change");
    co_return std::unexpected(std::move(answer).error());
  }
  co_return decode_result(answer->head.view());
}

Task<Result<std::string>> Peers::query(std::uint32_t node, std::uint32_t set, CommandKind kind,
                                       std::string payload) {
  ByteWriter out;
  out.varint(set).u16(kind).bytes(payload);
  const auto answer = co_await or_return(nodes_[node]->data->call(
      wire::number_of(Method::kQuery), wire::payload_of(out.take()), kForwardDeadline));
  co_return std::string(answer.head.view());
}

Task<void> Peers::tell_change() {
  const auto tell = [](wire::Link* link) -> Task<bool> {
    co_return (co_await link->call(wire::number_of(Method::kEpochChanged), {}, kNoticeDeadline)).has_value();
  };
  std::vector<Task<bool>> telling;
  for (const auto& node : nodes_)
    if (node->data != nullptr && node->data->up()) telling.push_back(tell(node->data.get()));
  co_await async::gather(std::move(telling));
}

}  // namespace flashstor::cluster
