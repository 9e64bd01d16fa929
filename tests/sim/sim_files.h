#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "tests/sim/sim_medium.h"
#include "tests/support/sim_file_io.h"

namespace flashstor::sim {

/// Rung two: a drive that is an XlStorage, with its commit log, over simulated files and the deterministic
/// index. `replay_past_torn`: a planted defect of the log. Segments are `segment_bytes` long.
[[nodiscard]] std::unique_ptr<DriveMedium> make_file_disk(SimWorld& world, std::uint32_t set,
                                                          std::uint32_t slot, std::uint32_t drives,
                                                          bool replay_past_torn,
                                                          std::size_t segment_bytes = 256 * 1024);

/// The same in a directory of files that the drive shares with others, for rung three: the start of the node
/// formats it, and it can be replaced and filled.
[[nodiscard]] std::unique_ptr<DriveMedium> make_shared_file_disk(SimWorld& world, storage::SimFileIo& io,
                                                                 std::string path, bool replay_past_torn,
                                                                 std::size_t segment_bytes);

}  // namespace flashstor::sim
