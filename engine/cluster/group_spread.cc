#include <algorithm>
#include <utility>

#include "engine/cluster/group.h"
#include "engine/cluster/leaderless.h"
#include "engine/cluster/limits.h"

// A group whose members are on several nodes: what goes out to the others and what comes in.
namespace flashstor::cluster {

void Group::spread(GroupPlace place) {
  FLASHSTOR_CHECK(place.nodes.size() == members_.size());
  place_ = std::move(place);
  for (const auto& member : members_) member->remote = place_.nodes[member->slot] != place_.self;
}

void Group::send_away(MemberState& target, raft::Message message) {
  if (!target.reachable) return;
  const std::uint32_t node = place_.nodes[target.slot];
  Bundle& bundle = bundles_[node];
  std::size_t& bytes = bundle_bytes_[node];
  for (const raft::Entry& entry : message.entries) {
    bytes += entry.payload.size();
    storage::AppendBatch shard;
    if (!listener_.add_data(target.slot, entry, shard)) continue;
    bytes += shard.data.front().bytes.size();
    bundle.data.push_back({.member = target.id,
                           .index = entry.index,
                           .term = entry.term,
                           .record = std::move(shard.data.front())});
    if (bytes >= kBundleBytes) flush_bundle(node);  // shards may come before the message that they belong to
  }
  bundle.messages.push_back(std::move(message));
  if (bytes >= kBundleBytes) flush_bundle(node);
}

bool Group::add_incoming(MemberState& member, const raft::Entry& entry, storage::AppendBatch& batch) {
  const auto found = member.incoming.find({entry.index, entry.term});
  if (found == member.incoming.end()) return false;
  // From a leader that is no more: its successor may have had the drive refuse it.
  if (entry.term < member.core->term()) {
    member.incoming.erase(member.incoming.begin(), std::next(found));
    return false;
  }
  batch.data.push_back(std::move(found->second));
  // What was meant for entries before this one belongs to terms that lost.
  member.incoming.erase(member.incoming.begin(), std::next(found));
  return true;
}

void Group::note_appended(MemberState& member, const std::vector<AppendedEntry>& entries) {
  if (!is_spread() || leader_) return;
  member.unreported.insert(member.unreported.end(), entries.begin(), entries.end());
}

void Group::receive(std::uint32_t node, Bundle bundle) {
  if (stopping_) return;
  for (MemberData& item : bundle.data) {
    for (const auto& member : members_) {
      if (member->id != item.member || member->remote) continue;
      if (member->incoming.size() >= limits::kMaxIncoming) member->incoming.clear();
      member->incoming.insert_or_assign({item.index, item.term}, std::move(item.record));
      break;
    }
  }
  for (raft::Message& message : bundle.messages) {
    for (const auto& member : members_) {
      if (member->id != message.to || member->remote || !member->open()) continue;
      member->core->step(clock(), std::move(message));
      touch(*member);
      break;
    }
  }
  for (const MemberReport& report : bundle.reports) take_report(node, report);
}

void Group::take_report(std::uint32_t node, const MemberReport& report) {
  if (report.slot >= members_.size() || place_.nodes[report.slot] != node) return;
  MemberState& member = *members_[report.slot];
  if (!member.remote || !member.reachable) return;
  if (report.member != member.id && report.member != 0 && slot_of_member(report.member) == member.slot) {
    member.id = report.member;  // another drive, which has applied less
    member.applied = 0;
    member.told = {};
    changed_ = true;
    schedule();
  }
  member.generation = report.generation;
  if (report.in_doubt) member.doubt_seen = home_.now();
  if (std::exchange(member.in_doubt, report.in_doubt) != report.in_doubt) {
    changed_ = true;
    schedule();
  }
  member.reported_term = report.term;
  member.reported_end = report.end;
  if (report.open) member.told = home_.now();
  if (std::exchange(member.reported_incarnation, report.incarnation) != report.incarnation) {
    changed_ = true;
    schedule();
  }
  if (member.reported_open != report.open || member.reported_votes != report.votes ||
      member.reported_leads != report.leads) {
    member.reported_open = report.open;
    member.reported_votes = report.votes;
    member.reported_leads = report.leads;
    member.failure = report.open ? "" : "its drive is out";
    changed_ = true;
    schedule();
  }
  if (member.full != report.full) listener_.room(member.slot, member.full = report.full);
  if (report.leads != 0 && !leader_ && known_leader() == member.slot) listener_.told_owed(report.owed);
  if (!report.appended.empty()) listener_.appended(member.slot, report.appended);
  if (report.applied > member.applied) {
    member.applied = report.applied;
    listener_.applied(member.slot, member.applied);
  }
}

void Group::node_changed(std::uint32_t node, bool up) {
  for (const auto& member : members_) {
    if (!member->remote || place_.nodes[member->slot] != node) continue;
    member->reachable = up;
    member->reported_open = false;
    member->reported_leads = 0;
    member->failure = "its node does not answer";
  }
  changed_ = true;
  if (up) report_members(node);
  schedule();
}

std::uint64_t Group::incarnation(std::uint32_t slot) const {
  const MemberState& member = *members_[slot];
  if (!member.open()) return 0;
  return member.remote ? member.reported_incarnation : member.drive->incarnation();
}

std::size_t Group::open_members_elsewhere() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(members_, [](const auto& m) { return m->remote && m->votes(); }));
}

std::optional<std::uint32_t> Group::known_leader() const {
  if (leader_) return leader_;
  const MemberState* best = nullptr;
  for (const auto& member : members_)
    if (member->leads() > (best == nullptr ? 0 : best->leads())) best = member.get();
  return best == nullptr ? std::nullopt : std::optional(best->slot);
}

MemberReport Group::report_of(const MemberState& member) const {
  return {.slot = member.slot,
          .member = member.id,
          .generation = member.generation,
          .open = member.open(),
          .votes = member.votes(),
          .full = member.full,
          .incarnation = incarnation(member.slot),
          .leads = member.leads(),
          .owed = leader_ == member.slot && !unfit_ ? listener_.owed() : std::nullopt,
          .applied = member.applied,
          .in_doubt = member.in_doubt,
          .term = member.open() ? member.core->term() : 0,
          .end = member.open() ? raft::end_of(member.core->log()) : raft::LogBase{},
          .appended = {}};
}

void Group::report_members(std::uint32_t node) {
  Bundle& bundle = bundles_[node];
  for (const auto& member : members_)
    if (!member->remote) bundle.reports.push_back(report_of(*member));
}

Bundle Group::reports() const {
  Bundle bundle{.set = place_.set, .messages = {}, .data = {}, .reports = {}};
  for (const auto& member : members_)
    if (!member->remote) bundle.reports.push_back(report_of(*member));
  return bundle;
}

void Group::report_to_all() {
  std::vector<std::uint32_t> told;
  for (const auto& member : members_) {
    const std::uint32_t node = place_.nodes[member->slot];
    if (!member->remote || !member->reachable || std::ranges::find(told, node) != told.end()) continue;
    told.push_back(node);
    report_members(node);
  }
}

// Which entries lie with their shards on the drives here: only the leader wants to know.
void Group::report_appended() {
  const int leader = leader_node();
  for (const auto& member : members_) {
    if (member->unreported.empty()) continue;
    std::vector<AppendedEntry> entries = std::exchange(member->unreported, {});
    if (leader < 0 || leader == static_cast<int>(place_.self)) continue;
    MemberReport report = report_of(*member);
    report.appended = std::move(entries);
    bundles_[static_cast<std::uint32_t>(leader)].reports.push_back(std::move(report));
  }
}

void Group::flush_bundle(std::uint32_t node) {
  Bundle& bundle = bundles_[node];
  if (bundle.empty()) return;
  bundle.set = place_.set;
  bundle_bytes_[node] = 0;
  place_.transport->send(node, std::exchange(bundle, {}));
}

void Group::flush_bundles() {
  report_appended();
  for (const auto& [node, bundle] : bundles_) flush_bundle(node);
}

void Group::tick_spread() {
  for (const auto& member : members_) {
    if (member->remote || !member->open()) continue;
    member->core->tick(clock());
    touch(*member);
  }
  report_next_ = !report_next_;
  if (!report_next_) return;
  const bool unfit = leader_ && std::ranges::any_of(core(*leader_)->peers(), [](const raft::Progress& peer) {
                       return peer.flow == raft::Flow::kNeedsFill || peer.regressed;
                     });
  changed_ = changed_ || unfit != unfit_;
  unfit_ = unfit;
  report_to_all();
  schedule();
}

void Group::look_for_leader_node() {
  int found = -1;
  if (leader_) {
    found = static_cast<int>(place_.self);
  } else {
    // What the leader's node says, and what the members here have heard: a node without drives hears nothing.
    raft::Term term = 0;
    for (const auto& member : members_) {
      if (!member->remote || member->leads() <= term) continue;
      found = static_cast<int>(place_.nodes[member->slot]);
      term = member->leads();
    }
    for (const auto& member : members_) {
      if (member->remote || !member->open() || member->core->term() < term) continue;
      const raft::MemberId leader = member->core->leader();
      for (const auto& other : members_)
        if (leader != 0 && other->id == leader && other->remote && other->reachable) {
          found = static_cast<int>(place_.nodes[other->slot]);
          term = member->core->term();
        }
    }
  }
  if (leader_node_.exchange(found, std::memory_order_acq_rel) != found) changed_ = true;
}

void Group::publish_lease() {
  const MonotonicTime end = leader_ ? members_[*leader_]->core->lease_end() : MonotonicTime{};
  lease_until_.store(end.time_since_epoch().count(), std::memory_order_release);
}

Task<bool> Group::confirm_leader(MonotonicTime deadline) {
  if (!leader_ || stopping_) co_return false;
  MemberState& member = *members_[*leader_];
  ReadWait wait;
  const std::uint64_t token = next_read_++;
  if (!member.core->read(clock(), token)) co_return false;
  reads_.emplace(token, &wait);
  touch(member);
  co_await wait.done.wait_until(deadline);
  reads_.erase(token);
  co_return wait.confirmed;
}

bool Group::learn_commit(std::uint32_t slot, const LeaderlessQuery& query) {
  MemberState& member = *members_[slot];
  if (member.remote || !member.open() || member.id != query.member || member.generation != query.generation)
    return false;
  const raft::LogView& log = member.core->log();
  if (log.last_index() != query.last_index || log.last_term() != query.last_term) return false;
  const raft::Index before = member.core->commit_index();
  member.core->learn_commit(query.commit, query.commit_term);
  if (member.core->commit_index() != before) touch(member);
  return true;
}

Task<void> Group::hand_over(MonotonicTime deadline) {
  if (!is_spread() || !leader_) co_return;
  raft::Raft& core = *members_[*leader_]->core;
  const MemberState* target = nullptr;
  for (const auto& member : members_) {
    if (!member->remote || !member->open()) continue;
    if (target == nullptr || core.acked_by(member->id) > core.acked_by(target->id)) target = member.get();
  }
  if (target == nullptr || !core.transfer(clock(), target->id)) co_return;
  touch(*members_[*leader_]);
  while (leader_ && home_.now() < deadline) co_await async::sleep_for(home_, Milliseconds(5));
}

}  // namespace flashstor::cluster
