#include "engine/cluster/raft/raft.h"

#include <algorithm>
#include <utility>

#include "engine/base/check.h"
#include "engine/cluster/raft/limits.h"

namespace flashstor::cluster::raft {

Raft::Raft(const Options& options, Restored restored, Random& random, MonotonicTime now)
    : options_(options), random_(random), log_(restored), now_(now), hard_(restored.hard_state) {
  FLASHSTOR_CHECK(options.self != 0);
  commit_ = applied_ = handed_out_ = restored.applied;
  synced_ = log_.last_index();
  heard_leader_ = now;
  reset_election_timer();
  if (sole_voter()) election_deadline_ = now;
}

void Raft::tick(MonotonicTime now) {
  advance(now);
  if (closed_ != Closed::kOpen) return;
  if (role_ == Role::kLeader) {
    if (!sole_voter() && now_ - contact_ > options_.quorum_timeout()) {
      probe(Probe::kLostQuorumContact);
      become_follower(hard_.term, 0);
      return;
    }
    if (transfer_target_ != 0 && now_ >= transfer_deadline_) {
      probe(Probe::kTransferAborted);
      // The word to take over may still be on its way: no lease of this term holds any more, and a leader
      // without one acknowledges nothing.
      if (timeout_now_sent_) return become_follower(hard_.term, 0);
      transfer_target_ = 0;
      lease_barred_ = false;
    }
    if (now_ < heartbeat_due_) return;
    heartbeat_all();
    // It may have been lost; who stands already takes it for one of an older term.
    if (timeout_now_sent_ && transfer_target_ != 0) emit(make(MessageType::kTimeoutNow, transfer_target_));
    return;
  }
  if (now_ < election_deadline_) return;
  reset_election_timer();
  if (may_stand()) campaign(/*pre_vote=*/true, /*transfer=*/false);
}

void Raft::step(MonotonicTime now, Message message) {
  advance(now);
  if (closed_ != Closed::kOpen || message.to != options_.self || message.from == options_.self) return;
  if (message.generation != options_.generation) {
    probe(Probe::kStaleGeneration);
    return;
  }
  if (muted_ && !options_.defects.vote_after_lost_tail) {
    probe(Probe::kMutedSilence);
    return;
  }
  if (!accept_term(message)) return;
  switch (message.type) {
    case MessageType::kPreVote:
    case MessageType::kVote:
      handle_vote_request(message);
      break;
    case MessageType::kPreVoteAnswer:
    case MessageType::kVoteAnswer:
      handle_vote_answer(message);
      break;
    case MessageType::kAppend:
      handle_append(std::move(message));
      break;
    case MessageType::kAppendAnswer:
      if (role_ == Role::kLeader) handle_append_answer(message);
      break;
    case MessageType::kTimeoutNow:
      handle_timeout_now(message);
      break;
  }
}

Result<Index> Raft::propose(MonotonicTime now, Buffer payload) {
  advance(now);
  if (!leader_ready() || transfer_target_ != 0) return fail(ErrorCode::kNotLeader);
  if (payload.size() > limits::kMaxEntryBytes) return fail(ErrorCode::kInvalidArgument, "entry too large");
  if (unapplied_full()) return fail(ErrorCode::kTooManyRequests, "too many entries are not applied yet");
  const Index index = log_.last_index() + 1;
  append_local({.term = hard_.term, .index = index, .payload = std::move(payload), .membership = nullptr});
  return index;
}

bool Raft::unapplied_full() const {
  return log_.last_index() - applied_ >= limits::kMaxUnapplied || log_.bytes() >= limits::kMaxUnappliedBytes;
}

void Raft::append_done(MonotonicTime now, std::uint64_t sequence, bool ok) {
  advance(now);
  if (closed_ != Closed::kOpen) return;
  if (!ok && !options_.defects.survive_failed_append) {
    close(Closed::kAppendFailed);
    return;
  }
  synced_sequence_ = std::max(synced_sequence_, sequence);
  while (!batches_.empty() && batches_.front().sequence <= sequence) {
    synced_ = batches_.front().last;
    batches_.pop_front();
  }
  release_held();
  deliver_to_self();
}

void Raft::applied(MonotonicTime now, Index index) {
  advance(now);
  FLASHSTOR_CHECK(index <= handed_out_);
  applied_ = std::max(applied_, index);
  log_.shrink(applied_, options_.max_entries_in_memory, limits::kMaxBytesInMemory);
}

void Raft::learn_commit(const LogView& peer, Index commit) {
  if (closed_ != Closed::kOpen) return;
  // One entry of the same index and term, and all before it are the same too.
  for (Index at = std::min(commit, log_.last_index()); at > commit_; --at) {
    if (!peer.matches(at, log_.term_at(at))) continue;
    commit_ = at;
    return;
  }
}

void Raft::learn_commit(Index commit, Term term) {
  if (closed_ != Closed::kOpen || commit <= commit_ || !log_.matches(commit, term)) return;
  commit_ = commit;
}

void Raft::compacted(Index index) { log_.compact(std::min(index, applied_)); }

Result<void> Raft::filled(MonotonicTime now, LogBase base, Membership membership) {
  advance(now);
  if (closed_ != Closed::kOpen || role_ == Role::kLeader) return fail(ErrorCode::kInvalidArgument);
  if (base.index <= commit_) return fail(ErrorCode::kInvalidArgument, "fill behind the log");
  probe(Probe::kFilled);
  if (log_.matches(base.index, base.term)) {  // the log agrees and goes on: only the state was behind
    commit_ = applied_ = handed_out_ = base.index;
    return {};
  }
  // The log ends before `base`, or differs there from what is committed: nothing in it that is not in the
  // fill counts. Acknowledgements that still wait speak of entries that go now.
  std::erase_if(held_, [](const Held& held) { return held.message.type == MessageType::kAppendAnswer; });
  pending_.reset();
  log_.reset(base, std::make_shared<const Membership>(std::move(membership)));
  pending().reset = base;
  pending().hard_state = hard_;
  for (Batch& batch : batches_) batch.last = base.index;
  commit_ = applied_ = handed_out_ = synced_ = base.index;
  return {};
}

Message Raft::make(MessageType type, MemberId to) const {
  Message message;
  message.type = type;
  message.from = options_.self;
  message.to = to;
  message.generation = options_.generation;
  message.term = hard_.term;
  return message;
}

void Raft::emit(Message message) {
  const std::uint64_t needed = pending_.has_value() ? pending_->sequence : next_sequence_ - 1;
  // A leader that hands over says nothing of its log, and may do it because its own drive hangs.
  const bool hint = message.type == MessageType::kTimeoutNow;
  const bool free = hint || (options_.defects.ack_before_sync && message.to != options_.self);
  if (needed > synced_sequence_ && !free) {
    held_.push_back({.sequence = needed, .message = std::move(message)});
  } else if (message.to == options_.self) {
    to_self_.push_back(std::move(message));
  } else {
    out_.push_back(std::move(message));
  }
}

void Raft::release_held() {
  while (!held_.empty() && held_.front().sequence <= synced_sequence_) {
    Message message = std::move(held_.front().message);
    held_.pop_front();
    if (message.term < hard_.term) probe(Probe::kHeldAcrossTerms);
    if (message.to == options_.self) {
      to_self_.push_back(std::move(message));
    } else {
      out_.push_back(std::move(message));
    }
  }
}

void Raft::deliver_to_self() {
  while (!to_self_.empty()) {
    const Message message = std::move(to_self_.front());
    to_self_.pop_front();
    if (message.term != hard_.term) continue;
    if (message.type == MessageType::kVoteAnswer || message.type == MessageType::kPreVoteAnswer) {
      handle_vote_answer(message);
    } else if (message.type == MessageType::kAppendAnswer && role_ == Role::kLeader) {
      self_match_ = std::max(self_match_, message.log_index);
      maybe_commit();
    }
  }
}

void Raft::close(Closed why) {
  probe(Probe::kClosed);
  fail_reads();
  closed_ = why;
  role_ = Role::kFollower;
  leader_ = 0;
  pending_.reset();
  held_.clear();
  to_self_.clear();
  out_.clear();
  peers_.clear();
}

Records& Raft::pending() {
  if (!pending_.has_value()) {
    pending_.emplace();
    pending_->sequence = next_sequence_;
  }
  return *pending_;
}

void Raft::set_hard_state(HardState state) {
  if (state == hard_) return;
  hard_ = state;
  pending().hard_state = state;
}

void Raft::append_local(Entry entry) {
  const bool changed = entry.membership != nullptr;
  pending().entries.push_back(entry);
  log_.append(std::move(entry));
  if (changed) rebuild_peers();
}

void Raft::truncate_local(Index from) {
  probe(Probe::kTruncated);
  Records& records = pending();
  std::erase_if(records.entries, [from](const Entry& entry) { return entry.index >= from; });
  records.truncate_from = records.truncate_from == 0 ? from : std::min(records.truncate_from, from);
  for (Batch& batch : batches_) batch.last = std::min(batch.last, from - 1);
  synced_ = std::min(synced_, from - 1);
  if (log_.truncate(from)) {
    probe(Probe::kMembershipRolledBack);
    rebuild_peers();
  }
}

Ready Raft::ready(bool with_records) {
  Ready out;
  if (closed_ != Closed::kOpen) {
    out.reads = std::exchange(answers_, {});
    return out;
  }
  deliver_to_self();
  if (role_ == Role::kLeader) {
    if (with_records && pending_.has_value() && !pending_->entries.empty()) {
      Message self = make(MessageType::kAppendAnswer, options_.self);
      self.log_index = log_.last_index();
      emit(std::move(self));
    }
    send_to_peers(out);
  }
  if (with_records && pending_.has_value()) {
    out.records = std::exchange(pending_, std::nullopt);
    batches_.push_back({.sequence = next_sequence_, .last = log_.last_index()});
    ++next_sequence_;
  }
  hand_out_committed(out);
  hand_out_reads(out);
  out.messages = std::exchange(out_, {});
  out.needs_fill = std::exchange(needs_fill_, {});
  return out;
}

void Raft::hand_out_committed(Ready& out) {
  const Index to = std::min({commit_, synced_, handed_out_ + limits::kMaxApplyEntries});
  if (to <= handed_out_) return;
  out.committed = log_.slice(handed_out_ + 1, to, limits::kMaxApplyEntries, limits::kMaxUnappliedBytes);
  handed_out_ += out.committed.size();
}

}  // namespace flashstor::cluster::raft
