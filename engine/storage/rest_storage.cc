#include "engine/storage/rest_storage.h"

#include <algorithm>

#include "engine/base/codec.h"

namespace flashstor::storage {

using wire::Method;
using wire::Payload;

void encode_drive_info(ByteWriter& out, const DriveInfo& info) {
  out.bytes(info.path).append(info.drive_id.to_bytes()).append(info.deployment_id.to_bytes());
  out.varint(info.pool).varint(info.set).varint(info.slot).u8(static_cast<std::uint8_t>(info.state));
  out.bytes(info.error).varint(info.total_bytes).varint(info.free_bytes).varint(info.log_bytes);
}

DriveInfo decode_drive_info(ByteReader& in) {
  DriveInfo info;
  info.path = in.bytes();
  info.drive_id = Uuid::from_bytes(in.raw(16));
  info.deployment_id = Uuid::from_bytes(in.raw(16));
  info.pool = static_cast<std::uint32_t>(in.varint());
  info.set = static_cast<std::uint32_t>(in.varint());
  info.slot = static_cast<std::uint32_t>(in.varint());
  const std::uint8_t state = in.u8();
  if (state > static_cast<std::uint8_t>(DriveInfo::State::kFilling))
    in.mark_bad();
  else
    info.state = static_cast<DriveInfo::State>(state);
  info.error = in.bytes();
  info.total_bytes = in.varint();
  info.free_bytes = in.varint();
  info.log_bytes = in.varint();
  return info;
}

RestStorage::RestStorage(PeerCaller& caller, DriveInfo described)
    : caller_(caller), info_(std::move(described)) {}

DriveInfo RestStorage::info() const {
  DriveInfo out;
  {
    const std::lock_guard lock(mutex_);
    out = info_;
  }
  if (!caller_.reachable()) {
    out.state = DriveInfo::State::kMissing;
    out.error = "its node does not answer";
  }
  return out;
}

ByteWriter RestStorage::address() const {
  ByteWriter out;
  const std::lock_guard lock(mutex_);
  out.varint(info_.set).varint(info_.slot);
  return out;
}

Task<Result<Payload>> RestStorage::ask(Method method, std::string head, BufferChain body,
                                       Nanoseconds deadline) {
  auto answer = co_await caller_.call(method, wire::payload_of(head, std::move(body)), deadline);
  // A drive that cannot be asked has not lost anything: not to be taken for a bad read.
  if (!answer && answer.error().code() == ErrorCode::kIo && !caller_.reachable())
    co_return fail(ErrorCode::kDriveFailed, std::string(answer.error().message()));
  co_return answer;
}

Task<Result<void>> RestStorage::tell(Method method, std::string head, BufferChain body,
                                     Nanoseconds deadline) {
  co_await or_return(ask(method, std::move(head), std::move(body), deadline));
  co_return Result<void>();
}

Task<void> RestStorage::refresh() {
  auto answer = co_await ask(Method::kDriveInfo, address().take(), {}, kPeerSmallCall);
  if (!answer) co_return;
  ByteReader in(answer->head.view());
  DriveInfo found = decode_drive_info(in);
  if (!in.ok()) co_return;
  const std::lock_guard lock(mutex_);
  found.path = info_.path;
  found.set = info_.set;
  found.slot = info_.slot;
  info_ = std::move(found);
}

Task<Result<RecoveredState>> RestStorage::recover() {
  co_return fail(ErrorCode::kNotSupported, "a drive's log belongs to its own node");
}

Task<Result<void>> RestStorage::append(AppendBatch batch) {
  if (batch.hard_state || batch.truncate_from || !batch.entries.empty() || !batch.data.empty())
    co_return fail(ErrorCode::kNotSupported, "a drive's log belongs to its own node");
  if (batch.refusals.empty()) co_return Result<void>();
  ByteWriter out = address();
  out.varint(batch.refusals_term).varint(batch.refusals.size());
  for (const DataId& id : batch.refusals) out.append(id.to_bytes());
  co_return co_await tell(Method::kRefuse, out.take(), {}, kPeerDataCall);
}

Task<Result<std::vector<LogEntry>>> RestStorage::read_entries(std::uint64_t, std::uint64_t, std::size_t) {
  co_return fail(ErrorCode::kNotSupported, "a drive's log belongs to its own node");
}
Task<Result<void>> RestStorage::apply(std::vector<LogEntry>) {
  co_return fail(ErrorCode::kNotSupported, "a drive's log belongs to its own node");
}
Task<Result<void>> RestStorage::set_configuration(std::string) {
  co_return fail(ErrorCode::kNotSupported, "a drive's log belongs to its own node");
}

Task<Result<std::optional<std::string>>> RestStorage::get_row(Family family, std::string key) {
  ByteWriter out = address();
  out.u8(static_cast<std::uint8_t>(family)).bytes(key);
  const Payload answer = co_await or_return(ask(Method::kGetRow, out.take(), {}, kPeerSmallCall));
  ByteReader in(answer.head.view());
  const bool found = in.boolean();
  std::string value(in.bytes());
  if (!in.ok()) co_return fail(ErrorCode::kMalformed, "a row from a peer does not parse");
  if (!found) co_return std::optional<std::string>();
  co_return std::optional<std::string>(std::move(value));
}

Task<Result<void>> RestStorage::stage_open(DataRef data, std::uint8_t shard, std::uint64_t expected_bytes) {
  ByteWriter out = address();
  encode_data_ref(out, data);
  out.u8(shard).varint(expected_bytes);
  co_return co_await tell(Method::kStageOpen, out.take(), {}, kPeerSmallCall);
}

Task<Result<void>> RestStorage::stage_append(DataId data, Buffer blocks, std::size_t block_bytes) {
  ByteWriter out = address();
  out.append(data.to_bytes()).varint(block_bytes);
  co_return co_await tell(Method::kStageAppend, out.take(), BufferChain(std::move(blocks)), kPeerDataCall);
}

Task<Result<void>> RestStorage::stage_finish(DataId data, std::uint64_t length) {
  ByteWriter out = address();
  out.append(data.to_bytes()).varint(length);
  co_return co_await tell(Method::kStageFinish, out.take(), {}, kPeerDataCall);
}

Task<Result<void>> RestStorage::stage_abort(DataId data) {
  ByteWriter out = address();
  out.append(data.to_bytes());
  co_return co_await tell(Method::kStageAbort, out.take(), {}, kPeerDataCall);
}

Task<Result<Buffer>> RestStorage::read_shard(DataRef data, std::uint32_t first_block, std::uint32_t count) {
  ByteWriter out = address();
  encode_data_ref(out, data);
  out.varint(first_block).varint(count);
  const Payload answer = co_await or_return(ask(Method::kReadShard, out.take(), {}, kPeerSmallCall));
  co_return answer.body.flatten();
}

Result<Buffer> RestStorage::try_read_shard(const DataRef&, std::uint32_t, std::uint32_t) {
  if (!caller_.reachable()) return fail(ErrorCode::kIo, "its node does not answer");
  return fail(ErrorCode::kWouldBlock);
}

Task<Result<void>> RestStorage::verify_shard(DataRef data) {
  ByteWriter out = address();
  encode_data_ref(out, data);
  co_return co_await tell(Method::kVerifyShard, out.take(), {}, kPeerSlowCall);
}

Task<Result<void>> RestStorage::restore_shard(DataRef data, std::uint8_t shard, std::uint64_t term,
                                              std::uint64_t at, BufferChain blocks) {
  ByteWriter out = address();
  encode_data_ref(out, data);
  out.u8(shard).varint(term).varint(at);
  co_return co_await tell(Method::kRestoreShard, out.take(), std::move(blocks), kPeerSlowCall);
}

Task<Result<Holdings>> RestStorage::holds(std::vector<DataId> data) {
  ByteWriter out = address();
  out.varint(data.size());
  for (const DataId& id : data) out.append(id.to_bytes());
  const Payload answer = co_await or_return(ask(Method::kHolds, out.take(), {}, kPeerSmallCall));
  ByteReader in(answer.head.view());
  Holdings holdings{.held = {}, .incarnation = in.u64()};
  for (std::size_t i = 0; i < data.size(); ++i) holdings.held.push_back(in.boolean());
  if (!in.ok() || !in.at_end()) co_return fail(ErrorCode::kMalformed, "a peer's answer does not parse");
  co_return holdings;
}

Task<Result<std::vector<DataId>>> RestStorage::staged() {
  const Payload answer = co_await or_return(ask(Method::kStaged, address().take(), {}, kPeerDataCall));
  ByteReader in(answer.head.view());
  std::vector<DataId> ids;
  while (in.ok() && !in.at_end()) ids.push_back(Uuid::from_bytes(in.raw(16)));
  if (!in.ok()) co_return fail(ErrorCode::kMalformed, "a peer's answer does not parse");
  co_return ids;
}

Task<Result<std::vector<DataRef>>> RestStorage::inventory(DataId after, std::size_t most) {
  ByteWriter out = address();
  out.append(after.to_bytes()).varint(most);
  const Payload answer = co_await or_return(ask(Method::kInventory, out.take(), {}, kPeerDataCall));
  ByteReader in(answer.head.view());
  std::vector<DataRef> held;
  while (in.ok() && !in.at_end()) held.push_back(decode_data_ref(in));
  if (!in.ok()) co_return fail(ErrorCode::kMalformed, "a peer's list of shards does not parse");
  co_return held;
}

// The drive stays with its node.
Task<Result<void>> RestStorage::close() { co_return Result<void>(); }

}  // namespace flashstor::storage
