#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "engine/base/buffer.h"
#include "engine/base/time.h"
#include "engine/cluster/raft/limits.h"

/// The values that go into and come out of the consensus core.
namespace flashstor::cluster::raft {

using base::Buffer;
/// Names a member of a group for ever; a drive that returns after it was declared lost gets a new one. 0 is
/// nobody.
using MemberId = std::uint32_t;
/// Position in the log: the revision. The first entry has index 1.
using Index = std::uint64_t;
using Term = std::uint64_t;

/// Who takes part: voters count, standbys (learners) only receive. Both sorted, without a common member.
struct Membership {
  std::vector<MemberId> voters;
  std::vector<MemberId> standbys;

  [[nodiscard]] bool is_voter(MemberId id) const;
  [[nodiscard]] bool is_standby(MemberId id) const;
  [[nodiscard]] std::size_t majority() const { return voters.size() / 2 + 1; }
  bool operator==(const Membership&) const = default;
};

/// One position of the log. Copies share the payload.
struct Entry {
  Term term = 0;
  Index index = 0;
  Buffer payload;  ///< Opaque; empty for a leader's first entry and for changes.
  std::shared_ptr<const Membership> membership;  ///< Set when this entry changes who takes part.
};

/// What must survive besides the entries.
struct HardState {
  Term term = 0;
  MemberId vote = 0;
  bool operator==(const HardState&) const = default;
};

/// The entry just before the first one that can still be had.
struct LogBase {
  Index index = 0;
  Term term = 0;
};

/// Entries from `first` on have `term`, up to the next run.
struct TermRun {
  Index first = 0;
  Term term = 0;
};

enum class MessageType : std::uint8_t {
  kPreVote = 1,
  kPreVoteAnswer,
  kVote,
  kVoteAnswer,
  kAppend,  ///< Entries, or none: then it is a heartbeat.
  kAppendAnswer,
  kTimeoutNow,  ///< The leader hands over: stand for election at once.
};

/// What members send each other. Fields without a meaning for a type are zero.
struct Message {
  MessageType type = MessageType::kAppend;
  MemberId from = 0;
  MemberId to = 0;
  std::uint64_t generation = 0;
  Term term = 0;
  Index log_index = 0;   ///< Append: the entry before `entries`. Votes: the candidate's last. Answers: the
                         ///< match, or what was refused.
  Term log_term = 0;     ///< The term of `log_index`; in a refusal the term of `hint_index`.
  Index hint_index = 0;  ///< Refused append: the highest index at which the logs may agree. Append: what the
                         ///< leader itself has synced, for peers to record.
  Index commit = 0;
  std::uint64_t number = 0;  ///< Append: of this round; its answer echoes it.
  bool refused = false;
  bool transfer = false;  ///< Vote: the leader asked for this election, so hearing it is no reason to refuse.
  std::vector<Entry> entries;
};

/// Records for this member's log, in order: `reset`, then `truncate_from`, then hard state and entries, one
/// synced batch.
struct Records {
  std::uint64_t sequence = 0;    ///< Counts up by one; `append_done` names it.
  std::optional<LogBase> reset;  ///< The log was replaced by a fill up to here: void everything.
  Index truncate_from = 0;       ///< Void entries from this index on (0: none).
  std::optional<HardState> hard_state;
  std::vector<Entry> entries;
};

/// What became of a `read`.
struct ReadAnswer {
  std::uint64_t token = 0;
  bool confirmed = false;  ///< False: leadership was lost; ask the new leader.
  Index index = 0;         ///< Applied when this comes out: the index may be read at once.
};

/// The core has let go of these entries; answer with `entries_loaded`.
struct EntriesWanted {
  MemberId member = 0;
  Index from = 0;
  Index to = 0;  ///< Inclusive; fewer, from the front, will do.
};

/// Everything that the driver must do after an input. Messages may be sent at once and in any order: those
/// that depend on records come out only after `append_done`.
struct Ready {
  std::optional<Records> records;
  std::vector<Message> messages;
  std::vector<Entry>
      committed;  ///< Apply in order, then call `applied`. Each comes out once per life of the core.
  std::vector<ReadAnswer> reads;
  std::vector<EntriesWanted> wanted;
  std::vector<MemberId>
      needs_fill;  ///< Too far behind for this log; named once per term; `peers()` says it always.
};

/// Branches that are rarely taken; the simulator fails when no schedule of a large run took one.
enum class Probe : std::uint8_t {
  kTruncated,
  kRejectedGap,
  kRejectedConflict,
  kOldTermNotCounted,
  kVoteRefusedByLog,
  kVoteRefusedHearing,
  kTransferVote,
  kTransferAborted,
  kLostQuorumContact,
  kReadByRound,
  kReadFailed,
  kHeldAcrossTerms,
  kEntriesWanted,
  kNeedsFill,
  kFilled,
  kMembershipRolledBack,
  kStaleGeneration,
  kClosed,
  kMutedSilence,
  kInflightFull,
  kRegressed,
  kLedUntilRemoved,
  kGaveWay,
  kVotesSplit,
  kCount,
};
[[nodiscard]] std::string_view name_of(Probe probe);
using ProbeCounts = std::array<std::uint64_t, static_cast<std::size_t>(Probe::kCount)>;

/// Faults planted to prove that the simulator finds them. All off in the product.
struct Defects {
  bool ack_before_sync = false;
  bool commit_old_term = false;
  bool match_past_prefix = false;
  bool survive_failed_append = false;
  bool lease_from_receipt = false;
  bool deposed_leader_reads = false;
  bool vote_after_lost_tail = false;
  bool transfer_keeps_lease = false;
  bool vote_while_hearing = false;
  bool forget_vote = false;
  bool serve_before_first_entry = false;
};

struct Options {
  MemberId self = 0;
  std::uint64_t generation = 0;
  Nanoseconds election_timeout{1'000'000'000};
  std::size_t max_append_entries = limits::kMaxAppendEntries;
  std::size_t max_inflight = limits::kMaxInflight;
  std::size_t max_entries_in_memory = limits::kMaxEntriesInMemory;
  Defects defects;
  ProbeCounts* probes = nullptr;  ///< Counted when set; must outlive the core.

  [[nodiscard]] Nanoseconds heartbeat() const { return election_timeout / 10; }
  [[nodiscard]] Nanoseconds lease() const { return election_timeout / 10 * 8; }
  /// A leader that a majority has not answered for so long gives up.
  [[nodiscard]] Nanoseconds quorum_timeout() const { return election_timeout * 2; }
};

/// What a member knows of itself when it starts.
struct Restored {
  HardState hard_state;
  LogBase base;  ///< Before the first entry that the driver can still read.
  std::vector<TermRun>
      runs;  ///< Terms of entries after `base` and before `tail`; may be empty if there are none.
  std::vector<Entry> tail;  ///< All entries after `applied`, in order, and as many before as wanted.
  Index applied = 0;
  Membership membership;  ///< As of `membership_index`; later changes are taken from `tail`.
  Index membership_index = 0;
};

enum class Role : std::uint8_t { kFollower, kPreCandidate, kCandidate, kLeader };

/// Why a member fell silent for good.
enum class Closed : std::uint8_t {
  kOpen,
  kAppendFailed,  ///< A record could not be written.
  kInconsistent,  ///< A peer contradicts what is committed: some drive lied, or a defect.
};

}  // namespace flashstor::cluster::raft
