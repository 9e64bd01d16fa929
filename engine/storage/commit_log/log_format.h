#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/buffer.h"
#include "engine/base/error.h"
#include "engine/codec/checksum.h"
#include "engine/storage/entry.h"
#include "engine/storage/limits.h"
#include "engine/storage/storage_api.h"

/// Bytes of the commit log. Source: docs/on-disk-format.md, Log.
///
/// A segment file: one block of header, then batches, each starting on a block. A batch: a header of
/// kBatchHeaderBytes, then records without gaps, zero padded to the next block. A record: kind (1 byte),
/// three zero bytes, length (4 bytes), then that many bytes.
namespace flashstor::storage {

/// Where bytes lie in the log.
struct LogPosition {
  std::uint32_t segment = 0;
  std::uint32_t offset = 0;
  std::uint32_t length = 0;
  bool operator==(const LogPosition&) const = default;
};

/// Where a batch starts: where a replay can start.
struct BatchPosition {
  std::uint32_t segment = 0;
  std::uint32_t offset = 0;
  std::uint64_t sequence = 0;
  /// batch_mark of the batch before. 0: not known, any will do.
  std::uint32_t previous = 0;
  auto operator<=>(const BatchPosition&) const = default;
};

[[nodiscard]] inline bool lies_before(const LogPosition& at, const LogPosition& other) {
  return std::pair(at.segment, at.offset) < std::pair(other.segment, other.offset);
}
[[nodiscard]] inline bool lies_before(const LogPosition& at, const BatchPosition& batch) {
  return at.segment != batch.segment ? at.segment < batch.segment : at.offset < batch.offset;
}

struct SegmentHeader {
  std::uint32_t number = 0;
  std::uint32_t bytes = 0;  ///< Size of the file.
  std::uint64_t salt = 0;   ///< Random for each use of the file: older batches in it are not its own.
  std::uint64_t first_sequence = 0;  ///< Of the first batch in it.
  Uuid drive_id;
};
/// One block.
[[nodiscard]] std::string encode_segment_header(const SegmentHeader& header);
/// Errors: kCorrupt.
[[nodiscard]] Result<SegmentHeader> decode_segment_header(std::string_view block);

inline constexpr std::size_t kBatchHeaderBytes = 64;
inline constexpr std::size_t kRecordHeaderBytes = 8;
[[nodiscard]] constexpr std::uint64_t round_to_block(std::uint64_t bytes) {
  return (bytes + limits::kLogBlockBytes - 1) / limits::kLogBlockBytes * limits::kLogBlockBytes;
}

struct BatchHeader {
  std::uint64_t sequence = 0;
  std::uint64_t salt = 0;
  std::uint32_t body_bytes = 0;
  std::uint64_t synced_through = 0;  ///< The last batch known to be on stable storage when it was written.
  /// batch_mark of the batch that it was written behind; 0 when that is not known. A drive that lost the end
  /// of its log may show what it lost once more, behind what was written in its place.
  std::uint32_t previous = 0;
};
/// Fills the first kBatchHeaderBytes of `batch`, whose records are in place behind them.
void seal_batch(std::span<std::byte> batch, const BatchHeader& header);
/// The header at the front of `bytes` if it looks like one of the segment with `salt`; its body is not looked
/// at.
[[nodiscard]] std::optional<BatchHeader> peek_batch(std::span<const std::byte> bytes, std::uint64_t salt);
/// What the next batch names this whole one by: of its checksum, never 0.
[[nodiscard]] std::uint32_t batch_mark(std::span<const std::byte> batch);
/// True when header and body of `batch` (exactly header and body_bytes) match their checksum.
[[nodiscard]] bool batch_is_whole(std::span<const std::byte> batch);

/// Numbers are on disk: never reuse one.
enum class RecordKind : std::uint8_t {
  kEntry = 1,
  kData = 2,
  kHardState = 3,
  kTruncate = 4,
  kRefusal = 5,
  kRelocation = 6,
  kCleanClose = 7,
  kConfiguration = 8,
};

/// A shard in the log: what the index keeps of a data record, and where its bytes are.
struct DataPosition {
  LogPosition at;
  DataRef ref;
  std::uint8_t shard = 0;
  std::vector<codec::Hash128> checksums;  ///< One for each shard block.
  bool rebuilt = false;                   ///< By healing: no entry behind it names it.
};
/// The byte of a shard's number, with the mark of a rebuilt one, and back.
[[nodiscard]] inline std::uint8_t encode_shard(const DataPosition& data) {
  return static_cast<std::uint8_t>(data.shard | (data.rebuilt ? 0x80U : 0U));
}
inline void decode_shard(std::uint8_t byte, DataPosition& data) {
  data.shard = byte & 0x7fU;
  data.rebuilt = (byte & 0x80U) != 0;
}
[[nodiscard]] std::string encode_data_position(const DataPosition& data);
/// Errors: kCorrupt.
[[nodiscard]] Result<DataPosition> decode_data_position(std::string_view value, const DataId& id);

/// Bytes of one shard block of `ref` (the last block may be shorter), and of the whole shard.
[[nodiscard]] std::size_t block_bytes_of(const DataRef& ref);
[[nodiscard]] std::uint64_t shard_bytes_of(const DataRef& ref);
/// Bytes [begin, end) of a shard that hold blocks [first, first + count), clipped to the shard.
struct ByteRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};
[[nodiscard]] ByteRange blocks_of(const DataRef& ref, std::uint32_t first, std::uint32_t count);
[[nodiscard]] std::uint32_t block_count_of(const DataRef& ref);

/// A record as it was read. Views point into the batch.
struct RecordView {
  RecordKind kind{};
  HardState hard_state;
  std::uint64_t index = 0;  ///< Of an entry, or where a truncation starts.
  std::uint64_t term = 0;
  std::uint8_t entry_kind = 0;
  std::string_view payload;          ///< Of an entry or configuration, or a shard's bytes.
  std::uint32_t payload_offset = 0;  ///< From the start of the body.
  DataPosition data;                 ///< Of data and relocations; `at` is not set.
  DataId id;                         ///< Of a refusal.
};

/// Takes the records of a body one by one.
class RecordReader {
 public:
  explicit RecordReader(std::string_view body) : body_(body) {}
  [[nodiscard]] bool at_end() const { return at_ == body_.size(); }
  /// Errors: kCorrupt, after which it is at the end.
  [[nodiscard]] Result<RecordView> next();

 private:
  std::string_view body_;
  std::size_t at_ = 0;
};

/// Builds the records of one batch in memory that O_DIRECT takes.
class BatchBuilder {
 public:
  /// Starts an empty batch.
  void clear();
  [[nodiscard]] bool empty() const { return size_ == kBatchHeaderBytes; }
  /// Header and records so far, without padding.
  [[nodiscard]] std::size_t size() const { return size_; }

  void add_hard_state(const HardState& state);
  void add_truncate(std::uint64_t index);
  void add_refusal(const DataId& id);
  void add_configuration(std::string_view bytes);
  void add_clean_close();
  /// Both give the offset of payload bytes from the start of the batch.
  std::uint32_t add_entry(const LogEntry& entry);
  std::uint32_t add_data(RecordKind kind, const DataPosition& data, std::span<const std::byte> bytes);
  /// The sealed batch, padded to whole blocks; valid until the next clear.
  [[nodiscard]] std::span<const std::byte> seal(const BatchHeader& header);

 private:
  void reserve(std::size_t more);
  void append(std::string_view bytes);
  void start_record(RecordKind kind, std::size_t length);
  Buffer memory_;
  std::size_t size_ = kBatchHeaderBytes;
};

/// An upper bound of what one append takes in a batch.
[[nodiscard]] std::size_t batch_bytes_of(const AppendBatch& append);

/// Checksums of the shard blocks in `bytes`.
[[nodiscard]] std::vector<codec::Hash128> block_checksums(const DataRef& ref,
                                                          std::span<const std::byte> bytes);

}  // namespace flashstor::storage
