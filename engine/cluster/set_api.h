#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/async/task.h"
#include "engine/base/buffer.h"
#include "engine/base/random.h"
#include "engine/base/time.h"
#include "engine/base/uuid.h"
#include "engine/cluster/heal_status.h"
#include "engine/storage/entry.h"
#include "engine/storage/storage_api.h"

/// What objects, files and IAM see of an erasure set. A change is a *command*: bytes that travel to the set's
/// leader, where the planner of its kind checks its conditions against the rows and gives the rows to write.
/// A read is a *query*: the same without a write. Both mean the same whether the leader is in this process or
/// on another node.
namespace flashstor::cluster {

/// Numbers of commands and queries, given by the layers above (objects 1-99, files 100-199, iam 200-). Part
/// of the wire protocol.
using CommandKind = std::uint16_t;

/// The rows that a command decides over, held at the leader from planning until its outcome is known. Names
/// are a family's number in one byte and then a key prefix of that family: an undecided exclusive name makes
/// reads of rows under it wait.
struct LockName {
  std::string name;
  bool exclusive = true;
};
[[nodiscard]] inline std::string lock_name(Family family, std::string_view key_prefix) {
  std::string name(1, static_cast<char>(family));
  return name.append(key_prefix);
}

/// A change on its way to a set.
struct Command {
  CommandKind kind = 0;
  Uuid request_id;              ///< Made by the gateway; a repeated command with the same id is applied once.
  std::string payload;          ///< Encoded by the layer that owns the kind.
  std::vector<LockName> locks;  ///< Taken in sorted order, in one step.
  DataRef data;  ///< Place kLog: `bytes` ride along. Place kFile: staged before by `stage`. kNone: no data.
  BufferChain bytes;         ///< Object bytes for place kLog (at most kMaxInlineObjectBytes).
  bool keep_result = false;  ///< Remember the answer for retries (callers on other nodes).
};

/// What the planner decided.
struct Plan {
  std::vector<RowChange> changes;
  std::vector<RowChange>
      on_confirm;  ///< With data only: what the version replaces. Without data put it into `changes`.
  std::vector<RowChange> on_void;  ///< With data only: takes back `changes`.
  std::string response;            ///< Given to the caller once the outcome is known.
  bool write = true;  ///< False: nothing to change, answer `response` (still ordered after earlier commands).
};

/// What a visitor wants next in a scan.
struct ScanStep {
  enum class Kind : std::uint8_t { kNext, kStop, kSeek } kind = Kind::kNext;
  std::string seek_to;  ///< With kSeek: the next row is the first with at least this key.
};
/// Called for each row in key order; may run on a pool thread, one call at a time, so it must touch only its
/// own state.
using ScanVisitor = std::function<ScanStep(std::string_view key, std::string_view value)>;

/// The leader's rows, settled: a row under an undecided exclusive lock of *another* command is waited for,
/// never skipped or shown early.
class RowView {
 public:
  virtual ~RowView() = default;
  /// Errors: kTimeout while undecided, kNotLeader, kIo, kCorrupt.
  virtual Task<Result<std::optional<std::string>>> get(Family family, std::string key) = 0;
  /// Rows with lower <= key < upper (empty upper: the family's end). When it had to wait for a decision it
  /// starts over after calling `restart` (drop what was gathered).
  virtual Task<Result<void>> scan(Family family, std::string lower, std::string upper, ScanVisitor visitor,
                                  std::function<void()> restart) = 0;
  /// The leader's wall clock, for version times: later than any it gave before.
  [[nodiscard]] virtual WallTime now() = 0;
  [[nodiscard]] virtual Random& random() = 0;
  /// Another number whenever this process has begun anew to lead the set, for what a leader keeps in memory
  /// alone; 0 when the rows are read without a leader. Ask it after a read of rows, which makes sure of the
  /// leadership.
  [[nodiscard]] virtual std::uint64_t leadership() const { return 0; }
};

/// Checks a command at the leader, in log order, holding its locks, and gives what to write. An error answers
/// the caller and writes nothing. It may run again for one command after a change of leader.
using Planner = std::function<Task<Result<Plan>>(RowView& rows, const Command& command)>;
/// Answers a query at the leader (or under its lease on the caller's loop).
using QueryHandler = std::function<Task<Result<std::string>>(RowView& rows, std::string_view payload)>;

/// Which code plans which command; filled by main.cc before the first set starts, then only read.
class CommandRegistry {
 public:
  void add_planner(CommandKind kind, Planner planner);
  /// For the simulator, which plants defects.
  void replace_planner(CommandKind kind, Planner planner) {
    planners_.insert_or_assign(kind, std::move(planner));
  }
  void add_query(CommandKind kind, QueryHandler handler);
  [[nodiscard]] const Planner* planner(CommandKind kind) const;
  [[nodiscard]] const QueryHandler* query(CommandKind kind) const;

 private:
  std::map<CommandKind, Planner> planners_;
  std::map<CommandKind, QueryHandler> queries_;
};

/// The fixed facts of a set.
struct SetInfo {
  std::uint32_t index = 0;
  std::uint32_t drives = 1;  ///< n
  std::uint8_t default_parity =
      0;  ///< m of the STANDARD class; by drives: 0; 1 for 2-3, 2 for 4-5, 3 for 6-7, 4 for 8-16.
  std::uint8_t reduced_parity = 0;  ///< m of REDUCED_REDUNDANCY: 1 where drives allow.
};

/// How a set does, for health, `admin info` and metrics.
struct SetStatus {
  SetInfo info;
  bool can_write = false;
  bool can_read = false;
  /// Each drive has its vote, no drive that was replaced has one still, and the leader has counted what it
  /// owes its drives: only then does an empty heal queue say that nothing is missing.
  bool settled = false;
  /// Goes on reading and writing, with all its redundancy but this node's, when this node goes down now.
  bool can_spare_node = false;
  std::uint32_t leader_slot = 0;  ///< drives when there is none.
  std::uint64_t term = 0;
  std::uint64_t committed = 0;
  std::uint64_t applied = 0;
  std::uint64_t undecided = 0;
  std::uint64_t heal_queue = 0;
  HealStatus heal;
  std::vector<storage::DriveInfo> drives;
};

/// What came of a command.
struct CommandResult {
  std::uint64_t revision = 0;  ///< Position in the set's log; 0 when nothing was written.
  std::string response;
};

/// Streams one large slice to every drive of the set before its entry is proposed. Destroying it unfinished
/// aborts it.
class StageApi {
 public:
  virtual ~StageApi() = default;
  /// Object bytes in order; returns when there is room for more (bounded memory: a few stripes).
  /// Errors: kWriteQuorum when fewer than W drives still take it, kNoSpace.
  virtual Task<Result<void>> write(BufferChain bytes) = 0;
  /// Everything durable on at least W drives: the DataRef to put into a Command.
  virtual Task<Result<DataRef>> finish() = 0;
  virtual Task<void> abort() = 0;
};

/// What a RowView would give now, without asking it: as long as the mark of a name stays the same, so do the
/// rows of Family::kVersions under it.
struct RowsMark {
  std::uint64_t era = 0;  ///< Of the drive that answers.
  std::uint32_t slot = 0;
  std::uint64_t writes = 0;
  bool operator==(const RowsMark&) const = default;
};

/// Keeps a slice from being freed while a reader uses it.
class DataPin {
 public:
  virtual ~DataPin() = default;
};

/// One erasure set.
class SetApi {
 public:
  virtual ~SetApi() = default;
  [[nodiscard]] virtual const SetInfo& info() const = 0;
  [[nodiscard]] virtual SetStatus status() const = 0;

  /// Runs a command to its known outcome. Success means: committed, and its data durable on W drives, as
  /// protocol.md defines. Errors: the planner's; kReadOnly or kWriteQuorum when nothing was changed;
  /// kUnknownOutcome.
  virtual Task<Result<CommandResult>> execute(Command command) = 0;
  /// A linearisable read. Errors: the handler's; kReadQuorum, kTimeout.
  virtual Task<Result<std::string>> query(CommandKind kind, std::string payload) = 0;
  /// The same in process: `read` runs with a RowView and keeps what it finds itself; nullptr-free shorthand
  /// for hot paths. Only valid while the leader is in this process (kNotLeader otherwise: use `query`).
  virtual Task<Result<void>> with_rows(std::function<Task<Result<void>>(RowView&)> read) = 0;

  /// The mark of the versions of one key; `name` is lock_name() of their common prefix. Nothing when a read
  /// would have to ask another node or to wait: for a lease, a decision, a write under way. What was read
  /// between two equal marks is what a read of now gives, as long as a later mark equals them: a linearisable
  /// read. Never waits, allocates nothing. From any loop.
  [[nodiscard]] virtual std::optional<RowsMark> mark(std::string_view name) {
    static_cast<void>(name);
    return std::nullopt;
  }

  /// Starts a large slice. `expected_bytes` 0 when unknown.
  virtual Task<Result<std::unique_ptr<StageApi>>> stage(DataId id, Geometry geometry,
                                                        std::uint64_t expected_bytes) = 0;
  /// Object bytes [offset, offset + length) of a slice, verified, decoded if need be; at most kMaxReadBytes a
  /// call. Errors: kReadQuorum when fewer than k shards can be had, kCorrupt, kNotFound.
  virtual Task<Result<BufferChain>> read(DataRef data, std::uint64_t offset, std::uint64_t length) = 0;
  /// Holds freeing of `data` off while the pin lives.
  [[nodiscard]] virtual std::unique_ptr<DataPin> pin(const DataRef& data) = 0;
};
inline constexpr std::size_t kMaxReadBytes = 4 * flashstor::limits::kMiB;

/// Told around every change of a document of the system (buckets, identities, configuration), which other
/// nodes may have in their caches. Threads: any loop.
class SystemWatchApi {
 public:
  virtual ~SystemWatchApi() = default;
  /// Before the change. Errors: why the others could not be kept from serving what is about to be old; then
  /// nothing may be changed.
  virtual Task<Result<void>> changing(std::string_view path) = 0;
  /// After it, however it ended. When it returns the nodes that answer have dropped what they had.
  virtual Task<void> changed() = 0;
  /// Whether changes under `path` concern it.
  [[nodiscard]] virtual bool concerns(std::string_view path) const = 0;
};

/// All sets of the deployment, and which of them holds what.
class ClusterApi {
 public:
  virtual ~ClusterApi() = default;
  /// The set of an object's rows: slot = CRC32(deployment seed, bucket id, key) mod kSlots, then the slot
  /// table.
  [[nodiscard]] virtual SetApi& set_for(const Uuid& bucket_id, std::string_view key) = 0;
  [[nodiscard]] virtual SetApi& set_at(std::uint32_t index) = 0;
  [[nodiscard]] virtual std::uint32_t set_count() const = 0;
  [[nodiscard]] virtual Uuid deployment_id() const = 0;
  /// Whether other processes ask the same sets.
  [[nodiscard]] virtual bool spans_nodes() const { return false; }
  /// Null where one process has all caches.
  [[nodiscard]] virtual SystemWatchApi* system_watch() { return nullptr; }
};

/// The change that frees `data` after its grace: a due row to put into a Plan's changes or on_confirm.
[[nodiscard]] RowChange free_later(const DataRef& data, WallTime now);

}  // namespace flashstor::cluster
