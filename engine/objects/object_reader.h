#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/async/sync.h"
#include "engine/cluster/set_api.h"
#include "engine/objects/extent_map.h"
#include "engine/objects/object_types.h"

namespace flashstor::objects {

/// Reads `extents` in order, `window_bytes` at a time, one window ahead. `gate` outlives the reads.
[[nodiscard]] std::unique_ptr<ObjectReader> make_reader(cluster::ClusterApi& cluster, async::Gate& gate,
                                                        std::vector<Extent> extents,
                                                        std::size_t window_bytes);

}  // namespace flashstor::objects
