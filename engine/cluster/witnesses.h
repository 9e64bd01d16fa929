#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "engine/base/limits.h"
#include "engine/cluster/raft/types.h"
#include "engine/storage/entry.h"

namespace flashstor::cluster {

/// A drive that says that it lacks a version is the proof that nobody was shown the version, unless the log
/// excuses the drive or tells that it was opened again since: it may have lost what it held. What the log has
/// said of that, and is to say.
/// Threads: the set's loop.
class Witnesses {
 public:
  /// By slot, as the log told last; 0: nothing that this process saw.
  using Incarnations = std::array<std::uint64_t, flashstor::limits::kMaxDrivesPerSet>;

  /// The log is to excuse `slots` for versions from `from` on, if the entry under way does not.
  void excuse(raft::Index from, std::uint32_t slots) {
    if ((slots & ~saying_) == 0 && from >= saying_from_) return;
    from_ = slots_ == 0 ? from : std::min(from_, from);
    slots_ |= slots;
  }
  /// Puts what is to be said into `body`, if anything is. The entry before is no longer under way.
  bool say(storage::EntryBody& body) {
    saying_from_ = body.excused_from = from_;
    saying_ = body.excused = slots_;
    slots_ = 0;
    return saying_ != 0;
  }

  /// What was to be said is not, and what is under way counts for nothing.
  void forget_excuses() { slots_ = saying_ = 0; }

  [[nodiscard]] const Incarnations& incarnations() const { return incarnations_; }
  /// An entry told those of the first slots, 0 where nothing is known. Gives the slots that have another one
  /// now.
  std::uint32_t told(const std::vector<std::uint64_t>& incarnations) {
    std::uint32_t other = 0;
    for (std::size_t slot = 0; slot < incarnations.size(); ++slot) {
      if (incarnations[slot] == 0 || incarnations[slot] == incarnations_[slot]) continue;
      incarnations_[slot] = incarnations[slot];
      other |= std::uint32_t{1} << slot;
    }
    return other;
  }
  /// Slots below `drives` of whose incarnation nothing is known.
  [[nodiscard]] std::uint32_t unknown(std::uint32_t drives) const {
    std::uint32_t slots = 0;
    for (std::uint32_t slot = 0; slot < drives; ++slot)
      if (incarnations_[slot] == 0) slots |= std::uint32_t{1} << slot;
    return slots;
  }
  /// Entries were skipped that may have told others.
  void forget_incarnations() { incarnations_.fill(0); }

 private:
  std::uint32_t slots_ = 0;  // that an entry is to excuse, for versions from:
  raft::Index from_ = 0;
  std::uint32_t saying_ = 0;  // in the entry under way, for versions from:
  raft::Index saying_from_ = 0;
  Incarnations incarnations_{};
};

}  // namespace flashstor::cluster
