#include <algorithm>

#include "engine/base/log.h"
#include "engine/cluster/group.h"
#include "engine/cluster/limits.h"

// Members whose drives may have lost what they said they held: the machine lost its power, and a cache may
// have lied about what is safe. Such a member is silent until it has asked the other voters; then it acts as
// if its log were the newest of theirs, until it has heard from a leader.
// Source: protocol.md, The log on a drive; docs/decisions/0013-drives-in-doubt.md.
namespace flashstor::cluster {

/// What the other voters say, as far as they have been heard.
struct Group::Told {
  std::size_t voters = 0;  ///< Of the others.
  std::size_t told = 0;    ///< Of these.
  std::size_t sure = 0;    ///< Of these, not in doubt themselves.
  raft::Term term = 0;     ///< The newest.
  raft::LogBase end;       ///< Of the newest log.
};

Group::Told Group::ask_others(const MemberState& member) const {
  Told all;
  for (const raft::MemberId id : member.core->membership().voters) {
    if (id == member.id) continue;
    ++all.voters;
    const std::uint32_t slot = slot_of_member(id);
    if (slot >= members_.size() || members_[slot]->id != id) continue;
    const MemberState& other = *members_[slot];
    const bool heard = other.remote && other.told != MonotonicTime{} &&
                       (other.open() || home_.now() - other.told < limits::kDoubtWait);
    if (!heard && (other.remote || !other.open())) continue;
    const raft::Term term = other.remote ? other.reported_term : other.core->term();
    const raft::LogBase end = other.remote ? other.reported_end : raft::end_of(other.core->log());
    ++all.told;
    if (!other.in_doubt) ++all.sure;
    all.term = std::max(all.term, term);
    if (std::pair(end.term, end.index) > std::pair(all.end.term, all.end.index)) all.end = end;
  }
  return all;
}

bool Group::cannot_vouch(std::uint32_t slot) const {
  const MemberState& member = *members_[slot];
  return member.in_doubt && is_spread() && home_.now() - member.doubted < limits::kDoubtWait;
}

void Group::settle_doubts() {
  for (const auto& member : members_)
    if (member->in_doubt && !member->remote && member->open() && !stopping_) settle_doubt(*member);
}

void Group::settle_doubt(MemberState& member) {
  raft::Raft& core = *member.core;
  const Told told = ask_others(member);
  if (core.muted()) {
    // What this member lost counted for an entry that is committed: so many others hold it that it is in the
    // log of one of these. In one process nobody else will come.
    const std::size_t majority = core.membership().majority();
    const bool enough =
        told.told == told.voters || told.sure + majority >= core.membership().voters.size() + 1;
    const bool waited = !is_spread() || home_.now() - member.doubted >= limits::kDoubtWait;
    if (!enough && (!waited || told.told + 1 < majority)) return;
    if (std::pair(core.log().last_term(), core.log().last_index()) < std::pair(told.end.term, told.end.index))
      base::log_info(
          "drive {} of set {} comes back from a loss of power: its log ends at {}, that of others at {}",
          member.slot + 1, place_.set + 1, core.log().last_index(), told.end.index);
    core.unmute(clock(), told.term);
    touch(member);
  }
  core.set_vote_floor(told.end);
  const raft::Index synced = core.synced_index();
  const bool led = core.leader() != 0 && core.log().has(synced) &&
                   core.log().term_at(synced) == core.term() &&
                   std::pair(core.term(), synced) >= std::pair(told.end.term, told.end.index);
  if (!led) return;
  core.set_vote_floor({});
  member.in_doubt = false;
  member.doubt_seen = home_.now();
  changed_ = true;
  schedule();
  gate_.spawn(trust(member));
}

Task<void> Group::trust(MemberState& member) {
  storage::StorageApi* const drive = member.drive;
  ++member.loads;
  const auto done = co_await drive->trust();
  --member.loads;
  // At its next start it asks again.
  if (!done)
    base::log_warning("drive {} of set {} stays in doubt: {}", member.slot + 1, place_.set + 1,
                      done.error().describe());
}

}  // namespace flashstor::cluster
