#pragma once

#include "engine/cluster/raft/types.h"

namespace flashstor::cluster {

/// Defects that the simulator plants to prove that it would find them. Nothing in the product sets any.
struct SetDefects {
  bool one_drive_too_few = false;  ///< Writes are answered when one drive fewer than W holds them.
  bool show_pending = false;       ///< Reads do not wait for the decision on what they see.
  bool void_early = false;         ///< A drive that is away counts as one that does not hold a version.
  bool excuse_nobody = false;      ///< No entry says which drives lacked what was acknowledged.
  bool free_in_use = false;        ///< Data goes when it is due, read or not.
  bool sweep_at_start = false;     ///< Staged data is dropped before what is in the log was applied.
  raft::Defects consensus;         ///< Of every member.
};

}  // namespace flashstor::cluster
