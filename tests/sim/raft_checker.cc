#include "tests/sim/raft_checker.h"

#include <fmt/core.h>

#include <cstring>

namespace flashstor::sim {

using cluster::raft::Closed;

std::uint64_t payload_id(const cluster::raft::Entry& entry) {
  if (entry.membership != nullptr) return 1;
  std::uint64_t id = 0;
  if (entry.payload.size() == sizeof(id)) std::memcpy(&id, entry.payload.data(), sizeof(id));
  return id;
}

void RaftChecker::after_step(const Raft& core, std::uint64_t life) {
  Last& last = last_[core.id()];
  if (core.closed() == Closed::kInconsistent)
    fail(fmt::format("member {} was contradicted by a peer", core.id()));
  if (core.closed() != Closed::kOpen) return;
  if (last.life != life) last = {.life = life, .term = 0, .commit = 0, .led = 0};
  if (core.term() < last.term) fail(fmt::format("member {} went back in term", core.id()));
  last.term = core.term();
  if (core.commit_index() < last.commit) fail(fmt::format("member {} took back a commit", core.id()));
  if (core.commit_index() > last.commit) check_commit(core, last.commit);
  last.commit = core.commit_index();
  if (core.is_leader() && last.led != core.term()) check_leader(core, life, last);
}

void RaftChecker::check_leader(const Raft& core, std::uint64_t life, Last& last) {
  last.led = core.term();
  const auto [place, first] = leaders_.try_emplace(core.term(), Leader{.id = core.id(), .life = life});
  if (!first && (place->second.id != core.id() || place->second.life != life)) {
    fail(fmt::format("election safety: {} and {} led term {}", place->second.id, core.id(), core.term()));
  }
  std::size_t known = commits_.size();  // what was committed in terms before this one
  while (known > 0 && commits_[known - 1].in_term >= core.term()) --known;
  if (known > 0 && !core.log().matches(known, commits_[known - 1].term)) {
    fail(
        fmt::format("leader completeness: {} leads term {} without entry {}", core.id(), core.term(), known));
  }
}

void RaftChecker::check_commit(const Raft& core, Index from) {
  for (Index i = std::max(from + 1, core.log().base().index); i <= core.commit_index(); ++i) {
    if (i == 0) continue;
    const Term term = core.log().term_at(i);
    if (i > commits_.size()) {
      if (i != commits_.size() + 1)
        return fail(fmt::format("member {} commits {} out of order", core.id(), i));
      commits_.push_back({.term = term, .in_term = core.term()});
    } else if (commits_[i - 1].term != term) {
      return fail(fmt::format("member {} commits term {} at {}, another term {}", core.id(), term, i,
                              commits_[i - 1].term));
    }
  }
}

void RaftChecker::appended(const Raft& core, const Entry& entry) {
  if (seen_.size() <= entry.index) seen_.resize(entry.index + 1);
  const Term before = core.log().has(entry.index - 1) ? core.log().term_at(entry.index - 1) : 0;
  const std::uint64_t payload = payload_id(entry);
  for (const Seen& other : seen_[entry.index]) {
    if (other.term != entry.term) continue;
    if (other.payload != payload || other.before != before) {
      fail(fmt::format("log matching: two entries {} of term {}", entry.index, entry.term));
    }
    return;
  }
  seen_[entry.index].push_back({.term = entry.term, .payload = payload, .before = before});
}

void RaftChecker::applied(const Raft& core, const Entry& entry) {
  const std::uint64_t payload = payload_id(entry);
  if (entry.index > states_.size() + 1)
    return fail(fmt::format("member {} applies {} too early", core.id(), entry.index));
  if (entry.index == states_.size() + 1) {
    states_.push_back(payload);
  } else if (states_[entry.index - 1] != payload) {
    fail(fmt::format("state machine safety: member {} applies another entry {}", core.id(), entry.index));
  }
}

void RaftChecker::counted(const Raft& leader, cluster::raft::MemberId member, const RaftDrive& drive) {
  const Index match = leader.acked_by(member);
  if (match == 0 || drive.term() != leader.term() || !leader.log().has(match)) return;
  if (drive.holds(match, leader.log().term_at(match))) return;
  fail(fmt::format("leader {} counts entry {} for {}, whose drive does not hold it", leader.id(), match,
                   member));
}

void RaftChecker::read(const Raft& core, Index index, Index floor) {
  if (index < floor)
    fail(fmt::format("stale read: member {} shows {} after {} was seen", core.id(), index, floor));
  floor_ = std::max(floor_, index);
}

}  // namespace flashstor::sim
