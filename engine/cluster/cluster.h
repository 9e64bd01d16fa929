#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/async/work_pool.h"
#include "engine/cluster/drive_layout.h"
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
  std::uint8_t standard_parity = kDefaultParity;  ///< m of STANDARD in every set, where drives allow.
  static constexpr std::uint8_t kDefaultParity = 255;
};

/// All sets of this node's deployment.
/// Threads: `set_for`, `set_at` and what they give from any loop.
class Cluster final : public ClusterApi {
 public:
  /// Looks at all drives, formats them when all are empty (the first start), opens the sets. A set that has
  /// lost drives starts degraded as long as its rows can be known.
  /// Errors: kDriveForeign (foreign, swapped, of another deployment, given twice), kReadQuorum (too few
  /// drives of a set), kInvalidArgument, each in words for the operator and naming the drive.
  static Task<Result<std::unique_ptr<Cluster>>> open(ClusterOptions options);
  /// Closes all sets. After it nothing else may be called.
  Task<void> close();

  [[nodiscard]] SetApi& set_for(const Uuid& bucket_id, std::string_view key) override {
    return *sets_[slots_.set_of(bucket_id, key)];
  }
  [[nodiscard]] SetApi& set_at(std::uint32_t index) override { return *sets_[index]; }
  [[nodiscard]] std::uint32_t set_count() const override { return static_cast<std::uint32_t>(sets_.size()); }
  [[nodiscard]] Uuid deployment_id() const override { return deployment_id_; }

  /// For the admin API: healing and states of drives.
  [[nodiscard]] ErasureSet& erasure_set(std::uint32_t index) { return *sets_[index]; }
  [[nodiscard]] std::vector<SetStatus> status() const;
  /// Whether this start formatted the drives.
  [[nodiscard]] bool first_start() const { return first_start_; }

 private:
  Cluster(const Uuid& deployment_id, std::uint32_t sets)
      : deployment_id_(deployment_id), slots_(deployment_id, sets) {}

  Uuid deployment_id_;
  SlotTable slots_;
  std::vector<std::unique_ptr<ErasureSet>> sets_;
  bool first_start_ = false;
};

}  // namespace flashstor::cluster
