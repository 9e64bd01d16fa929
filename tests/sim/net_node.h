#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/cluster/cluster.h"
#include "engine/objects/object_store.h"
#include "tests/sim/process_node.h"
#include "tests/sim/sim_medium.h"
#include "tests/sim/sim_network.h"
#include "tests/sim/sim_runtime.h"

namespace flashstor::sim {

/// What a node's process is started with. Everything pointed at outlives it.
struct NetNodeParts {
  std::uint64_t life = 0;
  cluster::Spread spread;  ///< `self` says which node.
  std::string secret = "a secret of the simulation";
  ClockSkew skew;
  SimNetwork* network = nullptr;
  const cluster::CommandRegistry* registry = nullptr;
  storage::FileIo* io = nullptr;  ///< Where its drives' formats lie.
  objects::StoreOptions options;
  cluster::SetDefects defects;
  /// Gives the drive at a path of this node; its storage is null when it cannot be used.
  std::function<OpenedDrive(const std::string& path)> open_drive;
  /// Gives an index at a path of this node. Empty: replaced drives are not filled.
  storage::OpenRows open_rows;
  std::function<void(const std::string& words)> progress;
};

/// One process of several: the real start, sets, channels, frames, handshakes and calls between nodes, on a
/// simulated network. After `kill` its drives fail everything and nobody hears it.
class NetNode final : public ProcessNode {
 public:
  NetNode(SimWorld& world, NetNodeParts parts);

  /// Begins to start: `ready` or `failed` is set when that has ended.
  void start();
  /// `silent`: the machine loses its power, so that nothing tells the others.
  void kill(bool silent);
  /// Ends in order or (after `kill`) as well as it goes; `gone` is set when that has ended.
  void finish();
  /// Destroys what lives on the loop; on it. After `gone`.
  void drop_parts();

  [[nodiscard]] std::uint32_t place() const { return parts_.spread.self; }
  [[nodiscard]] objects::ObjectStore& store() override { return *store_; }
  [[nodiscard]] cluster::Cluster& cluster() { return *cluster_; }
  [[nodiscard]] cluster::Peers& peers() { return peers_; }
  [[nodiscard]] bool leads(std::uint64_t& terms) const override;
  /// Connections of other nodes that it serves.
  [[nodiscard]] std::size_t serving() const { return serving_.size(); }
  /// Calls of clients and connections that have not ended.
  [[nodiscard]] std::size_t running() const { return running_; }
  /// How far its end has come, in words.
  [[nodiscard]] const char* phase() const { return phase_; }
  [[nodiscard]] const std::string& failure() const { return failure_; }

 private:
  Task<void> open_all();
  Task<void> close_all();
  void accept(std::unique_ptr<async::Connection> connection);
  Task<void> serve(std::unique_ptr<async::Connection> connection);
  [[nodiscard]] cluster::PeersOptions peers_options();

  NetNodeParts parts_;
  objects::BucketEpoch epoch_;
  cluster::Peers peers_;
  std::unique_ptr<cluster::Cluster> cluster_;
  std::unique_ptr<objects::ObjectStore> store_;
  std::map<std::uint64_t, async::Connection*> serving_;
  std::uint64_t next_connection_ = 0;
  bool door_open_ = true;
  const char* phase_ = "not ending";
  std::string failure_;
};

}  // namespace flashstor::sim
