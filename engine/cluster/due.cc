#include "engine/cluster/due.h"

#include <algorithm>
#include <bit>

#include "engine/base/codec.h"
#include "engine/base/limits.h"

namespace flashstor::cluster {
namespace {

std::uint64_t milliseconds_of(WallTime time) {
  return static_cast<std::uint64_t>(base::to_nanoseconds(time) / 1'000'000);
}

}  // namespace

std::string due_key(WallTime at, const Uuid& id) {
  std::string key;
  base::append_big_endian(key, milliseconds_of(at));
  return key.append(id.to_bytes());
}

std::string due_bound(WallTime now) {
  std::string key;
  base::append_big_endian(key, milliseconds_of(now) + 1);
  return key;
}

RowChange free_later(const DataRef& data, WallTime now) {
  ByteWriter value;
  value.u8(static_cast<std::uint8_t>(DueKind::kFreeData));
  storage::encode_data_ref(value, data);
  return {.family = Family::kDue,
          .key = due_key(now + flashstor::limits::kDataGrace, data.id),
          .value = value.take()};
}

Result<Due> decode_due(std::string_view value) {
  ByteReader in(value);
  Due due;
  const std::uint8_t kind = in.u8();
  if (kind == static_cast<std::uint8_t>(DueKind::kFreeData)) {
    due.data = storage::decode_data_ref(in);
  } else if (kind == static_cast<std::uint8_t>(DueKind::kForgetResult)) {
    due.kind = DueKind::kForgetResult;
    due.request_id = Uuid::from_bytes(in.raw(16));
  } else {
    in.mark_bad();
  }
  if (!in.ok()) return fail(ErrorCode::kMalformed, "a due row does not parse");
  return due;
}

void keep_result(std::vector<RowChange>& changes, const Uuid& request_id, std::string_view response,
                 WallTime now) {
  changes.push_back(
      {.family = Family::kResults, .key = request_id.to_bytes(), .value = std::string(response)});
  ByteWriter due;
  due.u8(static_cast<std::uint8_t>(DueKind::kForgetResult)).append(request_id.to_bytes());
  changes.push_back({.family = Family::kDue,
                     .key = due_key(now + flashstor::limits::kResultKeep, request_id),
                     .value = due.take()});
}

std::string decode_kept_result(std::string_view value) { return std::string(value); }

std::string heal_key(const HealItem& item) {
  const int spare = std::max(item.data.geometry.parity_shards - std::popcount(item.slots), 0);
  ByteWriter key;
  key.u8(static_cast<std::uint8_t>(spare)).append(item.data.id.to_bytes()).u32(item.slots);
  return key.take();
}

HealItem owed_scan(std::uint32_t slot) { return {.data = {}, .slots = std::uint32_t{1} << slot}; }

bool is_owed_scan(const HealItem& item) { return item.data.place == DataPlace::kNone; }

RowChange heal_row(const HealItem& item) {
  ByteWriter value;
  value.u32(item.slots);
  storage::encode_data_ref(value, item.data);
  return {.family = Family::kHeal, .key = heal_key(item), .value = value.take()};
}

Result<HealItem> decode_heal(std::string_view value) {
  ByteReader in(value);
  HealItem item;
  item.slots = in.u32();
  item.data = storage::decode_data_ref(in);
  if (!in.ok()) return fail(ErrorCode::kMalformed, "a row of the heal queue does not parse");
  return item;
}

}  // namespace flashstor::cluster
