#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/async/task.h"
#include "engine/base/buffer.h"
#include "engine/storage/entry.h"
#include "engine/storage/row_store.h"

namespace flashstor::storage {

/// Raft's term and vote of this member.
struct HardState {
  std::uint64_t term = 0;
  std::uint64_t vote = 0;  ///< Member id voted for in `term`, 0 for none.
  bool operator==(const HardState&) const = default;
};

/// One position of the set's replicated log.
struct LogEntry {
  std::uint64_t term = 0;
  std::uint64_t index = 0;
  std::uint8_t kind = 0;  ///< Raft's own: 0 an EntryBody, others (configuration, empty) belong to the core.
  Buffer payload;
};

/// One shard that rides in the log: all its shard blocks, in stripe order, with this drive's position among
/// the shards.
struct DataRecord {
  DataId id;
  DataRef ref;
  std::uint8_t shard = 0;  ///< 0 … k + m - 1.
  Buffer bytes;
  bool rebuilt = false;  ///< By healing: what names it was applied long ago, it waits for no entry.
  std::uint64_t rebuilt_term = UINT64_MAX;  ///< Of the leader that healed it.
};

/// What goes to the drive in one synced batch. Within a batch and between batches the order of calls is the
/// order on the drive.
struct AppendBatch {
  std::optional<HardState> hard_state;
  std::optional<std::uint64_t>
      truncate_from;  ///< Entries from this index on are void (a record: the log only grows).
  std::vector<LogEntry> entries;
  std::vector<DataRecord> data;
  std::vector<DataId> refusals;              ///< Data ids that this drive will never hold (durably said).
  std::uint64_t refusals_term = UINT64_MAX;  ///< Of the leader that wants them.
  [[nodiscard]] bool empty() const {
    return !hard_state && !truncate_from && entries.empty() && data.empty() && refusals.empty();
  }
};

/// What a drive found in its log and index when it was opened.
struct RecoveredState {
  HardState hard_state;
  std::uint64_t first_index = 1;    ///< First entry still in the log.
  std::uint64_t previous_term = 0;  ///< Term of the entry before `first_index`.
  std::uint64_t applied_index = 0;  ///< The index holds the effect of entries up to here.
  std::uint64_t applied_term = 0;
  std::vector<LogEntry> entries;  ///< From min(applied + 1, oldest undecided) on, in order.
  bool clean = false;             ///< The last stop was an orderly one.
  /// The machine has lost its power since the drive was known to hold all that it said it did: what was
  /// synced may be gone, if its cache lies. Says so at each start until `trust`.
  bool in_doubt = false;
  std::string configuration;  ///< The membership last stored with set_configuration, or empty.
};

/// What a drive is and how it does.
struct DriveInfo {
  std::string path;  ///< Directory, or node and directory.
  Uuid drive_id;
  Uuid deployment_id;
  std::uint32_t pool = 0;
  std::uint32_t set = 0;
  std::uint32_t slot = 0;  ///< Position in the set.
  enum class State : std::uint8_t {
    kOnline,
    kFailed,
    kMissing,
    kForeign,
    kReadOnly,
    kFull,
    kFilling
  } state = State::kOnline;
  std::string error;  ///< In words, when not online.
  std::uint64_t total_bytes = 0;
  std::uint64_t free_bytes = 0;
  std::uint64_t log_bytes = 0;
};

/// What a drive says of slices that it is asked for, and as which incarnation.
struct Holdings {
  std::vector<bool> held;
  std::uint64_t incarnation = 0;
  [[nodiscard]] std::size_t size() const { return held.size(); }
  [[nodiscard]] bool operator[](std::size_t index) const { return held[index]; }
};

/// One drive as its set sees it: XlStorage for a local directory, RestStorage for a peer's, SimStorage in the
/// simulator. Nothing above this header knows which. Methods may be awaited on any runtime and come back to
/// it.
class StorageApi {
 public:
  virtual ~StorageApi() = default;

  [[nodiscard]] virtual DriveInfo info() const = 0;
  /// Looks whether the drive is still there and still the one that was opened (not unmounted, emptied or
  /// replaced), and gives fresh information. Errors: kDriveForeign, kNotFound, kIo, in words.
  virtual Task<Result<DriveInfo>> check() { co_return info(); }
  /// What the log and the index held at start. Once, before anything else.
  virtual Task<Result<RecoveredState>> recover() = 0;

  // The log.
  /// Returns when the whole batch is on stable storage. After the first error the drive is failed: every
  /// later append gives kDriveFailed, and nothing goes on over a failed write. Before anything is written
  /// and without failing the drive: kStale when the id of a data record is refused and the record is not
  /// rebuilt (which lifts the refusal), or when refusals or rebuilt records are of an older term than the
  /// drive's;
  /// kInvalidArgument for records that cannot be.
  virtual Task<Result<void>> append(AppendBatch batch) = 0;
  /// Entries [from, to], at most about `max_bytes` of them (at least one). Errors: kNotFound when the log no
  /// longer has `from`.
  virtual Task<Result<std::vector<LogEntry>>> read_entries(std::uint64_t from, std::uint64_t to,
                                                           std::size_t max_bytes) = 0;
  /// Applies committed entries in order (kind 0 only matters): visible in the index on return. Idempotent.
  /// One call at a time, without a gap after what was applied.
  /// Data records named by them become readable, frees drop shards, confirms and voids run what their entries
  /// deferred.
  virtual Task<Result<void>> apply(std::vector<LogEntry> entries) = 0;
  /// Stores the membership as opaque bytes, with the next checkpoint.
  virtual Task<Result<void>> set_configuration(std::string bytes) = 0;
  /// A leader has told what there was: the drive is in doubt no more, durably. Errors: kIo, kDriveFailed.
  virtual Task<Result<void>> trust() { co_return Result<void>(); }

  // The index.
  /// The local index, for in-process reads; nullptr for a peer's drive.
  [[nodiscard]] virtual RowStore* rows() = 0;
  /// A point read that first looks in cache on the calling loop and only then offloads.
  virtual Task<Result<std::optional<std::string>>> get_row(Family family, std::string key) = 0;

  // Shards.
  /// Starts a shard file for `data` in staging. `expected_bytes` of shard, 0 when unknown, are preallocated.
  virtual Task<Result<void>> stage_open(DataRef data, std::uint8_t shard, std::uint64_t expected_bytes) = 0;
  /// Appends whole shard blocks in order (the last block of a slice may be shorter); checksums each. Returns
  /// when the drive is ready for more: at most a bounded number of bytes wait in memory.
  virtual Task<Result<void>> stage_append(DataId data, Buffer blocks, std::size_t block_bytes) = 0;
  /// Writes the footer for a slice of `length` object bytes and syncs file and staging directory: on return
  /// the shard is durable, though not yet named by an entry.
  virtual Task<Result<void>> stage_finish(DataId data, std::uint64_t length) = 0;
  /// Drops what was staged.
  virtual Task<Result<void>> stage_abort(DataId data) = 0;
  /// Shard blocks [first_block, first_block + count) of this drive's shard of `data`, each checksum verified.
  /// Errors: kNotFound, kCorrupt, kIo, kDriveFailed.
  virtual Task<Result<Buffer>> read_shard(DataRef data, std::uint32_t first_block, std::uint32_t count) = 0;
  /// The same when it can be had without waiting for the drive (cache, page cache): for loops. kWouldBlock
  /// otherwise.
  virtual Result<Buffer> try_read_shard(const DataRef& data, std::uint32_t first_block,
                                        std::uint32_t count) = 0;
  /// Verifies the whole shard. Errors as read_shard.
  virtual Task<Result<void>> verify_shard(DataRef data) = 0;
  /// Reads the whole index and compares it with its checksums; takes long. Errors: kCorrupt, kIo.
  virtual Task<Result<void>> verify_rows() { co_return Result<void>(); }
  /// Writes whole blocks of a rebuilt shard (healing) at byte `at` of it: all at once, or, where data is in
  /// files, in pieces of some MiB, in order from 0. With the last of them the shard is durable on
  /// return and has replaced a bad one; `stage_abort` drops one that is not to be ended. `term` is the asking
  /// leader's: once this drive's log has a newer one, and so before it applies anything that a newer leader
  /// proposed, no shard of `term` comes to be, however late it is asked for: what the newer one freed stays
  /// gone. Nor does an older leader's piece get into a newer one's file. Errors: kStale for an older term or
  /// a piece out of order.
  virtual Task<Result<void>> restore_shard(DataRef data, std::uint8_t shard, std::uint64_t term,
                                           std::uint64_t at, BufferChain blocks) = 0;
  /// Which of `data` this drive holds durably (entry applied or not; sound or not).
  virtual Task<Result<Holdings>> holds(std::vector<DataId> data) = 0;
  /// Another number each time the drive is opened: while it stays the same, nothing that was acknowledged is
  /// lost but by damage. 0: not known here. From any thread.
  [[nodiscard]] virtual std::uint64_t incarnation() const { return 0; }

  /// Data ids of staged shard files and of data records that no applied entry names: what a sweep asks the
  /// leader about. Not of files that are still being written, however long that takes. Delete them with a
  /// refusal in `append`, never before.
  virtual Task<Result<std::vector<DataId>>> staged() { co_return std::vector<DataId>{}; }

  /// Slices of which this drive holds a shard that an applied entry names, by data id, from after `after` on:
  /// at most `most` of them; fewer means that there are no more. Shards that are damaged may be left out.
  virtual Task<Result<std::vector<DataRef>>> inventory(DataId after, std::size_t most) {
    static_cast<void>(after);
    static_cast<void>(most);
    co_return std::vector<DataRef>{};
  }

  /// Flushes the index, marks the log as cleanly closed and ends the drive's threads. Nothing may be called
  /// afterwards.
  virtual Task<Result<void>> close() = 0;
};

}  // namespace flashstor::storage
