#include <algorithm>

#include "tests/sim/probes.h"
#include "tests/sim/raft_world.h"

/// What the driver and the healer of a set do, in its plainest form: release members after a crash, make
/// those that lost their tail or fell behind standbys, fill them, and promote standbys that have caught up.
namespace flashstor::sim {

using namespace cluster::raft;  // NOLINT(google-build-using-namespace): the simulator is about nothing else

RaftWorld::Member* RaftWorld::current_leader(bool ready) {
  Member* found = nullptr;
  for (Member& member : members_) {
    if (!member.up || member.paused_until > now_ || !member.core->is_leader()) continue;
    if (ready && !member.core->leader_ready()) continue;
    if (found == nullptr || member.core->term() > found->core->term()) found = &member;
  }
  return found;
}

void RaftWorld::admin() {
  release_muted();
  // A leader may need a fill to get its first entry committed, so it need not be ready for this.
  Member* leader = current_leader(/*ready=*/false);
  if (leader == nullptr) return;
  for (Member& member : members_) member.needs_fill = member.regressed = false;
  for (const Progress& peer : leader->core->peers()) {
    // One that has not answered in this term may take from an older leader what the fill takes away.
    members_[peer.id - 1].needs_fill = leader->core->needs_fill(peer.id);
    members_[peer.id - 1].regressed = peer.regressed;
  }
  fill_standbys(*leader);
  if (step_membership(*leader)) after_input(*leader);
}

/// Asks the others what they recorded of `member`; they refuse what it said in earlier lives from then on.
/// Gives false while too few can be asked.
bool RaftWorld::told_enough(Member& member) {
  const Membership& members = member.core->membership();
  std::size_t told = 1;
  for (const MemberId id : members.voters) {
    if (id != member.id && members_[id - 1].up) ++told;
  }
  if (members.is_voter(member.id) && told < members.majority()) return false;
  for (Member& peer : members_) {
    if (peer.id == member.id || !peer.up) continue;
    Recorded& recorded = peer.recorded[member.id - 1];
    recorded.life = member.life;
    const Raft& core = *member.core;
    const bool short_log = core.term() < recorded.term ||
                           (core.term() == recorded.acked_term && core.log().last_index() < recorded.acked);
    if (short_log) member.must_stand_by = true;
  }
  return true;
}

void RaftWorld::release_muted() {
  for (Member& member : members_) {
    if (!member.up || !member.core->muted()) continue;
    if (member.must_stand_by) {
      Member* leader = current_leader(/*ready=*/true);
      const bool demoted = leader != nullptr && !leader->applied_membership.is_voter(member.id);
      // Its own log may say that it votes still: it hears that it does not before it is heard again.
      if (!demoted || !fill(member, *leader)) continue;
      PROBE("released-as-standby");
      member.must_stand_by = false;
      for (Member& peer : members_) peer.recorded[member.id - 1] = {.life = member.life};
      member.core->set_muted(false);
      after_input(member);
    } else if (told_enough(member) && !member.must_stand_by) {
      member.core->set_muted(false);
    }
  }
}

/// Whether a majority of these voters can answer: a change that they cannot commit could not be taken back
/// either.
bool RaftWorld::can_decide(const Membership& wanted) const {
  const auto able = std::count_if(wanted.voters.begin(), wanted.voters.end(), [this](MemberId id) {
    const Member& member = members_[id - 1];
    return member.up && !member.must_stand_by && !member.core->muted();
  });
  return static_cast<std::size_t>(able) >= wanted.majority();
}

/// At most one step; gives true when one was proposed.
bool RaftWorld::step_membership(Member& leader) {
  Raft& core = *leader.core;
  const MonotonicTime now = clock_of(leader);
  for (Member& member : members_) {
    if (member.id == leader.id) continue;
    Membership wanted = core.membership();
    const bool voter = wanted.is_voter(member.id);
    const bool standby = wanted.is_standby(member.id);
    const auto insert = [](std::vector<MemberId>& ids, MemberId id) {
      ids.insert(std::lower_bound(ids.begin(), ids.end(), id), id);
    };
    const bool caught_up = member.up && !member.needs_fill && !member.core->muted() &&
                           core.acked_by(member.id) >= core.commit_index();
    if (voter && (member.must_stand_by || member.needs_fill || member.regressed)) {
      PROBE("demoted");
      std::erase(wanted.voters, member.id);
      insert(wanted.standbys, member.id);
    } else if (voter && member.failed && plan_.membership) {
      PROBE("removed-failed");
      std::erase(wanted.voters, member.id);
    } else if (standby && member.failed) {
      std::erase(wanted.standbys, member.id);
    } else if (standby && caught_up) {
      PROBE("promoted");
      std::erase(wanted.standbys, member.id);
      insert(wanted.voters, member.id);
    } else if (!voter && !standby && !member.failed && plan_.membership) {
      PROBE("added-standby");
      insert(wanted.standbys, member.id);
    } else {
      continue;
    }
    if (!can_decide(wanted)) continue;
    const auto index = core.propose_membership(now, wanted);
    if (trace_ && !index) note(leader, index.error().describe().c_str(), member.id);
    if (index) note(leader, "membership", *index);
    return index.has_value();
  }
  const bool sound =
      std::none_of(members_.begin(), members_.end(), [](const Member& one) { return one.must_stand_by; });
  if (sound && faults_on_ && plan_.membership && !plan_.failing_appends &&
      chance(100)) {  // a healthy voter steps back and returns
    Membership wanted = core.membership();
    const MemberId id = wanted.voters[below(wanted.voters.size())];
    if (id == leader.id || wanted.voters.size() < 3) return false;
    std::erase(wanted.voters, id);
    wanted.standbys.insert(std::lower_bound(wanted.standbys.begin(), wanted.standbys.end(), id), id);
    const auto index = core.propose_membership(now, wanted);
    if (index) note(leader, "step-back", *index * 100 + id);
    return index.has_value();
  }
  return false;
}

void RaftWorld::fill_standbys(Member& leader) {
  for (Member& member : members_) {
    if (!member.needs_fill || !member.up || member.paused_until > now_ || member.id == leader.id) continue;
    // As a voter it is filled where it is only when nothing can be decided without it.
    const Membership& members = leader.core->membership();
    const bool stuck = leader.core->log().membership_index() > leader.core->commit_index() ||
                       leader.core->following(members) < members.majority();
    if (stuck && leader.core->membership().is_voter(member.id)) PROBE("filled-as-voter");
    if (!leader.core->membership().is_standby(member.id) && !stuck) continue;
    member.needs_fill = false;
    if (!fill(member, leader)) continue;
    PROBE("filled");
    after_input(member);
  }
}

/// What the leader has applied in place of what `member` has. Gives false where that is not ahead of it.
bool RaftWorld::fill(Member& member, Member& leader) {
  const Index index = leader.core->applied_index();
  const LogBase base{.index = index, .term = leader.core->log().term_at(index)};
  if (!member.core->filled(clock_of(member), base, leader.applied_membership)) return false;
  member.applied_membership = leader.applied_membership;
  member.applied_membership_index = leader.applied_membership_index;
  member.drive.set_checkpoint({.at = base,
                               .membership = member.applied_membership,
                               .membership_index = member.applied_membership_index});
  note(member, "filled", index);
  return true;
}

}  // namespace flashstor::sim
