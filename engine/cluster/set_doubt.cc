#include "engine/cluster/limits.h"
#include "engine/cluster/set.h"

// What a drive that comes back from a loss of power may lack: shards that it had acknowledged.
namespace flashstor::cluster {

// Noted by whoever leads as soon as it hears of such a drive; or as soon as it leads, if that is what ended
// the doubt.
void ErasureSet::note_doubts() {
  if (!group_.leader()) return;
  for (std::uint32_t slot = 0; slot < drives_.size(); ++slot) {
    const std::uint64_t incarnation = group_.incarnation(slot);
    if (!group_.is_open(slot) || doubts_noted_[slot] == incarnation) continue;
    const MonotonicTime seen = group_.member(slot).doubt_seen;
    if (seen == MonotonicTime{} || parts_.home->now() - seen > limits::kDoubtMemory) continue;
    doubts_noted_[slot] = incarnation;
    gate_.spawn(note_doubt(slot));
  }
}

Task<void> ErasureSet::note_doubt(std::uint32_t slot) {
  if (!co_await owe_scan(slot)) doubts_noted_[slot] = 0;
}

}  // namespace flashstor::cluster
