#include <algorithm>
#include <utility>

#include "engine/cluster/raft/raft.h"

namespace flashstor::cluster::raft {

void Raft::handle_append(Message message) {
  if (role_ == Role::kLeader) {  // two leaders in one term: some drive forgot a vote
    close(Closed::kInconsistent);
    return;
  }
  if (role_ != Role::kFollower) become_follower(hard_.term, message.from);
  leader_ = message.from;
  heard_leader_ = now_;
  reset_election_timer();

  Message answer = make(MessageType::kAppendAnswer, message.from);
  answer.number = message.number;
  if (message.log_index < commit_) {  // what is committed agrees with every later leader
    answer.log_index = commit_;
    emit(std::move(answer));
    return;
  }
  if (!log_.matches(message.log_index, message.log_term)) {
    refuse_append(message);
    return;
  }
  Index checked = message.log_index;
  for (Entry& entry : message.entries) {
    if (entry.index != checked + 1 || entry.term < log_.term_at(checked) || entry.term > hard_.term) break;
    if (entry.index <= log_.last_index()) {
      if (log_.term_at(entry.index) == entry.term) {
        checked = entry.index;
        continue;
      }
      if (entry.index <= commit_) {
        close(Closed::kInconsistent);
        return;
      }
      truncate_local(entry.index);
    }
    // Only while applying makes room: after a start nothing is known to be committed, however much waits, and
    // the entry that would say so is the one at hand.
    if (unapplied_full() && commit_ > applied_) break;
    checked = entry.index;
    append_local(std::move(entry));
  }
  commit_ = std::max(commit_, std::min(message.commit, checked));
  answer.log_index = options_.defects.match_past_prefix ? log_.last_index() : checked;
  emit(std::move(answer));
}

/// Says where the logs may agree: the newest entry here, at or below what was asked, whose term is not above
/// the asked one.
void Raft::refuse_append(const Message& message) {
  probe(message.log_index > log_.last_index() ? Probe::kRejectedGap : Probe::kRejectedConflict);
  Message answer = make(MessageType::kAppendAnswer, message.from);
  answer.number = message.number;
  answer.refused = true;
  answer.log_index = message.log_index;
  answer.hint_index = log_.last_with_term_at_most(message.log_index, message.log_term);
  answer.log_term = log_.term_at(answer.hint_index);
  emit(std::move(answer));
}

}  // namespace flashstor::cluster::raft
