#pragma once

#include <cstdint>
#include <memory>

#include "tests/sim/sim_medium.h"

namespace flashstor::sim {

/// Rung two: a drive that is an XlStorage, with its commit log, over simulated files and the deterministic
/// index. `replay_past_torn`: a planted defect of the log.
[[nodiscard]] std::unique_ptr<DriveMedium> make_file_disk(SimWorld& world, std::uint32_t set,
                                                          std::uint32_t slot, std::uint32_t drives,
                                                          bool replay_past_torn);

}  // namespace flashstor::sim
