#include <algorithm>
#include <iterator>

#include "engine/cluster/raft/limits.h"
#include "engine/cluster/raft/raft.h"

namespace flashstor::cluster::raft {
namespace {

bool sorted_and_unique(const std::vector<MemberId>& ids) {
  return std::adjacent_find(ids.begin(), ids.end(), std::greater_equal<>()) == ids.end() &&
         (ids.empty() || ids.front() != 0);
}

std::size_t differing(const std::vector<MemberId>& a, const std::vector<MemberId>& b) {
  std::vector<MemberId> out;
  std::set_symmetric_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(out));
  return out.size();
}

}  // namespace

bool Membership::is_voter(MemberId id) const { return std::binary_search(voters.begin(), voters.end(), id); }
bool Membership::is_standby(MemberId id) const {
  return std::binary_search(standbys.begin(), standbys.end(), id);
}

bool Raft::sole_voter() const {
  const Membership& members = membership();
  return members.voters.size() == 1 && members.voters.front() == options_.self;
}

std::size_t Raft::following(const Membership& members) const {
  std::size_t count = role_ == Role::kLeader && members.is_voter(options_.self) ? 1 : 0;
  for (const Progress& peer : peers_) {
    const bool answers =
        peer.flow == Flow::kReplicate && !peer.regressed && now_ - peer.echoed_at < options_.election_timeout;
    if (answers && members.is_voter(peer.id)) ++count;
  }
  return count;
}

Result<Index> Raft::propose_membership(MonotonicTime now, Membership wanted) {
  advance(now);
  if (!leader_ready() || transfer_target_ != 0) return fail(ErrorCode::kNotLeader);
  if (log_.membership_index() > commit_) return fail(ErrorCode::kBusy, "a change of membership is under way");
  if (!sorted_and_unique(wanted.voters) || !sorted_and_unique(wanted.standbys) ||
      wanted.voters.size() > limits::kMaxVoters || wanted.standbys.size() > limits::kMaxStandbys ||
      !wanted.is_voter(options_.self) || differing(wanted.voters, membership().voters) > 1 ||
      std::any_of(wanted.standbys.begin(), wanted.standbys.end(),
                  [&wanted](MemberId id) { return wanted.is_voter(id); })) {
    return fail(ErrorCode::kInvalidArgument, "not one step from the present membership");
  }
  if (following(wanted) < wanted.majority()) {
    return fail(ErrorCode::kBusy,
                "too few of the new voters follow");  // it could never be committed, nor taken back
  }
  const Index index = log_.last_index() + 1;
  append_local({.term = hard_.term,
                .index = index,
                .payload = {},
                .membership = std::make_shared<const Membership>(std::move(wanted))});
  return index;
}

/// Follows the newest membership. A member that stopped being a voter starts anew: it may have lost what it
/// acknowledged.
void Raft::rebuild_peers() {
  if (role_ != Role::kLeader) return;
  std::vector<Progress> peers;
  const auto add = [&](MemberId id, bool voter) {
    if (id == options_.self) return;
    if (Progress* old = find_peer(id); old != nullptr && (voter || !old->voter)) {
      peers.push_back(std::move(*old));
    } else {
      peers.emplace_back().id = id;
      peers.back().floor = number_;
      force_round();
      peers.back().probe_from(log_.last_index() + 1);
    }
    peers.back().voter = voter;
  };
  for (const MemberId id : membership().voters) add(id, true);
  for (const MemberId id : membership().standbys) add(id, false);
  peers_ = std::move(peers);
}

Progress* Raft::find_peer(MemberId id) {
  for (Progress& peer : peers_) {
    if (peer.id == id) return &peer;
  }
  return nullptr;
}

bool Raft::needs_fill(MemberId member) const {
  return role_ == Role::kLeader && std::ranges::any_of(peers_, [member](const Progress& peer) {
           return peer.id == member && peer.flow == Flow::kNeedsFill && peer.echoed != 0;
         });
}

Index Raft::acked_by(MemberId member) const {
  if (role_ != Role::kLeader) return 0;
  if (member == options_.self) return self_match_;
  for (const Progress& peer : peers_) {
    if (peer.id == member) return peer.match;
  }
  return 0;
}

Result<void> Raft::transfer(MonotonicTime now, MemberId target) {
  advance(now);
  if (role_ != Role::kLeader || closed_ != Closed::kOpen) return fail(ErrorCode::kNotLeader);
  Progress* peer = find_peer(target);
  if (peer == nullptr || !peer->voter) return fail(ErrorCode::kInvalidArgument, "not another voter");
  lease_barred_ = true;
  transfer_target_ = target;
  transfer_deadline_ = now_ + options_.election_timeout;
  timeout_now_sent_ = false;
  maybe_hand_over(*peer);
  return {};
}

void Raft::maybe_hand_over(Progress& peer) {
  if (peer.id != transfer_target_ || timeout_now_sent_ || peer.match != log_.last_index()) return;
  timeout_now_sent_ = true;
  emit(make(MessageType::kTimeoutNow, peer.id));
}

}  // namespace flashstor::cluster::raft
