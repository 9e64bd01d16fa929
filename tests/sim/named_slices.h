#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/objects/version_row.h"
#include "engine/storage/row_store_memory.h"
#include "tests/sim/sim_medium.h"

namespace flashstor::sim {

/// What the rows name: the slices, and by which reference (nil: their writer's).
struct NamedSlices {
  std::map<DataId, DataRef> data;
  std::set<std::pair<DataId, Uuid>> uses;

  void add(const std::vector<objects::Slice>& slices);
};

/// Adds all slices that the rows of one drive name, in whatever set they lie. Gives false for a row that does
/// not parse.
[[nodiscard]] bool named_by(const storage::RowStoreMemory& rows, NamedSlices& out);

/// `disks` by set and slot, `leaders` the slot of each set that leads: empty when each drive has its shard,
/// in its place, of every slice that a leader's rows name, so that any of them may be away as far as the
/// slice's parity goes; else which drive lacks what.
[[nodiscard]] std::string lacking(const std::vector<std::vector<std::unique_ptr<DriveMedium>>>& disks,
                                  const std::vector<std::uint32_t>& leaders);

}  // namespace flashstor::sim
