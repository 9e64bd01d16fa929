#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <unordered_map>
#include <vector>

#include "engine/async/sync.h"
#include "engine/async/work_pool.h"
#include "engine/cluster/due.h"
#include "engine/cluster/flight.h"
#include "engine/cluster/group.h"
#include "engine/cluster/leaving.h"
#include "engine/cluster/limits.h"
#include "engine/cluster/lock_table.h"
#include "engine/cluster/pending.h"
#include "engine/cluster/pins.h"
#include "engine/cluster/postponed.h"
#include "engine/cluster/set_api.h"
#include "engine/cluster/set_defects.h"
#include "engine/cluster/undecided.h"
#include "engine/cluster/witnesses.h"

namespace flashstor::cluster {

struct LeaderlessQuery;

/// The query that has the leader's scanner begin a pass at once: it compares what the drives hold, and with
/// the payload "deep" reads it all as well. A change of leader within the process begins the pass anew.
inline constexpr CommandKind kScanQuery = 0;
/// The query for how healing goes (heal_status.h): the leader heals, so it is the one to ask.
inline constexpr CommandKind kHealQuery = UINT16_MAX;

/// What an ErasureSet is made of.
struct SetParts {
  SetInfo info;
  Runtime* home = nullptr;   ///< The loop that the set lives on; outlives it.
  WorkPool* pool = nullptr;  ///< For scans that must wait for a drive. Null: they run on the loop.
  const CommandRegistry* registry = nullptr;
  /// One a slot; null where the drive is missing.
  std::vector<std::unique_ptr<storage::StorageApi>> drives;
  /// Names of the drives in the set's consensus, by slot; empty: those of a new set.
  std::vector<raft::MemberId> members;
  /// What is known of each slot's drive; used where it is missing.
  std::vector<storage::DriveInfo> described;
  GroupPlace place;    ///< Where the drives are, when some are on other nodes.
  SetDefects defects;  ///< For the simulator.
};

/// One erasure set: the consensus of its drives in this process, the commands if one of them leads, reads of
/// data from any loop and any drive, settling, healing and freeing. Where the leader is on another node,
/// `execute` and `query` give kNotLeader (peers/routed_set.h takes them there); `stage` and `read` work on
/// every node.
/// Threads: methods of SetApi from any loop; they come back to it. `open` and `close` once each.
/// Source:  protocol.md.
class ErasureSet final : public SetApi, private GroupListener {
 public:
  explicit ErasureSet(SetParts parts);
  ErasureSet(const ErasureSet&) = delete;
  ErasureSet& operator=(const ErasureSet&) = delete;
  ~ErasureSet() override;

  /// Recovers the drives and waits until the set serves, or clearly cannot write.
  Task<Result<void>> open();
  // For sets on several nodes.
  /// What another node's part of the set says. From any loop.
  void receive(std::uint32_t node, Bundle bundle);
  void node_changed(std::uint32_t node, bool up);
  /// What this node says of its members, for a gateway.
  Task<Bundle> reports();
  /// The node that leads as far as this one knows, -1 if unknown. From any loop.
  [[nodiscard]] int leader_node() const { return group_.leader_node(); }
  /// Hands leadership to another node, where one is in step. Before a clean stop.
  Task<void> hand_over();
  /// Answers from the rows of one drive here while nobody leads (leaderless.h). Errors: kNotLeader when a
  /// leader stands or the member's log has changed: ask the members again; the handler's. From any loop.
  Task<Result<std::string>> query_leaderless(LeaderlessQuery query);
  /// Since when no leader is known here; nothing while one is. From any loop.
  [[nodiscard]] std::optional<MonotonicTime> leaderless_since() const;
  /// Whether enough drives answer for reads without a leader, and for a leader. From any loop.
  [[nodiscard]] bool may_read() const { return may_read_.load(); }
  [[nodiscard]] bool may_elect() const { return may_elect_.load(); }
  /// Slots that hold what was staged here as `id`.
  [[nodiscard]] std::uint32_t staged_here(const DataRef& data) { return staged_slots(data); }
  /// A command that another node forwarded names what that node staged on `slots`.
  void adopt_staged(const DataId& id, std::uint32_t slots);
  /// What was staged here went with a command to the leader: forgotten, or dropped when no entry names it.
  Task<void> give_up_staged(DataId id, bool drop);

  /// Refuses new work, waits for the running, writes what is owed and closes the drives.
  Task<void> close();

  [[nodiscard]] const SetInfo& info() const override { return parts_.info; }
  [[nodiscard]] SetStatus status() const override;
  Task<Result<CommandResult>> execute(Command command) override;
  Task<Result<std::string>> query(CommandKind kind, std::string payload) override;
  Task<Result<void>> with_rows(std::function<Task<Result<void>>(RowView&)> read) override;
  [[nodiscard]] std::optional<RowsMark> mark(std::string_view name) override;
  Task<Result<std::unique_ptr<StageApi>>> stage(DataId id, Geometry geometry,
                                                std::uint64_t expected_bytes) override;
  Task<Result<BufferChain>> read(DataRef data, std::uint64_t offset, std::uint64_t length) override;
  [[nodiscard]] std::unique_ptr<DataPin> pin(const DataRef& data) override;

  [[nodiscard]] HealStatus heal_status() const;
  /// What reads on another node found bad; heard while this one leads. From any loop.
  void told_bad(std::vector<HealItem> items);
  /// Nobody waits for a leader any more: calls that do, or would, end with kCancelled. Before a stop. From
  /// any loop.
  void end_waits();
  [[nodiscard]] bool waits_ended() const { return waits_ended_.load(); }
  /// Those of `ids` that readers and open files of this process use. From any thread.
  [[nodiscard]] std::vector<DataId> pinned_of(const std::vector<DataId>& ids) const;
  /// Looks at the heal queue now rather than at its next turn, also at what was tried in vain before.
  Task<Result<void>> heal_now();
  /// Notes durably that a scan has to find what the drive at `slot` lacks: until it has, the set is not
  /// healed, whoever leads. Errors: of a command. On the home loop of the leader.
  Task<Result<void>> owe_scan(std::uint32_t slot);
  /// Whether the drive at `slot` takes part, as of the last change. From any thread.
  [[nodiscard]] bool is_open(std::uint32_t slot) const { return (open_mask_.load() >> slot & 1) != 0; }
  /// The drive at `slot` has (no) room for data: slices are no longer put there. On the home loop.
  void set_full(std::uint32_t slot, bool full);
  /// Slots whose drives may lack shards, as the leader here knows; all while it does not know. On the home
  /// loop.
  [[nodiscard]] std::uint32_t lacking_slots() const { return owed() ? lacking_ : UINT32_MAX; }
  /// Frees what is due at `now` and not pinned; gives how many slices went.
  Task<Result<std::size_t>> free_due(WallTime now);
  /// Takes a drive out, as after a failed operation. For administrators and tests.
  Task<void> fail_drive(std::uint32_t slot, std::string why, ErrorCode code = ErrorCode::kDriveFailed);
  /// The set's consensus, for the keeper of its drives. On the home loop only.
  [[nodiscard]] Group& group() { return group_; }
  [[nodiscard]] bool closing() const { return closing_.load(); }
  /// Commands take much longer than they can: the background is to rest. From any thread.
  [[nodiscard]] bool requests_suffer() const { return suffering_.load(std::memory_order_relaxed); }

 private:
  friend class SetRows;
  friend class StagedSlice;
  friend class ShardReader;

  // GroupListener
  bool add_data(std::uint32_t slot, const raft::Entry& entry, storage::AppendBatch& batch) override;
  void appended(std::uint32_t slot, std::span<const AppendedEntry> entries) override;
  void applying(std::uint32_t slot, std::span<const raft::Entry> entries) override;
  void applied(std::uint32_t slot, raft::Index index) override;
  void room(std::uint32_t slot, bool full) override;
  [[nodiscard]] std::optional<std::uint64_t> owed() const override;
  void told_owed(std::optional<std::uint64_t> slices) override;
  void rejoined(std::uint64_t generation, raft::Index index, std::span<const raft::Entry> entries) override;
  void changed() override;

  // set_execute.cc: a command at the leader.
  Task<Result<CommandResult>> execute_home(Command& command, std::vector<Buffer> shards);
  Task<Result<CommandResult>> execute_held(Command& command, std::vector<Buffer> shards);
  Task<Result<CommandResult>> fly(storage::EntryBody body, Flight& flight, std::string response);
  Task<Result<void>> commit_own(storage::EntryBody body);
  Task<Result<void>> await_leader(MonotonicTime deadline);
  [[nodiscard]] Result<void> check_writable(const DataRef& data) const;
  [[nodiscard]] std::uint32_t needed_for(const DataRef& data) const;
  [[nodiscard]] std::uint32_t staged_slots(const DataRef& data);
  void forget_staged(const DataId& id);

  // set_outcome.cc: what becomes of it.
  void look_at(Flight& flight);
  void look_at_all() {
    flights_.for_each(UINT64_MAX, [this](Flight& flight) { look_at(flight); });
  }
  [[nodiscard]] std::uint32_t all_slots() const { return (std::uint32_t{1} << parts_.info.drives) - 1; }
  void finish(Flight& flight, Flight::Outcome outcome);
  void note_missed(const Flight& flight);
  [[nodiscard]] std::uint32_t excused_now(const DataRef& data);
  void excuse(raft::Index from, std::uint32_t slots);
  Task<Result<void>> commit_excuse(raft::Index from, std::uint32_t slots);
  void tell_incarnations();
  void note_doubts();
  Task<void> note_doubt(std::uint32_t slot);
  bool put_incarnations(storage::EntryBody& body) const;
  Task<void> say_all(bool& saying, std::function<bool(storage::EntryBody&)> next);
  void drop_voided(raft::Index applied);
  [[nodiscard]] bool is_current(std::uint32_t slot) const {
    return group_.member(slot).generation >= generation_;
  }
  void begin_generation(std::uint64_t generation);
  void count_owed(std::uint64_t slices, std::uint32_t slots);
  /// Whether `row` of the queue comes before where the pass under way has come to, for fewer shards of it may
  /// be lost: the first byte of a key says how many.
  [[nodiscard]] bool is_urgent(const RowChange& row) const {
    return row.value && !heal_at_.empty() && row.key.front() < heal_at_.front();
  }
  [[nodiscard]] RowChange owe(const DataRef& data, std::uint32_t slots);
  [[nodiscard]] std::uint32_t open_slots() const;
  void note_entry(const raft::Entry& entry);
  void note_body(raft::Index index, raft::Term term, const storage::EntryBody& body, Flight* flight);
  [[nodiscard]] static std::vector<std::string> names_of(const storage::EntryBody& body);
  void arm_house();
  void wait_for_none();
  void house();
  Task<void> say_riders();
  void publish();
  int serve_without_leader();
  void mark_tail(std::uint32_t highest, raft::Index applied);
  /// The rows of `slot` answer as long as `voids` is what undecided_ says: until a mark of its tail is gone.
  struct LeaderlessView {
    std::uint32_t slot = 0;
    std::uint64_t voids = 0;
  };
  Task<Result<LeaderlessView>> serve_at(LeaderlessQuery query);
  void mark_unknown(const Flight& flight);
  void drop_tail_marks(raft::Index through, raft::Term leads);
  void drop_marks_behind(std::uint32_t slot);
  void drop_marks(const std::function<bool(raft::Index, raft::Term)>& is_gone);

  // set_settle.cc
  struct Inquiry {
    raft::Index index = 0;
    DataRef data;
    std::uint32_t held = 0;     // slots that say they hold it
    std::uint32_t excused = 0;  // slots that may lack it though it was shown or acknowledged
    std::uint32_t reborn = 0;   // slots whose drives may have lost it since
  };
  void start_settling();
  Task<void> settle(raft::Term term);
  Task<bool> settle_once(raft::Term term, bool again, Nanoseconds patience);
  [[nodiscard]] std::vector<Inquiry> open_inquiries(raft::Term term) const;
  Task<void> await_followers(MonotonicTime deadline);
  Task<std::uint32_t> inquire(std::vector<Inquiry>& inquiries, Nanoseconds patience);
  [[nodiscard]] bool was_never_shown(const Inquiry& inquiry, std::uint32_t refused, int absent) const;
  Task<bool> confirm_all(std::vector<Inquiry> sure, raft::Term term);
  void confirm_settled(const Inquiry& inquiry);
  /// What becomes of a version that drives hold in shards enough to read it and too few to confirm it.
  enum class Few : std::uint8_t { kOpen, kReadable, kComplete, kLost };
  Task<Few> complete_shards(Inquiry& inquiry, std::uint32_t answered, raft::Term term);
  Task<bool> void_lost(const std::vector<Inquiry>& lost, std::uint32_t answered, raft::Term term);

  // set_rows.cc: any loop.
  [[nodiscard]] std::optional<std::uint32_t> leased_slot();
  [[nodiscard]] Task<Result<std::uint32_t>> read_slot();
  Task<Result<std::uint32_t>> read_slot_home();
  Task<Result<void>> wait_decided(NameRange names);
  Task<Result<void>> wait_decided_home(NameRange names);
  /// Gives whether every drive stands and has applied what was committed.
  Task<bool> wait_all_applied();
  [[nodiscard]] WallTime next_time();

  // set_read.cc: any loop.
  void report_bad(const DataRef& data, std::uint32_t slots);
  void note_bad(const DataRef& data, std::uint32_t slots);
  Task<void> tell_bad();

  // set_background.cc
  void start_background(MonotonicTime now);
  Task<void> due_round();
  Task<Result<std::size_t>> free_due_home(WallTime now);
  Task<Result<DueRows>> due_rows(std::string from, std::string to);
  Task<std::optional<std::set<DataId>>> unused_of(const DueRows& rows);
  Task<Result<void>> commit_frees(storage::EntryBody body);
  void drop_old_staged();
  Task<void> drop_staged(DataId id);
  Task<void> sweep_staged(std::uint32_t slot);
  [[nodiscard]] std::vector<DataId> long_strange(std::uint32_t slot, const std::vector<DataId>& found);
  /// After `spent` of work in the background: rests in proportion while requests come in.
  Task<void> rest_after(MonotonicTime begun);

  // set_scan.cc
  Task<Result<std::string>> scan_soon(bool deep);
  void want_scan(bool deep, MonotonicTime at);
  Task<void> scan_round(bool deep);
  Task<bool> scan_all(bool deep);
  Task<Result<bool>> scan_page(DataId& after, bool deep);
  Task<bool> scans_done(std::uint32_t slots);
  [[nodiscard]] bool is_left_over(const DataRef& data, std::uint32_t held) const;
  Task<Result<void>> heal_missing(std::vector<HealItem> found);
  Task<Result<void>> queue_missing(std::vector<HealItem> suspects);
  Task<void> count_slices();
  Task<std::uint32_t> verify_at(DataRef data, std::uint32_t slots);
  Task<void> sweep_unseen();  ///< A planted defect.

  // set_heal.cc, set_leaving.cc
  raft::Index settle_leaving();  ///< Gives up to where all that count have applied.
  Task<bool> read_leaving();
  Task<void> heal_round();
  Task<Result<void>> heal_queue();
  Task<Result<void>> heal_queue_held();
  Task<Result<std::vector<std::pair<std::string, HealItem>>>> heal_batch(std::string from);
  std::size_t take_owed_scans(std::vector<std::pair<std::string, HealItem>>& items);
  std::size_t take_postponed(std::vector<std::pair<std::string, HealItem>>& items);
  Task<Result<void>> queue_reports();
  Task<Result<std::size_t>> heal_group(std::vector<std::pair<std::string, HealItem>> group);
  Task<std::vector<std::uint32_t>> heal_slices(std::vector<HealItem> items);
  Task<std::vector<HealItem>> heal_found(std::vector<HealItem> items);
  Task<bool> heal_lane(std::span<const HealItem>& left, std::vector<HealItem>& rest);
  Task<std::vector<std::uint32_t>> held_of(const std::vector<HealItem>& items);
  Task<std::uint32_t> heal_item(HealItem item, std::uint32_t held, raft::Term term);
  Task<std::uint32_t> repair(HealItem item, std::uint32_t held, raft::Term term);
  void try_all_again();
  void begin_healing();
  void measure_healing();
  Task<bool> is_freed(DataId id);
  Task<Result<void>> heal_shard(DataRef data, std::uint32_t slot, raft::Term term);
  Task<Result<void>> rebuild_shard(DataRef data, std::uint32_t slot, raft::Term term);

  struct HouseTimer : async::TimerNode {
    ErasureSet* set = nullptr;
  };

  SetParts parts_;
  std::vector<storage::StorageApi*> drives_;
  Group group_;
  // Home loop only.
  LockTable locks_;
  Flights flights_;
  Pending pending_;
  raft::Index seen_ = 0;          // entries up to here went through note_entry,
  std::uint64_t generation_ = 0;  // those of members of this generation
  raft::Term settled_term_ = 0;
  std::uint32_t lagging_ = 0;  // slots that missed a deadline and have not caught up
  std::vector<std::pair<raft::Index, raft::Index>> voiding_;  // the entry that says so, and which
  std::map<raft::Index, raft::Term> tail_marks_;              // undecided, for they may be committed or lost
  MonotonicTime leaderless_since_{};
  MonotonicTime riders_since_{};
  MonotonicTime next_due_{};
  MonotonicTime next_heal_{};
  MonotonicTime next_sweep_{};
  bool healing_ = false;
  bool freeing_ = false;
  MonotonicTime next_scan_{};
  MonotonicTime next_deep_scan_{};
  bool scanning_ = false;
  bool scan_wanted_ = false;  // asked for, and no pass has begun or come to its end since
  bool deep_scan_wanted_ = false;
  std::uint32_t scans_owed_ = 0;    // slots whose scan the heal queue asks for
  std::uint32_t scan_fresh_ = 0;    // slots whose drives were filled anew and owe this scan
  bool scan_blocked_ = false;       // the last one could not tell what is left over: a drive was away
  std::uint32_t scan_asked_ = 0;    // slots in step that have answered every page of this scan
  std::uint32_t lacking_ = 0;       // slots that the heal queue names
  std::uint32_t pass_lacking_ = 0;  // the same, as far as the pass under way has come
  std::set<std::string> renewed_;   // rows of the queue that were owed anew since healing began
  std::string heal_at_;             // where in the queue the pass under way is
  bool heal_urgent_ = false;        // what came since is in greater danger than what is there
  std::set<DataId> under_repair_;   // slices whose shards are being rebuilt
  Postponed postponed_;             // of the queue, what was tried in vain
  GrowingPause scan_pause_{limits::kHealSoon, limits::kLongestHealPause};
  MonotonicTime owed_scan_from_{};  // a scan that is owed begins no earlier
  Leaving leaving_;
  PinHolders pin_holders_;
  std::optional<std::set<DataId>> named_in_sweep_;  // by entries since the sweep of a drive began
  raft::Index unknown_through_ = 0;  // entries up to here may have ended without anybody knowing how
  Witnesses witnesses_;
  bool excusing_ = false;
  bool telling_incarnations_ = false;
  Witnesses::Incarnations doubts_noted_{};  // of drives in doubt for which a scan is owed
  int told_by_ = -1;                        // the node that led when what it owes was looked at
  std::uint64_t requests_rested_ = 0;       // requests_ when the background last rested
  MonotonicTime heal_waits_from_{};         // healing waits again for drives that are behind
  MonotonicTime heal_window_{};             // began, when so many shards and bytes were healed:
  std::uint64_t heal_window_shards_ = 0;
  std::uint64_t heal_window_bytes_ = 0;
  double commit_time_ = 0;       // moving average, ns
  double best_commit_time_ = 0;  // its floor, which rises slowly
  std::map<DataId, std::pair<DataRef, std::uint32_t>> bad_;
  bool telling_bad_ = false;
  async::Signal leader_signal_;
  async::Signal decided_signal_;
  async::Signal applied_signal_;
  HouseTimer house_;
  async::Gate gate_;
  // Any thread.
  std::atomic<bool> closing_{false};
  std::atomic<bool> waits_ended_{false};
  UndecidedNames undecided_;
  UndecidedNames none_undecided_;  // what reads look at with a planted defect
  PinTable pins_;
  std::atomic<int> reader_{-1};               // slot whose rows answer
  std::atomic<std::uint64_t> reader_era_{0};  // another one before reader_ changes
  std::atomic<bool> can_write_{false};
  std::atomic<bool> may_read_{false};
  std::atomic<bool> enough_shards_{false};  // drives stand for the bytes of a slice
  std::atomic<bool> may_elect_{false};
  std::atomic<bool> may_spare_{false};
  std::atomic<std::int64_t> spread_leaderless_{0};  // since when, monotonic; 0: a leader is known
  std::atomic<bool> tail_undecided_{false};  // names are undecided whose rows the index does not hold yet
  std::atomic<std::uint32_t> open_mask_{0};
  std::atomic<std::uint32_t> full_mask_{0};
  std::atomic<bool> suffering_{false};
  std::atomic<std::uint64_t> requests_{0};  // commands and reads so far
  std::atomic<std::int64_t> last_time_{0};
  std::atomic<std::uint64_t> outside_{0};  // reads and stages under way on any loop
  std::atomic<std::uint64_t> heal_queued_{0};
  std::atomic<std::uint64_t> heal_added_{0};  // of them, since the queue was last looked through
  std::atomic<bool> owed_known_{false};       // heal_queued_ is what the present leader found
  std::atomic<bool> settled_{false};
  std::atomic<raft::Term> settling_term_{0};  // whose undecided versions are being settled
  std::atomic<std::uint32_t> healers_{0};     // a pass through the queue, a scan that heals
  std::atomic<std::uint64_t> healed_{0};
  std::atomic<std::uint64_t> heal_failed_{0};
  std::atomic<std::uint64_t> healed_bytes_{0};
  std::atomic<std::uint64_t> heal_rate_{0};       // shards in 1000 s, of the last kHealWindow
  std::atomic<std::uint64_t> heal_byte_rate_{0};  // bytes a second
  std::atomic<std::uint64_t> scanned_{0};
  std::atomic<std::uint64_t> scan_found_{0};
  std::atomic<std::uint64_t> scan_from_{0};   // scanned_ when the present pass began
  std::atomic<std::uint64_t> scan_total_{0};  // slices of a pass that heals filled drives; 0: not counted
  std::atomic<std::uint64_t> scans_{0};
  std::atomic<std::uint64_t> deep_scans_{0};
  std::atomic<bool> scanning_now_{false};
  std::atomic<bool> scanning_deep_{false};
  mutable std::mutex status_mutex_;
  SetStatus status_;
  std::mutex staged_mutex_;
  struct Staged {
    std::uint32_t slots = 0;  ///< None while it is being written.
    MonotonicTime since{};
  };
  std::unordered_map<DataId, Staged> staged_;  // slices that no entry names yet
  // Home loop: staged shards that this process knows nothing of, by slot; another node may be writing them.
  std::map<std::uint32_t, std::map<DataId, MonotonicTime>> strangers_;
};

}  // namespace flashstor::cluster
