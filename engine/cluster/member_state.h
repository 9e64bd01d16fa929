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
  bool dirty = false;
  std::size_t appends = 0;
  std::deque<MonotonicTime> append_starts;
  std::deque<raft::Entry> to_apply;
  bool applying = false;
  raft::Index applied = 0;
  raft::Index configured = 0;  ///< Highest index whose term or membership is in the stored configuration.
  std::vector<raft::TermRun> runs;
  raft::Membership membership;
  raft::Index membership_index = 0;
  // On another node: what that node said of it.
  bool remote = false;
  bool reachable = false;      ///< Its node answers.
  bool reported_open = false;  ///< Since it answers.
  // In this process, led from another node.
  std::map<std::pair<raft::Index, raft::Term>, storage::DataRecord>
      incoming;  ///< Shards for entries to come.
  std::vector<AppendedEntry> unreported;

  [[nodiscard]] bool open() const {
    if (remote) return reachable && reported_open;
    return core != nullptr && core->closed() == raft::Closed::kOpen;
  }
};

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
};
[[nodiscard]] std::string encode_configuration(const StoredConfiguration& configuration);
/// Errors: kMalformed.
[[nodiscard]] Result<StoredConfiguration> decode_configuration(std::string_view bytes);

}  // namespace flashstor::cluster
