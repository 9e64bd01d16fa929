#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/async/frame_pool.h"
#include "engine/async/sync.h"
#include "engine/cluster/set_api.h"
#include "engine/objects/extent_map.h"
#include "engine/objects/object_types.h"
#include "engine/objects/read_budget.h"

namespace flashstor::objects {

using Extents = std::vector<Extent, async::FrameAllocator<Extent>>;

/// Reads `extents` in order, `window_bytes` at a time, one window ahead; less, and none ahead, as `budget`
/// fills. `gate` and `budget` outlive the reads. A first read while the budget is full fails with
/// kTooManyRequests.
[[nodiscard]] std::unique_ptr<ObjectReader> make_reader(cluster::ClusterApi& cluster, async::Gate& gate,
                                                        ReadBudget& budget, Extents extents,
                                                        std::size_t window_bytes);

}  // namespace flashstor::objects
