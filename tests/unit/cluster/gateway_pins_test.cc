#include "tests/sim/sim_network.cc"  // NOLINT(bugprone-suspicious-include): the simulator is not a library
#include "tests/unit/cluster/spread_fixture.h"

#include "engine/cluster/limits.h"
#include "engine/cluster/peers/peers.h"

// A gateway is in no list of nodes: the nodes that it has channels to ask it what its readers use.
namespace flashstor::cluster {
namespace {

class GatewayPins : public SpreadSetTest {
 protected:
  GatewayPins() {
    door_.enter([this] { node_ = std::make_unique<Peers>(options("a:1", {"a:1"}, door_)); });
    network_.begin(0, door_, [this](std::unique_ptr<async::Connection> connection) {
      door_.post_function([this, connection = std::move(connection)]() mutable {
        async::start_detached(serve(std::move(connection)));
      });
    });
    network_.begin(1, gateway_home(), [](const std::unique_ptr<async::Connection>&) {});
    // Its part of the set is that of a node of the fixture.
    gateway_home().enter([this] {
      PeersOptions as_gateway = options("g:1", {"a:1", "g:1"}, gateway_home());
      as_gateway.spread.self = 1;
      as_gateway.spread.gateway = true;
      gateway_ = std::make_unique<Peers>(std::move(as_gateway));
      gateway_->add_set(*nodes_[2]->set);
      gateway_->start();
    });
  }
  ~GatewayPins() override {
    if (gateway_) stop_gateway();
  }
  void stop_gateway() {
    gateway_->remove_sets();
    gateway_home().run_until(gateway_->stop());
    gateway_home().enter([this] { gateway_.reset(); });
    world_.run_for(std::chrono::seconds(1));
  }

  [[nodiscard]] sim::SimRuntime& gateway_home() { return nodes_[2]->runtime; }
  PeersOptions options(const std::string& name, std::vector<std::string> list, sim::SimRuntime& home) {
    PeersOptions out;
    out.spread.nodes = std::move(list);
    out.spread.set_drives = 1;
    out.spread.drives.push_back({.node = 0, .path = "/d", .set = 0, .slot = 0});
    out.secret = "secret";
    out.home = &home;
    const std::uint32_t place = name == "a:1" ? 0 : 1;
    out.connect = [this, place, &home](std::string node, MonotonicTime deadline) {
      return network_.connect(home, place, std::move(node), deadline);
    };
    return out;
  }
  /// As the node's door does.
  Task<void> serve(std::unique_ptr<async::Connection> connection) {
    std::string head;
    std::array<std::byte, 1> one{};
    while (!head.ends_with("\r\n\r\n") && (co_await connection->read(one)).value_or(0) == 1)
      head.push_back(static_cast<char>(one[0]));
    const std::size_t at = head.find("Authorization: ") + 15;
    co_await node_->serve(*connection, head.substr(at, head.find("\r\n", at) - at));
  }
  std::vector<PinAnswer> ask(const std::vector<DataId>& ids) {
    return door_.run_until(node_->ask_pinned(0, ids));
  }

  sim::SimNetwork network_{world_, {"a:1", "g:1"}};
  sim::SimRuntime door_{world_};
  std::unique_ptr<Peers> node_;
  std::unique_ptr<Peers> gateway_;
};

TEST_F(GatewayPins, IsAskedOverItsChannelsAndRememberedForAWhile) {
  const DataId read{1, 2};
  const DataId other{3, 4};
  EXPECT_TRUE(ask({read}).empty()) << "not known yet";
  ASSERT_TRUE(world_.run_until([this] { return gateway_->is_up(0); }, std::chrono::seconds(5)));
  world_.run_for(std::chrono::seconds(1));
  const auto pin = nodes_[2]->set->pin({.id = read});
  auto answers = ask({other, read});
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0].holder, "g:1");
  EXPECT_TRUE(answers[0].answered);
  EXPECT_EQ(answers[0].pinned, std::vector<DataId>{read});

  network_.isolate(1);
  EXPECT_FALSE(ask({read}).at(0).answered);
  network_.heal();
  world_.run_for(std::chrono::seconds(5));
  answers = ask({read});
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_TRUE(answers[0].answered) << "over the channels that it opened anew";
  EXPECT_EQ(answers[0].pinned, std::vector<DataId>{read});

  stop_gateway();
  EXPECT_FALSE(ask({read}).at(0).answered) << "it may only be cut off";
  world_.run_for(limits::kGuestKept);
  EXPECT_TRUE(ask({read}).empty());
}

}  // namespace
}  // namespace flashstor::cluster
