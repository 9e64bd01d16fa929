#pragma once

#include <memory>
#include <vector>

#include "engine/async/work_pool.h"
#include "engine/cluster/cluster.h"
#include "engine/storage/row_store_rocksdb.h"
#include "s3d/node/options.h"

namespace flashstor::s3d {

/// Everything below the doors: files, indexes, drives, sets. Made once.
class Engine {
 public:
  Engine(const NodeOptions& options, WorkPool& pool);
  /// Opens the cluster; its sets live on `loops` in turn. Errors: of Cluster::open.
  Task<Result<void>> open(std::vector<Runtime*> loops);
  /// The same as one of several nodes: `peers` reaches the others.
  Task<Result<void>> open_spread(std::vector<Runtime*> loops, cluster::Peers& peers,
                                 std::function<void(const std::string&)> progress,
                                 std::function<bool()> cancelled);
  Task<void> close();
  /// After `close`: drives whose calls never came back. The process must then leave without destructors.
  [[nodiscard]] std::size_t hanging() const { return hanging_; }
  [[nodiscard]] cluster::Cluster& cluster() { return *cluster_; }

 private:
  [[nodiscard]] cluster::ClusterOptions cluster_options(std::vector<Runtime*> loops);

  const NodeOptions& options_;
  WorkPool& pool_;
  std::unique_ptr<storage::FileIo> io_;
  storage::RowStoreResources resources_;
  cluster::CommandRegistry registry_;
  std::unique_ptr<cluster::Cluster> cluster_;
  std::size_t hanging_ = 0;
};

}  // namespace flashstor::s3d
