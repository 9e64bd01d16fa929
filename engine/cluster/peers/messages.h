#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/cluster/due.h"
#include "engine/cluster/set_api.h"
#include "engine/storage/drive_format.h"
#include "engine/storage/wire/frame.h"

/// What nodes say to each other beside the consensus and the drives' calls.
namespace flashstor::cluster {

/// The first call on every channel, and its answer: what two nodes must agree on.
struct Hello {
  std::uint32_t protocol = storage::wire::kProtocolVersion;
  std::string version;      ///< Of the program, for people.
  std::string node;         ///< "host:port" of the speaker.
  std::string layout;       ///< Spread::text.
  std::uint8_t parity = 0;  ///< Of STANDARD; ClusterOptions::kDefaultParity: by the number of drives.
  Uuid deployment;          ///< Nil while unknown.
  std::int64_t clock = 0;   ///< Nanoseconds since 1970.
  Uuid process;             ///< Made at start: a node that runs twice under one name is found.
  std::string root;         ///< wire::sign_root of the root credentials, never these themselves.
};
[[nodiscard]] std::string encode_hello(const Hello& hello);
/// Errors: kMalformed.
[[nodiscard]] Result<Hello> decode_hello(std::string_view bytes);
/// Errors: kConflict, saying in words what differs (protocol, list, parity, root
/// credentials, deployment, clock over 15 min).
[[nodiscard]] Result<void> check_hello(const Hello& own, const Hello& other);

/// What a node found at one of its drives when it started.
struct DriveReport {
  std::uint32_t set = 0;
  std::uint32_t slot = 0;
  storage::DriveCondition condition = storage::DriveCondition::kEmpty;
  Uuid deployment;  ///< Of a formatted drive.
  Uuid drive_id;
  bool touched = false;  ///< It has taken part already: its log is not empty.
};
[[nodiscard]] std::string encode_reports(const std::vector<DriveReport>& reports);
[[nodiscard]] Result<std::vector<DriveReport>> decode_reports(std::string_view bytes);

/// A command on its way to another node, with the slots on which its data was staged.
[[nodiscard]] storage::wire::Payload encode_command(std::uint32_t set, const Command& command,
                                                    std::uint32_t staged);
struct ForwardedCommand {
  std::uint32_t set = 0;
  std::uint32_t staged = 0;
  Command command;
};
[[nodiscard]] Result<ForwardedCommand> decode_command(const storage::wire::Payload& payload);
/// Shards of slices of one set that a reader found bad.
struct BadShards {
  std::uint32_t set = 0;
  std::vector<HealItem> items;
};
[[nodiscard]] std::string encode_bad_shards(const BadShards& bad);
/// Errors: kMalformed.
[[nodiscard]] Result<BadShards> decode_bad_shards(std::string_view bytes);
/// Slices of one set: of which a leader asks whether they are in use, and which are.
struct SliceIds {
  std::uint32_t set = 0;
  std::vector<DataId> ids;  ///< At most kMaxFrees.
};
[[nodiscard]] std::string encode_slice_ids(const SliceIds& slices);
/// Errors: kMalformed.
[[nodiscard]] Result<SliceIds> decode_slice_ids(std::string_view bytes);
[[nodiscard]] std::string encode_result(const CommandResult& result);
[[nodiscard]] Result<CommandResult> decode_result(std::string_view bytes);

}  // namespace flashstor::cluster
