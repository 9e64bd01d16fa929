#include <algorithm>
#include <array>
#include <functional>
#include <utility>

#include "engine/base/check.h"
#include "engine/cluster/raft/limits.h"
#include "engine/cluster/raft/raft.h"

namespace flashstor::cluster::raft {

void Raft::heartbeat_all() {
  for (Progress& peer : peers_) peer.empty_due = true;
  heartbeat_due_ = now_ + options_.heartbeat();
}

void Raft::announce(MonotonicTime now) {
  advance(now);
  if (role_ == Role::kLeader) heartbeat_all();
}

void Raft::send_to_peers(Ready& out) {
  for (Progress& peer : peers_) send_to(peer, out);
}

void Raft::mark_for_fill(Progress& peer) {
  peer.probe_from(log_.base().index + 1);
  peer.flow = Flow::kNeedsFill;
  if (peer.fill_reported) return;
  probe(Probe::kNeedsFill);
  peer.fill_reported = true;
  needs_fill_.push_back(peer.id);
}

bool Raft::can_send_next(Progress& peer, Ready& out) {
  if (peer.next >= log_.memory_first()) return true;
  if (peer.loading) return false;
  probe(Probe::kEntriesWanted);
  peer.loading = true;
  const Index to = std::min(log_.memory_first() - 1, peer.next + options_.max_append_entries - 1);
  out.wanted.push_back({.member = peer.id, .from = peer.next, .to = to});
  return false;
}

void Raft::send_to(Progress& peer, Ready& out) {
  const bool due = std::exchange(peer.empty_due, false);
  if (peer.flow != Flow::kNeedsFill && peer.next <= log_.base().index) mark_for_fill(peer);
  switch (peer.flow) {
    case Flow::kNeedsFill:
      peer.next = log_.base().index + 1;
      if (due) send_append(peer, {}, false);
      return;
    case Flow::kProbe:
      if (peer.probe_sent && !due) return;
      peer.probe_sent = true;
      if (peer.next <= log_.last_index() && can_send_next(peer, out)) {
        send_append(
            peer,
            log_.slice(peer.next, log_.last_index(), options_.max_append_entries, limits::kMaxAppendBytes),
            false);
      } else if (due || peer.next > log_.last_index()) {
        send_append(peer, {}, false);  // else the probe goes out with the entries, once they are loaded
      }
      return;
    case Flow::kReplicate:
      break;
  }
  bool sent = false;
  while (peer.next <= log_.last_index() && can_send_next(peer, out)) {
    if (peer.inflight.size() >= options_.max_inflight) {
      probe(Probe::kInflightFull);
      break;
    }
    send_append(
        peer, log_.slice(peer.next, log_.last_index(), options_.max_append_entries, limits::kMaxAppendBytes),
        true);
    sent = true;
  }
  if (due && !sent) send_append(peer, {}, false);
}

void Raft::send_append(Progress& peer, std::vector<Entry> entries, bool advance_next) {
  Message message = make(MessageType::kAppend, peer.id);
  message.log_index = peer.next - 1;
  message.log_term = log_.term_at(message.log_index);
  message.commit = commit_;
  message.hint_index = self_match_;
  message.number = round_number();
  sent_number_ = message.number;
  if (advance_next && !entries.empty()) {
    peer.next = entries.back().index + 1;
    peer.inflight.push_back(entries.back().index);
  }
  message.entries = std::move(entries);
  out_.push_back(std::move(message));
}

void Raft::entries_loaded(MonotonicTime now, MemberId member, std::vector<Entry> entries) {
  advance(now);
  Progress* peer = role_ == Role::kLeader ? find_peer(member) : nullptr;
  if (peer == nullptr || !peer->loading) return;
  peer->loading = false;
  const bool wanted = !entries.empty() && entries.front().index == peer->next &&
                      peer->flow != Flow::kNeedsFill && peer->next > log_.base().index;
  if (!wanted) return;
  Index expected = peer->next;
  for (const Entry& entry : entries) {
    if (entry.index != expected || !log_.matches(entry.index, entry.term)) {
      close(Closed::kInconsistent);  // the log reads back otherwise than it was written
      return;
    }
    ++expected;
  }
  peer->probe_sent = true;
  send_append(*peer, std::move(entries), peer->flow == Flow::kReplicate);
}

void Raft::handle_append_answer(const Message& message) {
  Progress* peer = find_peer(message.from);
  if (peer == nullptr || message.number <= peer->floor || message.number > number_) return;
  note_echo(*peer, message.number);
  if (message.refused) {
    handle_refusal(*peer, message);
  } else if (message.log_index <= log_.last_index()) {
    handle_match(*peer, message);
  }
}

void Raft::handle_refusal(Progress& peer, const Message& message) {
  if (peer.flow == Flow::kNeedsFill) {
    if (log_.matches(message.hint_index, message.log_term)) peer.probe_from(message.hint_index + 1);
    return;
  }
  const bool stale = peer.flow == Flow::kReplicate
                         ? message.log_index <= peer.match || message.log_index >= peer.next
                         : message.log_index != peer.next - 1;
  if (message.log_index <= peer.match && message.number > peer.matched_at) {
    note_regress(peer);
  } else if (stale || message.number <= peer.since) {
    return;
  }
  if (message.hint_index < log_.base().index) {
    mark_for_fill(peer);
    return;
  }
  const Index agree = log_.last_with_term_at_most(message.hint_index, message.log_term);
  peer.since = number_;
  force_round();
  const Flow flow = peer.flow;
  const Index before = peer.next;
  peer.probe_from(std::max(peer.match + 1, std::min(agree + 1, message.log_index)));
  // Every refusal must bring the logs nearer to where they agree; one that does not is answered at the next
  // heartbeat.
  peer.probe_sent = peer.regressed || (flow == Flow::kProbe && peer.next >= before);
  if (peer.next <= log_.base().index) mark_for_fill(peer);
}

/// A member that was asked after it had acknowledged something denies it. A standby's word was not counted
/// and it starts over; a voter must be made a standby first.
void Raft::note_regress(Progress& peer) {
  probe(Probe::kRegressed);
  if (peer.voter) {
    peer.regressed = true;
    return;
  }
  peer.match = 0;
  peer.floor = peer.matched_at = number_;
  force_round();
}

void Raft::handle_match(Progress& peer, const Message& message) {
  const bool more = message.log_index > peer.match;
  if (more) {
    peer.match = message.log_index;
    peer.matched_at = number_;
  }
  peer.acknowledge(peer.match);
  if (peer.flow == Flow::kReplicate) {
    peer.next = std::max(peer.next, peer.match + 1);
  } else if (peer.match >= log_.base().index && (more || message.log_index + 1 >= peer.next)) {
    peer.replicate_from(peer.match + 1);
    peer.since = number_;
    force_round();
  }
  if (more) maybe_commit();
  if (role_ == Role::kLeader) maybe_hand_over(peer);
}

/// Commits what a majority holds, but counts only for entries of this term: older ones are committed by those
/// after them (Ongaro 3.6.2).
void Raft::maybe_commit() {
  const Membership& members = membership();
  std::array<Index, limits::kMaxVoters> match{};
  std::size_t count = 0;
  for (const MemberId voter : members.voters) match[count++] = acked_by(voter);
  std::sort(match.begin(), match.begin() + static_cast<std::ptrdiff_t>(count), std::greater<>());
  const Index agreed = match[members.majority() - 1];
  if (agreed <= commit_) return;
  if (log_.term_at(agreed) != hard_.term && !options_.defects.commit_old_term) {
    probe(Probe::kOldTermNotCounted);
    return;
  }
  commit_ = agreed;
  if (!log_.may_lead(options_.self, commit_)) {
    probe(Probe::kLedUntilRemoved);
    become_follower(hard_.term, 0);
  }
}

}  // namespace flashstor::cluster::raft
