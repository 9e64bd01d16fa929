#include "tests/sim/net_node.h"

#include <algorithm>
#include <utility>

#include "engine/storage/wire/link.h"

namespace flashstor::sim {
namespace {

constexpr std::size_t kMaxRequestHead = 4096;
/// No call is given up, and nothing happens on threads of its own.
constexpr storage::GuardOptions kPatience{
    .append_deadline = std::chrono::hours(1),
    .apply_deadline = std::chrono::hours(1),
    .read_deadline = std::chrono::hours(1),
    .slow_deadline = std::chrono::hours(1),
    .apart = [](std::function<void()> body) { body(); }};  // NOLINT(performance-unnecessary-value-param)

std::string header_of(const std::string& head, std::string_view name) {
  const std::size_t at = head.find("\r\n" + std::string(name) + ": ");
  if (at == std::string::npos) return {};
  const std::size_t begin = at + 4 + name.size();
  return head.substr(begin, head.find("\r\n", begin) - begin);
}

}  // namespace

NetNode::NetNode(SimWorld& world, NetNodeParts parts)
    : ProcessNode(world, parts.life, parts.skew), parts_(std::move(parts)), peers_(peers_options()) {}

cluster::PeersOptions NetNode::peers_options() {
  cluster::PeersOptions out;
  out.spread = parts_.spread;
  out.secret = parts_.secret;
  out.version = "simulated";
  out.parity = cluster::ClusterOptions::kDefaultParity;
  out.home = &runtime_;
  out.connect = [this](std::string node, MonotonicTime deadline) {
    return parts_.network->connect(runtime_, place(), std::move(node), deadline);
  };
  return out;
}

void NetNode::start() {
  opening_ = true;
  parts_.network->begin(place(), runtime_, [this](std::unique_ptr<async::Connection> connection) {
    runtime_.post_function(
        [this, connection = std::move(connection)]() mutable { accept(std::move(connection)); });
  });
  runtime_.enter([this] { async::start_detached(open_all()); });
}

Task<void> NetNode::open_all() {
  cluster::ClusterOptions options;
  options.loops = {&runtime_};
  options.pool = &pool_;
  options.registry = parts_.registry;
  options.make_pool = [this](const char*) {
    return std::make_unique<SimWorkPool>(runtime_.world(), Milliseconds(1));
  };
  options.guard = kPatience;
  options.defects = parts_.defects;
  options.io = parts_.io;
  options.peers = &peers_;
  options.progress = parts_.progress;
  options.cancelled = [this] { return killed || finishing; };
  options.open_drive = [this](const std::string& path) -> Result<std::unique_ptr<storage::StorageApi>> {
    if (killed) return fail(ErrorCode::kIo, "the process is gone");
    OpenedDrive drive = parts_.open_drive(path);
    if (drive.refusal) return std::unexpected(std::move(*drive.refusal));
    if (!drive.storage) return fail(ErrorCode::kIo, path + " does not answer");
    return adopt(std::move(drive));
  };
  if (parts_.open_rows)
    options.open_rows = [this](const std::string& path) -> Result<std::unique_ptr<storage::RowStore>> {
      if (killed) return fail(ErrorCode::kIo, "the process is gone");
      return parts_.open_rows(path);
    };
  auto opened = co_await cluster::Cluster::open_spread(std::move(options));
  opening_ = false;
  if (!opened) {
    failure_ = opened.error().describe();
    failed = true;
    co_return;
  }
  cluster_ = std::move(*opened);
  store_ = std::make_unique<objects::ObjectStore>(*cluster_, epoch_, runtime_.random(), parts_.options);
  ready = !killed && !finishing;
}

// What the node's HTTP door does with a request for a channel.
void NetNode::accept(std::unique_ptr<async::Connection> connection) {
  if (!door_open_ || killed) return;
  ++running_;
  async::start_detached(counted(serve(std::move(connection))));
}

Task<void> NetNode::serve(std::unique_ptr<async::Connection> connection) {
  const std::uint64_t number = next_connection_++;
  serving_[number] = connection.get();
  std::string head;
  while (!head.ends_with("\r\n\r\n") && head.size() < kMaxRequestHead) {
    std::array<std::byte, 1> one{};
    const auto got = co_await connection->read(one);
    if (!got || *got == 0) break;
    head.push_back(static_cast<char>(one[0]));
  }
  const bool asks = head.starts_with("GET " + std::string(storage::wire::kChannelPath) + " HTTP/1.1\r\n") &&
                    header_of(head, "Upgrade") == storage::wire::kUpgradeName;
  if (asks && door_open_) co_await peers_.serve(*connection, header_of(head, "Authorization"));
  serving_.erase(number);
}

void NetNode::kill(bool silent) {
  killed = true;
  ready = false;
  runtime_.resume();
  cut_off_drives();
  parts_.network->kill(place(), runtime_, silent);
}

void NetNode::finish() {
  ready = false;
  finishing = true;
  runtime_.resume();
  runtime_.enter([this] { async::start_detached(close_all()); });
}

Task<void> NetNode::close_all() {
  phase_ = "starting";
  while (opening_) co_await async::sleep_for(runtime_, Milliseconds(10));
  phase_ = "handing over";
  if (cluster_ && !killed) co_await cluster_->hand_over();
  door_open_ = false;
  parts_.network->refuse(place(), runtime_);
  for (const auto& [number, connection] : serving_) connection->close();
  // As the node's servers do, which end before the engine is closed.
  phase_ = "waiting for calls";
  while (running_ > 0) co_await async::sleep_for(runtime_, Milliseconds(10));
  phase_ = "closing the cluster";
  if (cluster_) co_await cluster_->close();
  phase_ = "ending links";
  co_await peers_.stop();
  phase_ = "waiting for drives";
  while (drives_busy()) co_await async::sleep_for(runtime_, Milliseconds(10));
  phase_ = "closing the store";
  if (store_) co_await store_->close();
  parts_.network->kill(place(), runtime_, false);
  gone = true;
}

void NetNode::drop_parts() {
  store_.reset();
  cluster_.reset();
}

bool NetNode::leads(std::uint64_t& terms) const {
  terms = 0;
  return false;
}

}  // namespace flashstor::sim
