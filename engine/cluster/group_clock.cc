#include <algorithm>

#include "engine/cluster/group.h"
#include "engine/cluster/limits.h"

// Who leads, how the members' time goes on, and what becomes of drives that do not answer in it.
namespace flashstor::cluster {

void Group::look_for_leader() {
  std::optional<std::uint32_t> leader;
  raft::Term term = 0;
  const std::uint64_t current = generation();
  for (const auto& member : members_) {
    if (member->remote || !member->open() || !member->core->leader_ready() || member->core->term() < term ||
        member->generation != current)
      continue;
    leader = member->slot;
    term = member->core->term();
  }
  if (!leader && !is_spread() && !stopping_) share_commits();
  if (leader == leader_ && (!leader || term == leader_term_)) return;
  // A member whose drive hangs cannot be asked for its core's news: who waits for it to confirm that it leads
  // would wait on.
  for (const auto& [token, wait] : reads_) wait->done.set();
  leader_ = leader;
  leader_term_ = term;
  beat_due_ = leader.has_value();
  changed_ = true;
}

bool Group::clock_needed() const {
  if (leader_) return members_[*leader_]->core->transferring();
  return open_members() >= majority();
}

Nanoseconds Group::append_age(const MemberState& member) const {
  return member.append_starts.empty() ? Nanoseconds(0) : home_.now() - member.append_starts.front();
}

void Group::watch_drives() {
  for (const auto& member : members_)
    if (member->open() && append_age(*member) > limits::kHungAppend)
      fail_member(member->slot, "the drive does not answer");
  if (!leader_) return;
  raft::Raft& core = *members_[*leader_]->core;
  const Nanoseconds most = core.overtaken() ? limits::kOvertakenLeader : limits::kSlowLeader;
  if (append_age(*members_[*leader_]) < most) return;
  const MemberState* target = nullptr;
  for (const auto& member : members_) {
    if (member->slot == *leader_ || !member->votes() || append_age(*member) >= most) continue;
    if (target == nullptr || core.acked_by(member->id) > core.acked_by(target->id)) target = member.get();
  }
  if (target == nullptr || core.transferring()) return;
  if (core.transfer(clock(), target->id)) touch(*members_[*leader_]);
}

// A vote or entry on its way to a drive is no silence: the clock waits for it, unless it takes very long.
bool Group::waits_for_drive() const {
  const MonotonicTime slow = home_.now() - limits::kSlowAppend;
  return std::ranges::any_of(members_, [slow](const auto& member) {
    return member->open() &&
           (member->applying || (!member->append_starts.empty() && member->append_starts.front() > slow));
  });
}

MonotonicTime Group::clock() {
  if (is_spread()) clock_ = std::max(clock_, home_.now());
  return clock_;
}

void Group::arm_clock() {
  if (timer_.armed || stopping_) return;
  if (is_spread()) {
    timer_.at = home_.now() + limits::kSpreadTick;
  } else if (clock_needed()) {
    timer_.at = home_.now() + limits::kClockPace;
  } else if (beat_due_ && leader_) {
    timer_.at = home_.now() + limits::kElectionTimeout;
  } else {
    return;
  }
  home_.arm(timer_);
}

void Group::tick() {
  if (is_spread()) {
    tick_spread();
  } else if (clock_needed()) {
    if (!waits_for_drive()) {
      clock_ += limits::kClockStep;
      for (const auto& member : members_) {
        if (!member->open()) continue;
        member->core->tick(clock_);
        touch(*member);
      }
    }
  } else if (leader_) {
    beat();
  }
  arm_clock();
}

// When no entry is on its way that would tell them: a heartbeat, so that followers learn what is committed.
// What the leader still writes brings another one about. What another member writes may hang there for long,
// and it tells nobody anything: those that have an entry in memory learn that it is committed all the same.
void Group::beat() {
  MemberState& member = *members_[*leader_];
  if (member.appends > 0) return;
  beat_due_ = false;
  if (is_spread()) {
    member.core->announce(clock());
  } else {
    clock_ += limits::kClockStep;
    member.core->tick(clock_);
  }
  touch(member);
}

}  // namespace flashstor::cluster
