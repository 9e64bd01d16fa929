#include <algorithm>
#include <cstring>

#include "engine/base/codec.h"
#include "engine/storage/commit_log/log_format.h"

namespace flashstor::storage {
namespace {

constexpr std::size_t kEntryHeadBytes = 17;         // term, index, kind
constexpr std::size_t kKeptBuilderBytes = 1 << 20;  // what an idle builder keeps

std::string data_head(const DataPosition& data) {
  ByteWriter out;
  encode_data_ref(out, data.ref);
  out.u8(encode_shard(data)).varint(data.checksums.size());
  for (const codec::Hash128& sum : data.checksums) out.u64(sum.low).u64(sum.high);
  return out.take();
}

void read_data(ByteReader& in, RecordView& record) {
  record.data.ref = decode_data_ref(in);
  decode_shard(in.u8(), record.data);
  const std::uint64_t sums = in.varint();
  for (std::uint64_t i = 0; i < sums && in.ok(); ++i) {
    codec::Hash128 sum;
    sum.low = in.u64();
    sum.high = in.u64();
    record.data.checksums.push_back(sum);
  }
  if (!in.ok()) return;
  record.id = record.data.ref.id;
  record.payload = in.raw(in.rest().size());
  const DataRef& ref = record.data.ref;
  if (ref.place != DataPlace::kLog || record.payload.size() != shard_bytes_of(ref) ||
      record.data.checksums.size() != block_count_of(ref))
    in.mark_bad();
}

}  // namespace

Result<RecordView> RecordReader::next() {
  const auto corrupt = [this](const char* words) {
    at_ = body_.size();
    return fail(ErrorCode::kCorrupt, words);
  };
  ByteReader head(body_.substr(at_));
  RecordView record;
  record.kind = static_cast<RecordKind>(head.u8());
  const bool padded = head.u8() == 0 && head.u16() == 0;
  const std::uint32_t length = head.u32();
  if (!head.ok() || !padded || length > head.rest().size()) return corrupt("log record is cut off");
  ByteReader in(head.raw(length));
  const std::size_t end = at_ + kRecordHeaderBytes + length;
  switch (record.kind) {
    case RecordKind::kEntry:
      record.term = in.u64();
      record.index = in.u64();
      record.entry_kind = in.u8();
      record.payload = in.raw(in.rest().size());
      break;
    case RecordKind::kData:
    case RecordKind::kRelocation:
      read_data(in, record);
      break;
    case RecordKind::kHardState:
      record.hard_state.term = in.u64();
      record.hard_state.vote = in.u64();
      break;
    case RecordKind::kTruncate:
      record.index = in.u64();
      break;
    case RecordKind::kRefusal:
      record.id.high = in.u64();
      record.id.low = in.u64();
      break;
    case RecordKind::kCleanClose:
      break;
    case RecordKind::kConfiguration:
      record.payload = in.raw(in.rest().size());
      break;
    default:
      return corrupt("log record of an unknown kind");
  }
  if (!in.ok() || !in.at_end()) return corrupt("log record does not parse");
  record.payload_offset = static_cast<std::uint32_t>(end - record.payload.size());
  at_ = end;
  return record;
}

void BatchBuilder::clear() {
  if (memory_.size() > kKeptBuilderBytes) memory_ = {};
  size_ = kBatchHeaderBytes;
}

void BatchBuilder::reserve(std::size_t more) {
  const std::size_t need = round_to_block(size_ + more);
  if (need <= memory_.size()) return;
  Buffer larger =
      Buffer::allocate(std::max<std::size_t>(need, std::min(memory_.size() * 2, need + kKeptBuilderBytes)));
  if (size_ > kBatchHeaderBytes) std::memcpy(larger.writable(), memory_.data(), size_);
  memory_ = std::move(larger);
}

void BatchBuilder::append(std::string_view bytes) {
  if (bytes.empty()) return;
  std::memcpy(memory_.writable() + size_, bytes.data(), bytes.size());
  size_ += bytes.size();
}

void BatchBuilder::start_record(RecordKind kind, std::size_t length) {
  reserve(kRecordHeaderBytes + length);
  ByteWriter head;
  head.u8(static_cast<std::uint8_t>(kind)).u8(0).u16(0).u32(static_cast<std::uint32_t>(length));
  append(head.view());
}

void BatchBuilder::add_hard_state(const HardState& state) {
  start_record(RecordKind::kHardState, 16);
  append(ByteWriter().u64(state.term).u64(state.vote).view());
}

void BatchBuilder::add_truncate(std::uint64_t index) {
  start_record(RecordKind::kTruncate, 8);
  append(ByteWriter().u64(index).view());
}

void BatchBuilder::add_refusal(const DataId& id) {
  start_record(RecordKind::kRefusal, 16);
  append(ByteWriter().u64(id.high).u64(id.low).view());
}

void BatchBuilder::add_configuration(std::string_view bytes) {
  start_record(RecordKind::kConfiguration, bytes.size());
  append(bytes);
}

void BatchBuilder::add_clean_close() { start_record(RecordKind::kCleanClose, 0); }

std::uint32_t BatchBuilder::add_entry(const LogEntry& entry) {
  start_record(RecordKind::kEntry, kEntryHeadBytes + entry.payload.size());
  append(ByteWriter().u64(entry.term).u64(entry.index).u8(entry.kind).view());
  const auto at = static_cast<std::uint32_t>(size_);
  append(entry.payload.view());
  return at;
}

std::uint32_t BatchBuilder::add_data(RecordKind kind, const DataPosition& data,
                                     std::span<const std::byte> bytes) {
  const std::string head = data_head(data);
  start_record(kind, head.size() + bytes.size());
  append(head);
  const auto at = static_cast<std::uint32_t>(size_);
  append({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  return at;
}

std::span<const std::byte> BatchBuilder::seal(const BatchHeader& header) {
  const std::size_t padded = round_to_block(size_);
  std::memset(memory_.writable() + size_, 0, padded - size_);
  BatchHeader full = header;
  full.body_bytes = static_cast<std::uint32_t>(size_ - kBatchHeaderBytes);
  seal_batch(memory_.writable_span().first(size_), full);
  return memory_.span().first(padded);
}

std::size_t batch_bytes_of(const AppendBatch& append) {
  std::size_t bytes = 2 * (kRecordHeaderBytes + 16);
  for (const LogEntry& entry : append.entries)
    bytes += kRecordHeaderBytes + kEntryHeadBytes + entry.payload.size();
  for (const DataRecord& record : append.data)
    bytes += kRecordHeaderBytes + 64 + 16 * std::size_t{block_count_of(record.ref)} + record.bytes.size();
  return bytes + append.refusals.size() * (kRecordHeaderBytes + 16);
}

}  // namespace flashstor::storage
