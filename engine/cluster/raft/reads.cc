#include <algorithm>
#include <array>
#include <functional>
#include <limits>

#include "engine/cluster/raft/limits.h"
#include "engine/cluster/raft/raft.h"

namespace flashstor::cluster::raft {

/// The number for an append that goes out now: one for each time of sending.
std::uint64_t Raft::round_number() {
  if (rounds_.empty() || rounds_.back().sent != now_) force_round();
  return number_;
}

void Raft::force_round() {
  if (rounds_.size() >= limits::kMaxRounds) rounds_.pop_front();
  rounds_.push_back({.number = ++number_, .sent = now_});
}

/// The newest number that a majority of the voters, this leader included, has echoed.
std::uint64_t Raft::quorum_number() const {
  const Membership& members = membership();
  std::array<std::uint64_t, limits::kMaxVoters> echoed{};
  std::size_t count = 0;
  for (const MemberId voter : members.voters) {
    if (voter == options_.self) echoed[count++] = std::numeric_limits<std::uint64_t>::max();
  }
  for (const Progress& peer : peers_) {
    if (peer.voter) echoed[count++] = peer.echoed;
  }
  std::sort(echoed.begin(), echoed.begin() + static_cast<std::ptrdiff_t>(count), std::greater<>());
  return count == 0 ? 0 : echoed[members.majority() - 1];
}

void Raft::note_echo(Progress& peer, std::uint64_t number) {
  if (number <= peer.echoed) return;
  peer.echoed = number;
  peer.echoed_at = now_;
  update_lease();
}

void Raft::update_lease() {
  const std::uint64_t number = quorum_number();
  while (!rounds_.empty() && rounds_.front().number < number) rounds_.pop_front();
  if (rounds_.empty() || rounds_.front().number != number) return;
  const MonotonicTime sent = options_.defects.lease_from_receipt ? now_ : rounds_.front().sent;
  contact_ = std::max(contact_, sent);
  lease_until_ = std::max(lease_until_, sent + options_.lease());
}

bool Raft::leader_ready() const {
  if (role_ != Role::kLeader || closed_ != Closed::kOpen) return false;
  return applied_ >= term_start_ || options_.defects.serve_before_first_entry;
}

bool Raft::has_lease(MonotonicTime now) const {
  if (!leader_ready()) return false;
  if (options_.defects.deposed_leader_reads || sole_voter()) return true;
  if (lease_barred_ && !options_.defects.transfer_keeps_lease) return false;
  return now < lease_until_;
}

MonotonicTime Raft::lease_end() const {
  if (!leader_ready() || lease_barred_) return {};
  return sole_voter() ? MonotonicTime::max() : lease_until_;
}

Result<void> Raft::read(MonotonicTime now, std::uint64_t token) {
  advance(now);
  if (!leader_ready()) return fail(ErrorCode::kNotLeader);
  if (reads_.size() >= limits::kMaxPendingReads) return fail(ErrorCode::kTooManyRequests);
  std::uint64_t number = 0;
  if (!has_lease(now_)) {
    probe(Probe::kReadByRound);
    if (number_ == sent_number_) force_round();  // reads that come before it is sent share it
    number = number_;
    heartbeat_all();
  }
  reads_.push_back({.token = token, .number = number, .index = commit_});
  return {};
}

void Raft::hand_out_reads(Ready& out) {
  if (!reads_.empty()) {
    const std::uint64_t number = quorum_number();
    std::erase_if(reads_, [&](const PendingRead& read) {
      if (read.number > number || read.index > applied_) return false;
      answers_.push_back({.token = read.token, .confirmed = true, .index = read.index});
      return true;
    });
  }
  out.reads = std::exchange(answers_, {});
}

void Raft::fail_reads() {
  for (const PendingRead& read : reads_) {
    probe(Probe::kReadFailed);
    answers_.push_back({.token = read.token, .confirmed = false, .index = 0});
  }
  reads_.clear();
}

}  // namespace flashstor::cluster::raft
