#pragma once

#include <string_view>

#include "engine/cluster/set.h"

namespace flashstor::sim {

/// Defects that are planted to see that they are found.
struct PlantedDefects {
  bool acknowledge_early = false;  ///< In the drive.
  bool replay_past_torn = false;   ///< In the log.
  bool free_referenced = false;    ///< In the planner that drops references: nobody asks who else is there.
  bool ignore_epoch = false;      ///< In the planner of writes: what its sender knew of the bucket is enough.
  bool rename_half_seen = false;  ///< In the planner that settles renames: what is not refused was placed.
  cluster::SetDefects set;
};

/// Sets the one of this name; false when there is none. Those of the consensus are known to every rung.
[[nodiscard]] bool plant(PlantedDefects& defects, std::string_view name);
[[nodiscard]] bool plant(cluster::raft::Defects& defects, std::string_view name);

/// The commands of the object layer, with the planted planners in place of the right ones.
void register_planted(cluster::CommandRegistry& registry, const PlantedDefects& defects);

}  // namespace flashstor::sim
