#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "engine/cluster/set_api.h"
#include "engine/files/slice_edit.h"

namespace flashstor::files {

/// Keeps from being freed what an open file shows, also when S3 or another node's mount replaces the file or
/// takes its name. A slice costs an entry of a table of this process while the file is open, and nothing at
/// the leader of its set, which asks when the slice is to be freed.
class SlicePins {
 public:
  /// `cluster` outlives it.
  explicit SlicePins(cluster::ClusterApi& cluster) : cluster_(&cluster) {}
  /// From now on `slices` are kept and no others. What stays is kept all the while.
  void hold(const std::vector<Slice>& slices);

 private:
  cluster::ClusterApi* cluster_;
  std::vector<std::pair<DataId, std::unique_ptr<cluster::DataPin>>> pins_;  ///< By id, each once.
};

}  // namespace flashstor::files
