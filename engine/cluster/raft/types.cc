#include "engine/cluster/raft/types.h"

namespace flashstor::cluster::raft {

std::string_view name_of(Probe probe) {
  switch (probe) {
    case Probe::kTruncated:
      return "truncated";
    case Probe::kRejectedGap:
      return "rejected-gap";
    case Probe::kRejectedConflict:
      return "rejected-conflict";
    case Probe::kOldTermNotCounted:
      return "old-term-not-counted";
    case Probe::kVoteRefusedByLog:
      return "vote-refused-by-log";
    case Probe::kVoteRefusedHearing:
      return "vote-refused-hearing";
    case Probe::kTransferVote:
      return "transfer-vote";
    case Probe::kTransferAborted:
      return "transfer-aborted";
    case Probe::kLostQuorumContact:
      return "lost-quorum-contact";
    case Probe::kReadByRound:
      return "read-by-round";
    case Probe::kReadFailed:
      return "read-failed";
    case Probe::kHeldAcrossTerms:
      return "held-across-terms";
    case Probe::kEntriesWanted:
      return "entries-wanted";
    case Probe::kNeedsFill:
      return "needs-fill";
    case Probe::kFilled:
      return "filled";
    case Probe::kMembershipRolledBack:
      return "membership-rolled-back";
    case Probe::kStaleGeneration:
      return "stale-generation";
    case Probe::kClosed:
      return "closed";
    case Probe::kMutedSilence:
      return "muted-silence";
    case Probe::kInflightFull:
      return "inflight-full";
    case Probe::kRegressed:
      return "regressed";
    case Probe::kLedUntilRemoved:
      return "led-until-removed";
    case Probe::kGaveWay:
      return "gave-way";
    case Probe::kVotesSplit:
      return "votes-split";
    case Probe::kCount:
      break;
  }
  return "?";
}

}  // namespace flashstor::cluster::raft
