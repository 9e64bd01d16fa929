#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/cluster/peers/bundle.h"
#include "engine/cluster/raft/raft.h"
#include "engine/storage/storage_api.h"

namespace flashstor::cluster {

/// One drive's part in its set's consensus.
struct MemberState {
  std::uint32_t slot = 0;
  raft::MemberId id = 0;
  storage::StorageApi* drive = nullptr;
  std::unique_ptr<raft::Raft> core;  ///< Null when the drive is missing or could not be recovered.
  std::string failure;               ///< Why the member is silent, in words.
  ErrorCode failure_code = ErrorCode::kDriveFailed;
  bool dirty = false;
  bool full = false;  ///< Its drive takes no more data.
  std::size_t appends = 0;
  std::deque<MonotonicTime> append_starts;
  std::deque<raft::Entry> to_apply;
  bool applying = false;
  std::size_t loads = 0;
  // What this process has seen it acknowledge: a drive that comes back with less has lost its tail.
  raft::LogBase acknowledged;
  raft::Term acknowledged_term = 0;
  raft::Index applied = 0;
  raft::Index configured = 0;  ///< Highest index whose term or membership is in the stored configuration.
  std::vector<raft::TermRun> runs;
  raft::Membership membership;
  raft::Index membership_index = 0;
  std::uint64_t generation = 0;  ///< Of the set: one more each time that lost drives were declared lost.
  std::vector<raft::MemberId> retired;  ///< The newest names of drives that were declared lost.
  // Its drive may have lost what it said it holds (group_doubt.cc), since:
  bool in_doubt = false;
  MonotonicTime doubted{};
  MonotonicTime doubt_seen{};  ///< When it was last known to be in doubt, wherever it is.
  // On another node: what that node said of it.
  bool remote = false;
  bool reachable = false;      ///< Its node answers.
  bool reported_open = false;  ///< Since it answers.
  bool reported_votes = false;
  raft::Term reported_leads = 0;
  std::uint64_t reported_incarnation = 0;
  raft::Term reported_term = 0;
  raft::LogBase reported_end;
  MonotonicTime told{};  ///< When it said so; while it is open.
  // In this process, led from another node.
  std::map<std::pair<raft::Index, raft::Term>, storage::DataRecord>
      incoming;  ///< Shards for entries to come.
  std::vector<AppendedEntry> unreported;

  [[nodiscard]] bool open() const {
    if (remote) return reachable && reported_open;
    return core != nullptr && core->closed() == raft::Closed::kOpen;
  }
  /// Nothing of it is under way at its drive.
  [[nodiscard]] bool quiet() const { return appends == 0 && !applying && loads == 0; }
  /// Counts in elections, as far as this process knows.
  [[nodiscard]] bool votes() const {
    return open() && (remote ? reported_votes : core->membership().is_voter(id));
  }
  /// The term that it leads and is ready in; 0 otherwise.
  [[nodiscard]] raft::Term leads() const {
    if (!open()) return 0;
    if (remote) return reported_leads;
    return core->leader_ready() ? core->term() : 0;
  }
};

/// Names of members: the slot, and how often its drive was replaced by a new member. Never given twice.
inline constexpr raft::MemberId kSlotsOfNames = flashstor::limits::kMaxDrivesPerSet;
[[nodiscard]] constexpr raft::MemberId first_member_of(std::uint32_t slot) { return slot + 1; }
[[nodiscard]] constexpr std::uint32_t slot_of_member(raft::MemberId id) { return (id - 1) % kSlotsOfNames; }
[[nodiscard]] constexpr raft::MemberId next_member(raft::MemberId id) { return id + kSlotsOfNames; }

/// Kinds of storage::LogEntry.
inline constexpr std::uint8_t kEntryBody = 0;
inline constexpr std::uint8_t kEntryMembership = 1;
inline constexpr std::uint8_t kEntryEmpty = 2;

[[nodiscard]] storage::LogEntry to_log_entry(const raft::Entry& entry);
/// Errors: kMalformed.
[[nodiscard]] Result<raft::Entry> from_log_entry(const storage::LogEntry& entry);

/// What a drive keeps of its group beside the entries: who takes part, and which terms applied entries have.
struct StoredConfiguration {
  raft::Membership membership;
  raft::Index membership_index = 0;
  std::vector<raft::TermRun> runs;
  std::uint64_t generation = 0;
  std::vector<raft::MemberId> retired;
};
/// The term of the applied entry at `index`, out of what is known of all of them; 0 when they begin later.
[[nodiscard]] raft::Term term_of(const std::vector<raft::TermRun>& runs, raft::Index index);
/// Of `member` as it is applied.
[[nodiscard]] StoredConfiguration configuration_of(const MemberState& member);
[[nodiscard]] std::string encode_configuration(const StoredConfiguration& configuration);
/// Errors: kMalformed.
[[nodiscard]] Result<StoredConfiguration> decode_configuration(std::string_view bytes);

}  // namespace flashstor::cluster
