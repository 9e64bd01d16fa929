#pragma once

#include <cstdint>
#include <vector>

#include "engine/cluster/raft/types.h"
#include "engine/storage/storage_api.h"
#include "engine/storage/wire/frame.h"

namespace flashstor::cluster {

/// The shard of one member that belongs to an entry in the same bundle.
struct MemberData {
  raft::MemberId member = 0;
  raft::Index index = 0;
  raft::Term term = 0;
  storage::DataRecord record;
};

/// One entry that a drive has made durable.
struct AppendedEntry {
  raft::Index index = 0;
  raft::Term term = 0;
  bool with_data = false;  ///< Its shard went in the same batch, or was found as it was staged before.
};

/// What a node says of one of its members to the set's other nodes.
struct MemberReport {
  std::uint32_t slot = 0;
  raft::MemberId member = 0;  ///< Its name; another once its drive was replaced.
  std::uint64_t generation = 0;
  bool open = false;
  bool votes = false;
  bool full = false;                  ///< Its drive takes no more data.
  std::uint64_t incarnation = 0;      ///< Of its drive.
  raft::Term leads = 0;               ///< The term that it leads, ready to serve; 0 when it does not.
  std::optional<std::uint64_t> owed;  ///< As leader that knows: slices that lack a shard somewhere.
  raft::Index applied = 0;
  bool in_doubt = false;                ///< It may have lost what it acknowledged (group_doubt.cc).
  raft::Term term = 0;                  ///< That it is in.
  raft::LogBase end;                    ///< Of its log.
  std::vector<AppendedEntry> appended;  ///< Since the last report; for the leader.
};

/// All that one node has to say to another about one set in one turn. An entry that goes to several members
/// is in it once.
struct Bundle {
  std::uint32_t set = 0;
  std::vector<raft::Message> messages;
  std::vector<MemberData> data;
  std::vector<MemberReport> reports;
  [[nodiscard]] bool empty() const { return messages.empty() && data.empty() && reports.empty(); }
};

/// A bundle above this many bytes of shards goes out at once, so that frames stay within their limits.
inline constexpr std::size_t kBundleBytes = 4 * 1024 * 1024;

[[nodiscard]] storage::wire::Payload encode_bundle(const Bundle& bundle);
/// Payloads of entries and shards are slices of `payload`. Errors: kMalformed.
[[nodiscard]] Result<Bundle> decode_bundle(const storage::wire::Payload& payload);

}  // namespace flashstor::cluster
