#include "engine/storage/entry.h"

#include <algorithm>
#include <utility>

namespace flashstor::storage {
namespace {

constexpr std::uint8_t kEntryFormat = 2;
constexpr std::uint8_t kFormatBeforeExcuses = 1;

void encode_changes(base::ByteWriter& out, const std::vector<RowChange>& changes) {
  out.varint(changes.size());
  for (const RowChange& change : changes) {
    out.u8(static_cast<std::uint8_t>(change.family)).bytes(change.key).boolean(change.value.has_value());
    if (change.value) out.bytes(*change.value);
  }
}

template <class Change>
std::vector<Change> decode_changes(base::ByteReader& in) {
  constexpr std::uint64_t kLeastBytes = 3;  // of a change: family, an empty key, whether there is a value
  using Bytes = decltype(Change::key);
  std::vector<Change> changes;
  const std::uint64_t count = in.varint();
  changes.reserve(std::min<std::uint64_t>(count, in.rest().size() / kLeastBytes));
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    Change change;
    const std::uint8_t family = in.u8();
    // Local families change only on their own drive: an entry that names one is from no healthy leader.
    if (family < kFamilies && !is_local(static_cast<Family>(family))) {
      change.family = static_cast<Family>(family);
    } else {
      in.mark_bad();
    }
    change.key = in.bytes();
    const std::uint8_t has_value = in.u8();
    if (has_value > 1) in.mark_bad();
    if (has_value == 1) change.value = Bytes(in.bytes());
    if (in.ok()) changes.push_back(std::move(change));
  }
  return changes;
}

void encode_id(base::ByteWriter& out, const Uuid& id) { out.u64(id.high).u64(id.low); }
Uuid decode_id(base::ByteReader& in) {
  Uuid id;
  id.high = in.u64();
  id.low = in.u64();
  return id;
}

std::vector<std::uint64_t> decode_indexes(base::ByteReader& in) {
  std::vector<std::uint64_t> indexes;
  const std::uint64_t count = in.varint();
  indexes.reserve(std::min<std::uint64_t>(count, in.rest().size()));
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) indexes.push_back(in.varint());
  return indexes;
}

void encode(base::ByteWriter& out, const EntryBody& entry) {
  out.u8(kEntryFormat);
  encode_id(out, entry.request_id);
  encode_changes(out, entry.changes);
  encode_data_ref(out, entry.data);
  encode_changes(out, entry.on_confirm);
  encode_changes(out, entry.on_void);
  out.varint(entry.confirms.size());
  for (const std::uint64_t index : entry.confirms) out.varint(index);
  out.varint(entry.voids.size());
  for (const std::uint64_t index : entry.voids) out.varint(index);
  out.varint(entry.frees.size());
  for (const DataId& id : entry.frees) encode_id(out, id);
  out.varint(entry.excused).varint(entry.excused_from).varint(entry.incarnations.size());
  for (const std::uint64_t incarnation : entry.incarnations) out.u64(incarnation);
}

template <class Change>
Result<EntryOf<Change>> decode(std::string_view bytes) {
  base::ByteReader in(bytes);
  const std::uint8_t format = in.u8();
  if (format != kEntryFormat && format != kFormatBeforeExcuses)
    return fail(ErrorCode::kMalformed, "log entry of an unknown format");
  EntryOf<Change> entry;
  entry.request_id = decode_id(in);
  entry.changes = decode_changes<Change>(in);
  entry.data = decode_data_ref(in);
  entry.on_confirm = decode_changes<Change>(in);
  entry.on_void = decode_changes<Change>(in);
  entry.confirms = decode_indexes(in);
  entry.voids = decode_indexes(in);
  const std::uint64_t frees = in.varint();
  for (std::uint64_t i = 0; i < frees && in.ok(); ++i) entry.frees.push_back(decode_id(in));
  const std::uint64_t excused = format == kFormatBeforeExcuses ? kAllExcused : in.varint();
  if (excused > kAllExcused) in.mark_bad();
  entry.excused = static_cast<std::uint32_t>(excused);
  if (format != kFormatBeforeExcuses) {
    entry.excused_from = in.varint();
    const std::uint64_t slots = in.varint();
    if (slots > limits::kMaxDrivesPerSet) in.mark_bad();
    for (std::uint64_t i = 0; i < slots && in.ok(); ++i) entry.incarnations.push_back(in.u64());
  }
  if (!in.ok() || !in.at_end()) return fail(ErrorCode::kMalformed, "log entry does not parse");
  return entry;
}

}  // namespace

void encode_data_ref(base::ByteWriter& out, const DataRef& data) {
  out.u8(static_cast<std::uint8_t>(data.place));
  if (data.place == DataPlace::kNone) return;
  encode_id(out, data.id);
  out.varint(data.set).u8(data.geometry.data_shards).u8(data.geometry.parity_shards).varint(data.length);
}

DataRef decode_data_ref(base::ByteReader& in) {
  DataRef data;
  const std::uint8_t place = in.u8();
  if (place > static_cast<std::uint8_t>(DataPlace::kFile)) in.mark_bad();
  if (!in.ok() || place == static_cast<std::uint8_t>(DataPlace::kNone)) return {};
  data.place = static_cast<DataPlace>(place);
  data.id = decode_id(in);
  const std::uint64_t set = in.varint();
  if (set > UINT32_MAX) in.mark_bad();
  data.set = static_cast<std::uint32_t>(set);
  data.geometry.data_shards = in.u8();
  data.geometry.parity_shards = in.u8();
  data.length = in.varint();
  if (data.geometry.data_shards == 0 || data.geometry.shards() > limits::kMaxDrivesPerSet) in.mark_bad();
  if (data.length > limits::kMaxObjectBytes) in.mark_bad();
  return data;
}

std::string encode_entry(const EntryBody& entry) {
  base::ByteWriter out;
  encode(out, entry);
  return out.take();
}

DataRef data_of_entry(std::string_view bytes) {
  base::ByteReader in(bytes);
  in.u8();
  decode_id(in);
  const std::uint64_t changes = in.varint();
  for (std::uint64_t i = 0; i < changes && in.ok(); ++i) {
    in.u8();
    in.bytes();
    if (in.u8() == 1) in.bytes();
  }
  const DataRef data = decode_data_ref(in);
  return in.ok() ? data : DataRef{};
}

Buffer entry_payload(const EntryBody& entry) {
  base::ByteWriter out;
  encode(out, entry);
  return Buffer::copy_of(out.view());
}

Result<EntryBody> decode_entry(std::string_view bytes) { return decode<RowChange>(bytes); }

Result<EntryView> view_entry(std::string_view bytes) { return decode<RowChangeView>(bytes); }

}  // namespace flashstor::storage
