#include "engine/storage/local_rows.h"

#include "engine/base/codec.h"

namespace flashstor::storage {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr const char* kApplied = "applied";
constexpr const char* kCheckpoint = "checkpoint";
constexpr std::string_view kLive = "live/";

void seal(ByteWriter& out) { out.u32(codec::crc32c(0, std::as_bytes(std::span(out.view())))); }

Result<ByteReader> unseal(std::string_view value, const char* name) {
  if (value.size() >= 5) {
    const std::string_view body = value.substr(0, value.size() - 4);
    ByteReader tail(value.substr(value.size() - 4));
    ByteReader in(body);
    if (tail.u32() == codec::crc32c(0, std::as_bytes(std::span(body))) && in.u8() == kVersion) return in;
  }
  return fail(ErrorCode::kCorrupt, std::string("the index's row \"") + name + "\" is damaged");
}

Result<AppliedState> decode_applied(std::string_view value) {
  auto in = unseal(value, kApplied);
  if (!in) return std::unexpected(in.error());
  AppliedState state;
  state.index = in->varint();
  state.term = in->varint();
  state.oldest_undecided = in->varint();
  if (!in->ok()) return fail(ErrorCode::kCorrupt, "the index's row \"applied\" does not parse");
  return state;
}

Result<CheckpointState> decode_checkpoint(std::string_view value) {
  auto in = unseal(value, kCheckpoint);
  if (!in) return std::unexpected(in.error());
  CheckpointState state;
  if (in->boolean()) {
    BatchPosition at;
    at.segment = static_cast<std::uint32_t>(in->varint());
    at.offset = static_cast<std::uint32_t>(in->varint());
    at.sequence = in->varint();
    state.replay_from = at;
  }
  state.first_index = in->varint();
  state.previous_term = in->varint();
  state.hard_state.term = in->varint();
  state.hard_state.vote = in->varint();
  state.configuration = in->bytes();
  const std::uint64_t refusals = in->varint();
  for (std::uint64_t i = 0; i < refusals && in->ok(); ++i)
    state.refusals.push_back(Uuid::from_bytes(in->raw(16)));
  const std::uint64_t unsettled = in->varint();
  for (std::uint64_t i = 0; i < unsettled && in->ok(); ++i) {
    const Uuid id = Uuid::from_bytes(in->raw(16));
    auto data = decode_data_position(in->bytes(), id);
    if (!data) return std::unexpected(data.error());
    state.unsettled.push_back(std::move(*data));
  }
  const std::uint64_t segments = in->varint();
  for (std::uint64_t i = 0; i < segments && in->ok(); ++i)
    state.segments.push_back(static_cast<std::uint32_t>(in->varint()));
  state.next_segment = static_cast<std::uint32_t>(in->varint());
  if (!in->at_end()) {  // rows of before have none
    BatchPosition at;
    at.segment = static_cast<std::uint32_t>(in->varint());
    at.offset = static_cast<std::uint32_t>(in->varint());
    state.placed_through = at;
    const auto previous = in->at_end() ? 0U : static_cast<std::uint32_t>(in->varint());
    if (state.replay_from) state.replay_from->previous = previous;
  }
  if (!in->ok()) return fail(ErrorCode::kCorrupt, "the index's row \"checkpoint\" does not parse");
  return state;
}

}  // namespace

RowChange applied_row(const AppliedState& state) {
  ByteWriter out;
  out.u8(kVersion).varint(state.index).varint(state.term).varint(state.oldest_undecided);
  seal(out);
  return {Family::kLocal, kApplied, out.take()};
}

RowChange checkpoint_row(const CheckpointState& state) {
  ByteWriter out;
  out.u8(kVersion).boolean(state.replay_from.has_value());
  if (state.replay_from)
    out.varint(state.replay_from->segment)
        .varint(state.replay_from->offset)
        .varint(state.replay_from->sequence);
  out.varint(state.first_index).varint(state.previous_term);
  out.varint(state.hard_state.term).varint(state.hard_state.vote).bytes(state.configuration);
  out.varint(state.refusals.size());
  for (const DataId& id : state.refusals) out.append(id.to_bytes());
  out.varint(state.unsettled.size());
  for (const DataPosition& data : state.unsettled)
    out.append(data.ref.id.to_bytes()).bytes(encode_data_position(data));
  out.varint(state.segments.size());
  for (const std::uint32_t segment : state.segments) out.varint(segment);
  out.varint(state.next_segment);
  if (state.placed_through)
    out.varint(state.placed_through->segment)
        .varint(state.placed_through->offset)
        .varint(state.replay_from ? state.replay_from->previous : 0);
  seal(out);
  return {Family::kLocal, kCheckpoint, out.take()};
}

RowChange live_row(std::uint32_t segment, std::int64_t bytes) {
  std::string key(kLive);
  base::append_big_endian(key, segment);
  if (bytes == 0) return {Family::kLocal, std::move(key), std::nullopt};
  return {Family::kLocal, std::move(key), ByteWriter().svarint(bytes).take()};
}

RowChange inline_row(const DataPosition& data) {
  return {Family::kInline, data.ref.id.to_bytes(), encode_data_position(data)};
}
RowChange inline_row_gone(const DataId& id) { return {Family::kInline, id.to_bytes(), std::nullopt}; }

Result<LocalState> load_local_state(RowStore& rows) {
  LocalState state;
  auto applied = rows.get(Family::kLocal, kApplied, ReadTier::kAny);
  if (!applied) return std::unexpected(applied.error());
  if (*applied) {
    auto decoded = decode_applied(**applied);
    if (!decoded) return std::unexpected(decoded.error());
    state.applied = *decoded;
  }
  auto checkpoint = rows.get(Family::kLocal, kCheckpoint, ReadTier::kAny);
  if (!checkpoint) return std::unexpected(checkpoint.error());
  if (*checkpoint) {
    auto decoded = decode_checkpoint(**checkpoint);
    if (!decoded) return std::unexpected(decoded.error());
    state.checkpoint = std::move(*decoded);
  }
  auto live = rows.iterate(Family::kLocal, kLive, "live0", ReadTier::kAny);
  for (; live->valid(); live->next()) {
    if (live->key().size() != kLive.size() + 8)
      return fail(ErrorCode::kCorrupt, "a live row's key is damaged");
    ByteReader in(live->value());
    state.live[static_cast<std::uint32_t>(base::read_big_endian(live->key().substr(kLive.size())))] =
        in.svarint();
  }
  if (auto status = live->status(); !status) return std::unexpected(status.error());
  return state;
}

}  // namespace flashstor::storage
