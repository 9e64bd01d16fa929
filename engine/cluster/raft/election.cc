#include <algorithm>
#include <tuple>

#include "engine/cluster/raft/raft.h"

namespace flashstor::cluster::raft {
namespace {

void note(std::vector<MemberId>& list, MemberId id) {
  if (std::find(list.begin(), list.end(), id) == list.end()) list.push_back(id);
}

std::size_t count_voters(const std::vector<MemberId>& list, const Membership& membership) {
  return static_cast<std::size_t>(std::count_if(
      list.begin(), list.end(), [&membership](MemberId id) { return membership.is_voter(id); }));
}

}  // namespace

void Raft::reset_election_timer() {
  const auto spread = static_cast<std::uint64_t>(options_.election_timeout.count());
  election_deadline_ =
      now_ + options_.election_timeout + Nanoseconds(static_cast<std::int64_t>(random_.below(spread)));
}

/// Votes were split between candidates, and none may have won: the next election comes soon, not after
/// another time-out. The members of one node time out at the same tick and would often split their votes.
void Raft::stand_again_soon() {
  const auto spread = static_cast<std::uint64_t>(options_.heartbeat().count()) * 4;
  const MonotonicTime soon =
      now_ + options_.heartbeat() + Nanoseconds(static_cast<std::int64_t>(random_.below(spread)));
  election_deadline_ = std::min(election_deadline_, soon);
}

bool Raft::below_floor(Term last_term, Index last_index) const {
  return std::pair(last_term, last_index) < std::pair(vote_floor_.term, vote_floor_.index) &&
         !options_.defects.vote_after_lost_tail;
}

void Raft::unmute(MonotonicTime now, Term term) {
  advance(now);
  muted_ = false;
  if (closed_ != Closed::kOpen) return;
  heard_leader_ = now_;  // as at a start
  reset_election_timer();
  const Term taken = std::max(term, hard_.term);
  if (taken == 0 || (taken == hard_.term && hard_.vote != 0)) return;
  set_hard_state({.term = taken, .vote = options_.self});
}

bool Raft::may_stand() const {
  return (!muted_ || options_.defects.vote_after_lost_tail) && electable_ &&
         !below_floor(log_.last_term(), log_.last_index()) && log_.may_lead(options_.self, commit_);
}

/// A leader that still may hold a lease must not be voted out: within an election time-out of hearing it, or
/// of the own start (what was heard before that is forgotten), no vote is given.
bool Raft::hears_leader() const {
  if (options_.defects.vote_while_hearing) return false;
  const MonotonicTime since = role_ == Role::kLeader ? contact_ : heard_leader_;
  return now_ - since < options_.election_timeout;
}

/// Of two members that ask for votes at the same time one gives way, so that they do not split them.
bool Raft::outranks_self(const Message& message) const {
  return std::tuple(message.log_term, message.log_index, message.from) >
         std::tuple(log_.last_term(), log_.last_index(), options_.self);
}

void Raft::become_follower(Term term, MemberId leader) {
  if (role_ == Role::kLeader) {
    fail_reads();
    peers_.clear();
    transfer_target_ = 0;
    needs_fill_.clear();
  }
  if (term > hard_.term) set_hard_state({.term = term, .vote = 0});
  role_ = Role::kFollower;
  leader_ = leader;
  granted_.clear();
  refused_.clear();
  reset_election_timer();
}

void Raft::become_leader() {
  role_ = Role::kLeader;
  leader_ = options_.self;
  contact_ = now_;
  lease_until_ = now_;
  lease_barred_ = false;
  transfer_target_ = 0;
  self_match_ = 0;
  rounds_.clear();
  reads_.clear();
  peers_.clear();
  rebuild_peers();
  term_start_ = log_.last_index() + 1;
  append_local({.term = hard_.term, .index = term_start_, .payload = {}, .membership = nullptr});
  heartbeat_all();
}

void Raft::campaign(bool pre_vote, bool transfer) {
  if (sole_voter()) pre_vote = false;
  granted_.clear();
  refused_.clear();
  leader_ = 0;
  if (pre_vote) {
    role_ = Role::kPreCandidate;
    note(granted_, options_.self);
  } else {
    role_ = Role::kCandidate;
    set_hard_state({.term = hard_.term + 1, .vote = options_.self});
    emit(make(MessageType::kVoteAnswer, options_.self));  // counts once the vote is on the drive
  }
  for (const MemberId voter : membership().voters) {
    if (voter == options_.self) continue;
    Message request = make(pre_vote ? MessageType::kPreVote : MessageType::kVote, voter);
    request.term = pre_vote ? hard_.term + 1 : hard_.term;
    request.log_index = log_.last_index();
    request.log_term = log_.last_term();
    request.transfer = transfer;
    emit(std::move(request));
  }
  deliver_to_self();
}

/// Follows newer terms and turns away older ones. Gives false when the message has been dealt with.
bool Raft::accept_term(const Message& message) {
  if (message.term > hard_.term) {
    switch (message.type) {
      case MessageType::kPreVote:
        return true;
      case MessageType::kPreVoteAnswer:
        if (!message.refused) return true;  // a granted one carries the term asked for
        break;
      case MessageType::kVote:
        if (!message.transfer && hears_leader()) {
          probe(Probe::kVoteRefusedHearing);
          return false;
        }
        break;
      default:
        break;
    }
    become_follower(message.term, message.type == MessageType::kAppend ? message.from : 0);
    return true;
  }
  if (message.term == hard_.term) return true;
  // The sender is behind: say so to those who would otherwise go on for ever.
  if (message.type == MessageType::kAppend) {
    Message answer = make(MessageType::kAppendAnswer, message.from);
    answer.refused = true;
    emit(std::move(answer));
  } else if (message.type == MessageType::kPreVote) {
    Message answer = make(MessageType::kPreVoteAnswer, message.from);
    answer.refused = true;
    emit(std::move(answer));
  }
  return false;
}

void Raft::handle_vote_request(const Message& message) {
  if (!message.transfer && hears_leader()) {
    probe(Probe::kVoteRefusedHearing);
    return;
  }
  const bool pre = message.type == MessageType::kPreVote;
  const bool newer =
      std::pair(message.log_term, message.log_index) >= std::pair(log_.last_term(), log_.last_index()) &&
      !below_floor(message.log_term, message.log_index);
  if (!newer) probe(Probe::kVoteRefusedByLog);
  const bool own_vote_free = hard_.vote == 0 || hard_.vote == message.from || options_.defects.forget_vote;
  const bool grant = newer && (pre ? message.term > hard_.term : own_vote_free && role_ == Role::kFollower);
  if (pre && grant && role_ == Role::kPreCandidate && outranks_self(message)) {
    probe(Probe::kGaveWay);
    role_ = Role::kFollower;
    granted_.clear();
  }
  Message answer = make(pre ? MessageType::kPreVoteAnswer : MessageType::kVoteAnswer, message.from);
  if (pre && grant) answer.term = message.term;
  answer.refused = !grant;
  if (grant && !pre) {
    if (message.transfer) probe(Probe::kTransferVote);
    set_hard_state({.term = hard_.term, .vote = message.from});
    reset_election_timer();
  }
  emit(std::move(answer));
}

void Raft::handle_vote_answer(const Message& message) {
  const bool pre = message.type == MessageType::kPreVoteAnswer;
  if (pre ? role_ != Role::kPreCandidate : role_ != Role::kCandidate) return;
  if (pre && !message.refused && message.term != hard_.term + 1) return;
  note(message.refused ? refused_ : granted_, message.from);
  if (message.refused && !pre) {
    probe(Probe::kVotesSplit);
    stand_again_soon();
  }
  const std::size_t majority = membership().majority();
  if (count_voters(granted_, membership()) >= majority) {
    if (pre) {
      campaign(/*pre_vote=*/false, /*transfer=*/false);
    } else {
      become_leader();
    }
  } else if (count_voters(refused_, membership()) >= majority) {
    become_follower(hard_.term, 0);
  }
}

void Raft::handle_timeout_now(const Message& message) {
  if (role_ == Role::kLeader || message.from != leader_ || !may_stand()) return;
  reset_election_timer();
  campaign(/*pre_vote=*/false, /*transfer=*/true);
}

}  // namespace flashstor::cluster::raft
