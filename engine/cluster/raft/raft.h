#pragma once

#include <deque>
#include <span>
#include <vector>

#include "engine/base/error.h"
#include "engine/base/random.h"
#include "engine/cluster/raft/log_view.h"
#include "engine/cluster/raft/progress.h"
#include "engine/cluster/raft/types.h"

namespace flashstor::cluster::raft {

/// One member of one consensus group, as a pure state machine: inputs go in, `ready` says what to do. No I/O,
/// clock or thread inside; `now` is the monotonic clock of the member's node and never goes back. Use: after
/// any input (or several) call `ready` and do what it says; messages may go out at once. Order:   what a
/// member says waits for the records before it to be synced; only a leader's appends go out in parallel
///          with its own. Entries come out for applying once they are committed and synced here.
/// Threads: none; one owner at a time.
/// Source:  docs design "Protocol"; Ongaro, "Consensus: bridging theory and practice"
/// (3, 3.10, 4.2, 6.4, 9.6).
class Raft {
 public:
  /// Starts as a follower (a group of one stands at once). It grants no vote within an election time-out of
  /// `now`.
  Raft(const Options& options, Restored restored, Random& random, MonotonicTime now);

  // Inputs.

  /// Time passes: call at least every `Options::heartbeat() / 2`.
  void tick(MonotonicTime now);
  /// As leader: tells everybody now what is committed, rather than with the next heartbeat.
  void announce(MonotonicTime now);
  /// A message from a peer; any bytes that decode are safe to pass.
  void step(MonotonicTime now, Message message);
  /// Puts `payload` into the log; gives its index. Whether it is committed shows when it comes out for
  /// applying with the term it was proposed in. Batched with others until the next `ready`. Errors:
  /// kNotLeader (also before `leader_ready` and during a transfer); kTooManyRequests when too much is
  /// unapplied; kInvalidArgument above kMaxEntryBytes.
  Result<Index> propose(MonotonicTime now, Buffer payload);
  /// Changes who takes part; takes effect at once, holds when committed. At most one voter more or fewer at a
  /// time. Errors: kNotLeader; kBusy while an earlier change is not committed, or when no majority of the new
  /// voters follows; kInvalidArgument (more than one voter differs, this leader would not be a voter,
  /// limits).
  Result<Index> propose_membership(MonotonicTime now, Membership wanted);
  /// Records up to `sequence` are synced, or the first of them failed: then this member is silent for good.
  void append_done(MonotonicTime now, std::uint64_t sequence, bool ok);
  /// Entries up to `index` are applied and visible here.
  void applied(MonotonicTime now, Index index);
  /// Another member, whose log `peer` is at hand, knows it to be committed up to `commit`: so it is here, as
  /// far as the logs agree. For members that have no leader to tell them.
  void learn_commit(const LogView& peer, Index commit);
  /// The same, told by a member elsewhere: the entry at `commit`, of `term`, is committed.
  void learn_commit(Index commit, Term term);
  /// The driver's log no longer has the entries up to `index` (applied ones only).
  void compacted(Index index);
  /// The answer to EntriesWanted: entries from the index asked for on; empty if they could not be read.
  void entries_loaded(MonotonicTime now, MemberId member, std::vector<Entry> entries);
  /// Asks to read: a ReadAnswer with `token` follows, at once under the lease, else after a round.
  /// Errors: kNotLeader (also before `leader_ready`); kTooManyRequests.
  Result<void> read(MonotonicTime now, std::uint64_t token);
  /// Hands leadership to `target`, a voter. The lease goes now and does not come back in this term; proposals
  /// are refused until it worked or an election time-out passed. Until then the word to take over is said
  /// again with every heartbeat. Errors: kNotLeader, kInvalidArgument.
  Result<void> transfer(MonotonicTime now, MemberId target);
  /// This member's state was replaced by one up to `base`, committed, with this membership as of there. A log
  /// that has `base` is kept; any other is voided by a record that comes out in `ready`. Errors:
  /// kInvalidArgument when `base` is not ahead of what is committed here, or as leader.
  Result<void> filled(MonotonicTime now, LogBase base, Membership membership);
  /// A muted member hears nothing and does not stand. Set before the first input after an unclean stop, until
  /// peers have said what they recorded of it: what it takes in meanwhile would hide a lost tail, also from
  /// its next start.
  void set_muted(bool muted) { muted_ = muted; }
  /// Ends that: the peers asked are in `term` or before it. The vote of that term, which this member may have
  /// given and lost, is given away.
  void unmute(MonotonicTime now, Term term);
  /// No candidate gets this member's vote, nor does it stand itself, whose log ends before `floor`: what this
  /// member may have lost is in the logs of its peers, of which this is the newest. {} to have none.
  void set_vote_floor(LogBase floor) { vote_floor_ = floor; }
  /// A member that may not lead grants votes but does not stand for election.
  void set_electable(bool electable) { electable_ = electable; }

  // Output.

  /// Without records where the drive cannot take them now: what waits for them then waits on, and a leader's
  /// appends go out all the same, for the others may commit them.
  [[nodiscard]] Ready ready(bool with_records = true);

  // Views.

  [[nodiscard]] MemberId id() const { return options_.self; }
  [[nodiscard]] Role role() const { return role_; }
  [[nodiscard]] bool is_leader() const { return role_ == Role::kLeader; }
  /// Leads, and has applied its term's first entry: only now it takes reads, checks and requests.
  [[nodiscard]] bool leader_ready() const;
  /// Whether rows may be read here alone at `now`.
  [[nodiscard]] bool has_lease(MonotonicTime now) const;
  /// When that ends, if nothing more is heard; the beginning of time without a lease.
  [[nodiscard]] MonotonicTime lease_end() const;
  [[nodiscard]] MemberId leader() const { return leader_; }
  [[nodiscard]] Term term() const { return hard_.term; }
  [[nodiscard]] Index commit_index() const { return commit_; }
  [[nodiscard]] Index applied_index() const { return applied_; }
  [[nodiscard]] Index synced_index() const { return synced_; }
  [[nodiscard]] Closed closed() const { return closed_; }
  [[nodiscard]] bool muted() const { return muted_; }
  [[nodiscard]] const LogView& log() const { return log_; }
  [[nodiscard]] const Membership& membership() const { return log_.membership(); }
  [[nodiscard]] const HardState& hard_state() const { return hard_; }
  /// As leader: the highest index that `member` said it holds durably; 0 when unknown.
  [[nodiscard]] Index acked_by(MemberId member) const;
  /// As leader: whether `member` holds an entry of this term durably. Then it hears no older leader any more.
  [[nodiscard]] bool holds_of_term(MemberId member) const { return acked_by(member) >= term_start_; }
  /// As leader: whether `member` lacks more than the log here still has, and has answered in this term: then
  /// it hears no older leader any more.
  [[nodiscard]] bool needs_fill(MemberId member) const;
  /// As leader: what is known of each other member.
  [[nodiscard]] std::span<const Progress> peers() const { return peers_; }
  /// As leader: how many voters of `members`, itself included, are in step and answered within an election
  /// time-out.
  [[nodiscard]] std::size_t following(const Membership& members) const;
  /// As leader: whether others have committed all that the drive here was given and has not synced.
  [[nodiscard]] bool overtaken() const {
    return role_ == Role::kLeader && !batches_.empty() && synced_ < batches_.back().last &&
           commit_ >= batches_.back().last;
  }
  [[nodiscard]] bool transferring() const { return transfer_target_ != 0; }

 private:
  struct Batch {  ///< Records handed out and not yet synced.
    std::uint64_t sequence;
    Index last;  ///< Highest index of the log that is on the drive once this is synced.
  };
  struct Held {  ///< A message that waits for records.
    std::uint64_t sequence;
    Message message;
  };
  struct Round {
    std::uint64_t number;
    MonotonicTime sent;
  };
  struct PendingRead {
    std::uint64_t token;
    std::uint64_t number;  ///< A majority must echo this; 0 when confirmed.
    Index index;
  };

  void probe(Probe which) const {
    if (options_.probes != nullptr) ++(*options_.probes)[static_cast<std::size_t>(which)];
  }
  // raft.cc: records, holding back, applying.
  void advance(MonotonicTime now) { now_ = std::max(now_, now); }
  Message make(MessageType type, MemberId to) const;
  void emit(Message message);
  void release_held();
  void deliver_to_self();
  void close(Closed why);
  Records& pending();
  void set_hard_state(HardState state);
  void append_local(Entry entry);
  void truncate_local(Index from);
  void hand_out_committed(Ready& out);
  [[nodiscard]] bool unapplied_full() const;
  // election.cc
  void become_follower(Term term, MemberId leader);
  void become_leader();
  void campaign(bool pre_vote, bool transfer);
  void reset_election_timer();
  void stand_again_soon();
  [[nodiscard]] bool outranks_self(const Message& message) const;
  [[nodiscard]] bool may_stand() const;
  [[nodiscard]] bool below_floor(Term last_term, Index last_index) const;
  [[nodiscard]] bool hears_leader() const;
  bool accept_term(const Message& message);
  void handle_vote_request(const Message& message);
  void handle_vote_answer(const Message& message);
  void handle_timeout_now(const Message& message);
  // replication.cc (leader), follower.cc
  void handle_append(Message message);
  void refuse_append(const Message& message);
  void handle_append_answer(const Message& message);
  void handle_refusal(Progress& peer, const Message& message);
  void note_regress(Progress& peer);
  void handle_match(Progress& peer, const Message& message);
  void send_to_peers(Ready& out);
  void send_to(Progress& peer, Ready& out);
  void send_append(Progress& peer, std::vector<Entry> entries, bool advance_next);
  /// Gives true when `peer.next` is in memory; else asks the driver for it or marks the member for a fill.
  bool can_send_next(Progress& peer, Ready& out);
  void mark_for_fill(Progress& peer);
  void maybe_commit();
  void heartbeat_all();
  // reads.cc
  std::uint64_t round_number();
  void force_round();
  void note_echo(Progress& peer, std::uint64_t number);
  [[nodiscard]] std::uint64_t quorum_number() const;
  void update_lease();
  void hand_out_reads(Ready& out);
  void fail_reads();
  // membership.cc
  void rebuild_peers();
  Progress* find_peer(MemberId id);
  void maybe_hand_over(Progress& peer);
  [[nodiscard]] bool sole_voter() const;

  Options options_;
  Random& random_;
  LogView log_;
  MonotonicTime now_;
  HardState hard_;
  Role role_ = Role::kFollower;
  MemberId leader_ = 0;
  Index commit_ = 0;
  Index applied_ = 0;
  Index handed_out_ = 0;  ///< Highest index given out for applying.
  Index synced_ = 0;      ///< Highest index on this member's drive.
  bool muted_ = false;
  LogBase vote_floor_;
  bool electable_ = true;
  Closed closed_ = Closed::kOpen;
  // Elections.
  MonotonicTime heard_leader_;  ///< Or the own start.
  MonotonicTime election_deadline_;
  std::vector<MemberId> granted_;
  std::vector<MemberId> refused_;
  // Records.
  std::uint64_t next_sequence_ = 1;
  std::uint64_t synced_sequence_ = 0;
  std::optional<Records> pending_;
  std::deque<Batch> batches_;
  std::deque<Held> held_;
  std::deque<Message> to_self_;
  std::vector<Message> out_;
  // Leadership.
  std::vector<Progress> peers_;
  Index term_start_ = 0;  ///< Index of this term's first entry.
  Index self_match_ = 0;
  MonotonicTime heartbeat_due_;
  MonotonicTime contact_;  ///< When the newest number that a majority echoed was sent, or leadership began.
  MonotonicTime lease_until_;
  bool lease_barred_ = false;  ///< A transfer was started in this term.
  MemberId transfer_target_ = 0;
  MonotonicTime transfer_deadline_;
  bool timeout_now_sent_ = false;
  std::uint64_t number_ = 0;
  std::uint64_t sent_number_ = 0;
  std::deque<Round> rounds_;
  std::deque<PendingRead> reads_;
  std::vector<ReadAnswer> answers_;
  std::vector<MemberId> needs_fill_;
};

}  // namespace flashstor::cluster::raft
