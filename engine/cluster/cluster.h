#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/async/work_pool.h"
#include "engine/cluster/drive_keeper.h"
#include "engine/cluster/drive_layout.h"
#include "engine/cluster/peers/peers.h"
#include "engine/cluster/set.h"
#include "engine/cluster/slots.h"
#include "engine/storage/file_io.h"

namespace flashstor::cluster {

/// What a node brings to its cluster. Everything pointed at outlives the cluster.
struct ClusterOptions {
  std::vector<std::string> drives;  ///< Paths, expanded (topology.h), in the order in which they were given.
  std::vector<Runtime*> loops;      ///< Sets live on them in turn; at least one.
  WorkPool* pool = nullptr;         ///< For what blocks.
  const CommandRegistry* registry = nullptr;
  storage::FileIo* io = nullptr;
  /// Opens a formatted drive; called on the pool. Errors go into the drive's state, in words.
  std::function<Result<std::unique_ptr<storage::StorageApi>>(const std::string& path)> open_drive;
  /// Opens a drive's index, for filling; empty: drives that were replaced are not filled.
  storage::OpenRows open_rows;
  async::MakePool make_pool = async::own_threads();  ///< For what may hang in one drive.
  storage::GuardOptions guard;                       ///< Deadlines of calls to a drive.
  std::uint8_t standard_parity = kDefaultParity;     ///< m of STANDARD in every set.
  static constexpr std::uint8_t kDefaultParity = 255;
  SetDefects defects;      ///< For the simulator.
  Peers* peers = nullptr;  ///< Given when the drives are on several nodes; then `drives` is not looked at.
  /// Tells the operator what a start on several nodes waits for, in words.
  std::function<void(const std::string& words)> progress;
  /// Set when the operator wants to stop while the start waits.
  std::function<bool()> cancelled;
};

struct OpenedDrive;

/// All sets of this node's deployment.
/// Threads: `set_for`, `set_at` and what they give from any loop.
class Cluster final : public ClusterApi {
 public:
  /// Looks at all drives, formats them when all are empty (the first start), opens the sets. A set that has
  /// lost drives, or to which foreign, swapped or empty ones were given, starts degraded as long as its rows
  /// can be known. Errors: kDriveForeign (given twice, another number of drives), kReadQuorum (too few drives
  /// of a set), kInvalidArgument, each in words for the operator and naming the drive.
  static Task<Result<std::unique_ptr<Cluster>>> open(ClusterOptions options);
  /// The same with `options.peers`: waits for the other nodes as long as it takes, and until every set has a
  /// leader. Errors: as `open`; kCancelled.
  static Task<Result<std::unique_ptr<Cluster>>> open_spread(ClusterOptions options);
  /// Hands the leadership of sets over to other nodes, where there are some. Before a clean stop.
  Task<void> hand_over();
  /// Calls under way no longer wait for a leader where none is known. Once no client is served any more.
  void end_waits();
  /// Closes all sets. After it nothing else may be called. Gives how many drives hang: their threads cannot
  /// be ended, so a process that gives any back must leave without running destructors.
  Task<std::size_t> close();

  [[nodiscard]] SetApi& set_for(const Uuid& bucket_id, std::string_view key) override {
    return *doors_[slots_.set_of(bucket_id, key)];
  }
  [[nodiscard]] SetApi& set_at(std::uint32_t index) override { return *doors_[index]; }
  [[nodiscard]] std::uint32_t set_count() const override { return static_cast<std::uint32_t>(sets_.size()); }
  [[nodiscard]] Uuid deployment_id() const override { return deployment_id_; }
  [[nodiscard]] bool spans_nodes() const override { return peers_ != nullptr; }
  [[nodiscard]] SystemWatchApi* system_watch() override { return system_watch_; }
  /// `watch` outlives the last change. Before the node serves.
  void set_system_watch(SystemWatchApi* watch) { system_watch_ = watch; }

  /// For the admin API: healing and states of drives.
  [[nodiscard]] ErasureSet& erasure_set(std::uint32_t index) { return *sets_[index]; }
  /// Looks after this node's drives of the set.
  [[nodiscard]] DriveKeeper* keeper(std::uint32_t index) {
    return index < keepers_.size() ? keepers_[index].get() : nullptr;
  }
  [[nodiscard]] std::vector<SetStatus> status() const;
  /// Null unless the drives are on several nodes.
  [[nodiscard]] Peers* peers() { return peers_; }
  /// Whether this start formatted the drives.
  [[nodiscard]] bool first_start() const { return first_start_; }

 private:
  Cluster(const Uuid& deployment_id, std::uint32_t sets)
      : deployment_id_(deployment_id), slots_(deployment_id, sets) {}

  void add_local_set(const ClusterOptions& options, std::uint32_t index, std::vector<OpenedDrive> drives);

  Uuid deployment_id_;
  SlotTable slots_;
  friend class SpreadStart;
  void add_set(std::unique_ptr<ErasureSet> set, Peers* peers);
  /// Asks now and then how the drives of other nodes do, for `status`.
  Task<void> keep_asking();

  std::shared_ptr<storage::RetiredDrives> retired_ = std::make_shared<storage::RetiredDrives>();
  std::vector<std::unique_ptr<ErasureSet>> sets_;
  std::vector<std::unique_ptr<DriveKeeper>> keepers_;  // by set; end before their sets
  std::vector<std::unique_ptr<SetApi>> routed_;        // by set, where drives are on several nodes
  std::vector<SetApi*> doors_;                         // what callers see
  Peers* peers_ = nullptr;
  std::vector<storage::RestStorage*> elsewhere_;
  bool stopping_ = false;
  async::Signal stop_;
  async::Gate gate_;
  SystemWatchApi* system_watch_ = nullptr;
  bool first_start_ = false;
};

/// What is fixed of set `index` of `drives` drives.
[[nodiscard]] SetInfo info_of_set(const ClusterOptions& options, std::uint32_t index, std::uint32_t drives);

}  // namespace flashstor::cluster
