#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/async/sync.h"
#include "engine/cluster/due.h"
#include "engine/cluster/member_state.h"
#include "engine/cluster/peers/bundle.h"
#include "engine/cluster/pin_holders.h"
#include "engine/cluster/raft/raft.h"
#include "engine/storage/storage_api.h"

namespace flashstor::cluster {

struct LeaderlessQuery;

/// What a group tells the set that it orders. Called on the group's loop, never from inside a call of the
/// set's into the group.
class GroupListener {
 public:
  virtual ~GroupListener() = default;
  /// Adds the shard of `slot` that belongs to `entry` to `batch`; gives whether there was one.
  virtual bool add_data(std::uint32_t slot, const raft::Entry& entry, storage::AppendBatch& batch) = 0;
  virtual void appended(std::uint32_t slot, std::span<const AppendedEntry> entries) = 0;
  /// Just before `entries` become visible in the index of `slot`.
  virtual void applying(std::uint32_t slot, std::span<const raft::Entry> entries) = 0;
  virtual void applied(std::uint32_t slot, raft::Index index) = 0;
  /// A member was started over in `generation` of the set: its drive has applied `index`, of which `entries`
  /// are the last, from the oldest undecided one on. A drive that was filled has what no member here has
  /// applied; in a newer generation another log may stand where the one known here did.
  virtual void rejoined(std::uint64_t generation, raft::Index index,
                        std::span<const raft::Entry> entries) = 0;
  /// The drive of `slot`, on another node, has (no) room for data.
  virtual void room(std::uint32_t slot, bool full) = 0;
  /// Slices that lack a shard, as this node knows while it leads, and nothing until it has counted them; what
  /// another node's leader says of them.
  [[nodiscard]] virtual std::optional<std::uint64_t> owed() const = 0;
  virtual void told_owed(std::optional<std::uint64_t> slices) = 0;
  /// A leader stands, or stands no more; or a drive fell silent.
  virtual void changed() = 0;
};

/// Carries what a group has to say to its members on other nodes. May lose, delay and reorder.
class GroupTransport {
 public:
  virtual ~GroupTransport() = default;
  virtual void send(std::uint32_t node, Bundle bundle) = 0;
  /// Tells the leader of `set`, on `node`, of shards that reads here found bad.
  virtual void send_bad(std::uint32_t node, std::uint32_t set, std::vector<HealItem> bad) = 0;
  /// Asks every other process that may read which of `ids` (at most kMaxFrees) its readers use; one answer
  /// for each of them, also where it is not reached.
  virtual Task<std::vector<PinAnswer>> ask_pinned(std::uint32_t set, std::vector<DataId> ids) = 0;
};

/// Where the members of a group run whose drives are on several nodes: each beside its drive.
struct GroupPlace {
  GroupTransport* transport = nullptr;  ///< Null: all members are in this process.
  std::uint32_t set = 0;
  std::uint32_t self = 0;            ///< This node.
  std::vector<std::uint32_t> nodes;  ///< By slot.
};

/// A consensus group whose members are the drives of one set: drives the core of each member of this process
/// against its drive, hands messages over by pointer, or by `GroupTransport` to members on other nodes, and
/// applies what is committed.
/// Time:    where all members are in this process the cores run on a clock of the group's own, which stands
///          still while a leader stands: members of one process fail by failing, not by silence. So an idle
///          group costs nothing, a slow drive brings no election about, and the leader's lease does not run
///          out. Between nodes they run on the monotonic clock, with the time-outs of protocol.md.
/// Batches: proposals of one turn of the loop, and all that come while kMaxAppendsInFlight batches are under
///          way to a drive, go to the drive as one.
/// Threads: one loop. Calls into it do their work in a later turn.
class Group {
 public:
  /// `ids` names the members by slot; empty: as a new set names them.
  Group(Runtime& home, GroupListener& listener, std::vector<storage::StorageApi*> drives,
        const std::vector<raft::MemberId>& ids = {});
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;
  ~Group();

  /// Says that some members are on other nodes. Before `start`.
  void spread(GroupPlace place);
  /// For the simulator. Before `start`.
  void plant(const raft::Defects& defects) { defects_ = defects; }
  [[nodiscard]] bool is_spread() const { return place_.transport != nullptr; }
  /// What this node says of its members to one that is no member's: a gateway asks for it.
  [[nodiscard]] Bundle reports() const;
  /// What another node said.
  void receive(std::uint32_t node, Bundle bundle);
  /// Another node answers, or no longer does.
  void node_changed(std::uint32_t node, bool up);
  /// The node whose member leads, as far as is known here; -1 otherwise. From any thread.
  [[nodiscard]] int leader_node() const { return leader_node_.load(std::memory_order_acquire); }
  [[nodiscard]] bool leads_elsewhere() const {
    return is_spread() && !leader_ && leader_node() >= 0 && leader_node() != static_cast<int>(place_.self);
  }
  /// The leader here may read its rows alone until then. From any thread.
  [[nodiscard]] MonotonicTime lease_until() const {
    return MonotonicTime(Nanoseconds(lease_until_.load(std::memory_order_acquire)));
  }
  /// Asks the members whether this process still leads (ReadIndex); true when it did at some time after the
  /// call and has applied all that was committed by then.
  Task<bool> confirm_leader(MonotonicTime deadline);
  /// Whether the member of `slot` here still has the log that `query` speaks of; it learns what is committed.
  bool learn_commit(std::uint32_t slot, const LeaderlessQuery& query);
  /// Hands leadership to another node, if this one leads and one is in step. Before a clean stop.
  Task<void> hand_over(MonotonicTime deadline);

  /// Recovers every drive (null ones are missing) and starts the members. Errors of a drive close its member.
  Task<void> start();
  /// Starts the silent member of `slot` over with the drive that stands in its place now, under `id`. Errors:
  /// kBusy while calls to its old drive are under way; the drive's own; kCorrupt when the drive holds less
  /// than this member acknowledged (then it may only come back as a new member).
  Task<Result<void>> rejoin(std::uint32_t slot, raft::MemberId id);
  /// Asks the leader to change who takes part. Errors: as raft::Raft::propose_membership.
  Result<void> propose_membership(raft::Membership wanted);
  /// Stops the clock, waits for what is under way. Drives stay open.
  Task<void> stop();

  struct Proposed {
    raft::Index index = 0;
    raft::Term term = 0;
  };
  /// Errors: kNotLeader, kTooManyRequests, kInvalidArgument as raft::Raft::propose.
  Result<Proposed> propose(Buffer payload);

  /// The slot that leads and is ready, or none.
  [[nodiscard]] std::optional<std::uint32_t> leader() const { return leader_; }
  [[nodiscard]] raft::Term leader_term() const { return leader_term_; }
  [[nodiscard]] bool leads(raft::Term term) const { return leader_.has_value() && leader_term_ == term; }
  [[nodiscard]] bool is_open(std::uint32_t slot) const;
  /// Members that stand and vote.
  [[nodiscard]] std::size_t open_members() const;
  /// Those of them on other nodes.
  [[nodiscard]] std::size_t open_members_elsewhere() const;
  /// Whether the member of `slot` is on another node.
  [[nodiscard]] bool is_elsewhere(std::uint32_t slot) const { return members_[slot]->remote; }
  /// Of the drive at `slot`, as far as this process knows; 0 while it is out.
  [[nodiscard]] std::uint64_t incarnation(std::uint32_t slot) const;
  /// The slot that leads, wherever it is, as far as is known here.
  [[nodiscard]] std::optional<std::uint32_t> known_leader() const;
  /// Who has a vote, as the newest membership known here says; all members where none is.
  [[nodiscard]] std::size_t voters() const;
  /// Whether the drives that are in use here are all voters and the only ones; true where no log is.
  [[nodiscard]] bool settled() const;
  [[nodiscard]] std::size_t majority() const { return voters() / 2 + 1; }
  /// Whether the drive of `slot` takes nothing from leaders before the one here any more. One that waits for
  /// a fill has answered this one, and will never hold anything of it: it is filled only once what it may
  /// hold is settled.
  [[nodiscard]] bool follows(std::uint32_t slot) const {
    if (!leader_ || slot == *leader_) return leader_.has_value();
    const raft::Raft& core = *members_[*leader_]->core;
    const raft::MemberId id = members_[slot]->id;
    return core.holds_of_term(id) || core.needs_fill(id);
  }
  /// So many voters know together all that may have been committed.
  [[nodiscard]] std::size_t read_quorum() const { return voters() - majority() + 1; }
  [[nodiscard]] std::size_t size() const { return members_.size(); }
  /// Whether the drive of `slot`, of this process, may have lost the end of its log and did not have the time
  /// to ask those who know: its log says nothing of what was committed.
  [[nodiscard]] bool cannot_vouch(std::uint32_t slot) const;
  [[nodiscard]] const std::string& failure(std::uint32_t slot) const { return members_[slot]->failure; }
  [[nodiscard]] const MemberState& member(std::uint32_t slot) const { return *members_[slot]; }
  [[nodiscard]] raft::Index applied(std::uint32_t slot) const { return members_[slot]->applied; }
  [[nodiscard]] raft::Index committed() const;
  /// The newest generation of the set that a member here is of: those of older ones were declared lost.
  [[nodiscard]] std::uint64_t generation() const;
  /// Null for a member that is not open.
  [[nodiscard]] const raft::Raft* core(std::uint32_t slot) const { return members_[slot]->core.get(); }
  /// The member with the longest log, if enough stand to be sure that nothing committed is missing from it.
  [[nodiscard]] std::optional<std::uint32_t> highest_log() const;
  /// Entries in memory at `slot` after its applied index.
  [[nodiscard]] std::vector<raft::Entry> tail(std::uint32_t slot) const;
  /// Entries that are applied somewhere and may still be undecided, as recovery gave them.
  [[nodiscard]] std::vector<storage::LogEntry> take_recovered() { return std::move(recovered_); }
  /// The drive of `slot` has (no) room for data: the other nodes are told.
  void set_full(std::uint32_t slot, bool full) { members_[slot]->full = full; }
  /// Takes a drive out after a failed operation.
  void fail_member(std::uint32_t slot, std::string why, ErrorCode code = ErrorCode::kDriveFailed);
  /// Fails a drive whose append hangs; hands leadership over when the leader's own drive is slow and another
  /// is not. To be called now and then while anything is under way.
  void watch_drives();

 private:
  /// Null where no log is.
  [[nodiscard]] const raft::Membership* newest_membership() const;
  void start_member(MemberState& member, storage::RecoveredState state);
  void touch(MemberState& member);
  void schedule();
  void pump();
  void drain_dirty();
  void handle(MemberState& member, raft::Ready ready);
  void route(std::vector<raft::Message> messages);
  void send_records(MemberState& member, raft::Records records);
  /// The entries of one append; apart those whose data was staged before, and its names.
  struct Appending {
    std::vector<AppendedEntry> entries;
    std::vector<AppendedEntry> staged;
    std::vector<DataId> data;
  };
  Task<void> append(MemberState& member, storage::AppendBatch batch, std::uint64_t sequence,
                    Appending appending);
  void tell_appended(MemberState& member, const std::vector<AppendedEntry>& entries);
  Task<void> tell_staged(MemberState& member, std::vector<AppendedEntry> entries, std::vector<DataId> data);
  Task<void> apply(MemberState& member);
  Task<Result<void>> apply_batch(MemberState& member, const std::vector<raft::Entry>& batch);
  Task<void> load(MemberState& member, raft::EntriesWanted wanted);
  void look_for_leader();
  void share_commits();
  [[nodiscard]] bool clock_needed() const;
  [[nodiscard]] Nanoseconds append_age(const MemberState& member) const;
  [[nodiscard]] bool waits_for_drive() const;
  void arm_clock();
  void tick();
  void beat();
  [[nodiscard]] MonotonicTime clock();
  // group_spread.cc
  void send_away(MemberState& target, raft::Message message);
  bool add_incoming(MemberState& member, const raft::Entry& entry, storage::AppendBatch& batch);
  void note_appended(MemberState& member, const std::vector<AppendedEntry>& entries);
  void take_report(std::uint32_t node, const MemberReport& report);
  void report_members(std::uint32_t node);
  void report_to_all();
  [[nodiscard]] MemberReport report_of(const MemberState& member) const;
  void report_appended();
  void flush_bundle(std::uint32_t node);
  void flush_bundles();
  void tick_spread();
  void look_for_leader_node();
  void publish_lease();
  // group_doubt.cc
  struct Told;
  [[nodiscard]] Told ask_others(const MemberState& member) const;
  void settle_doubts();
  void settle_doubt(MemberState& member);
  Task<void> trust(MemberState& member);

  struct PumpWork : async::Work {
    Group* group = nullptr;
  };
  struct ClockTimer : async::TimerNode {
    Group* group = nullptr;
  };
  struct ReadWait {
    async::Event done;
    bool confirmed = false;
  };

  Runtime& home_;
  GroupListener& listener_;
  std::vector<std::unique_ptr<MemberState>> members_;
  std::vector<MemberState*> dirty_;
  std::vector<storage::LogEntry> recovered_;
  MonotonicTime clock_{Nanoseconds(1)};  // the group's own
  PumpWork work_;
  ClockTimer timer_;
  bool scheduled_ = false;
  bool stopping_ = false;
  bool changed_ = false;
  bool beat_due_ = false;
  std::optional<std::uint32_t> leader_;
  raft::Term leader_term_ = 0;
  GroupPlace place_;
  raft::Defects defects_;
  std::map<std::uint32_t, Bundle> bundles_;  // by node, until the end of the turn
  std::map<std::uint32_t, std::size_t> bundle_bytes_;
  std::map<std::uint64_t, ReadWait*> reads_;
  std::uint64_t next_read_ = 1;
  bool report_next_ = false;
  bool unfit_ = false;  // between nodes: the leader here has members that must be filled
  std::atomic<int> leader_node_{-1};
  std::atomic<std::int64_t> lease_until_{0};
  async::Gate gate_;
};

}  // namespace flashstor::cluster
