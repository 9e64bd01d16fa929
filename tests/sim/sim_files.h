#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "tests/sim/sim_medium.h"

namespace flashstor::sim {

/// Rung two: a drive that is an XlStorage, with its commit log, over simulated files and the deterministic
/// index. `replay_past_torn`: a planted defect of the log. Segments are `segment_bytes` long.
[[nodiscard]] std::unique_ptr<DriveMedium> make_file_disk(SimWorld& world, std::uint32_t set,
                                                          std::uint32_t slot, std::uint32_t drives,
                                                          bool replay_past_torn,
                                                          std::size_t segment_bytes = 256 * 1024);

}  // namespace flashstor::sim
