#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/buffer.h"
#include "engine/base/codec.h"
#include "engine/base/uuid.h"
#include "engine/codec/geometry.h"
#include "engine/storage/row_store.h"

namespace flashstor::storage {

/// Names one slice's data in its set for ever; never reused.
using DataId = Uuid;

/// Where the shards of a slice lie on each drive.
enum class DataPlace : std::uint8_t {
  kNone = 0,
  kLog = 1,   ///< A data record in the drive's log (small and mid-size).
  kFile = 2,  ///< A shard file of its own (large).
};

/// All that a reader needs to find and check a slice's bytes; part of version rows and slices.
struct DataRef {
  DataId id;
  std::uint32_t set = 0;  ///< Index of the set that stores it.
  Geometry geometry;
  DataPlace place = DataPlace::kNone;
  std::uint64_t length = 0;  ///< Object bytes in the slice.
  bool operator==(const DataRef&) const = default;
};

/// What one committed position of a set's log does to each drive's index. It carries whole rows, never
/// deltas, so that applying it reads nothing and may be repeated; the same on every member. Object data is
/// not in it. `Change`: a RowChange, or a view of one.
template <class Change>
struct EntryOf {
  Uuid request_id;
  std::vector<Change> changes;  ///< Applied when the entry is applied.
  DataRef data;                 ///< The data that this entry's version needs; place kNone when there is none.
  std::vector<Change>
      on_confirm;  ///< Applied when a later entry confirms this one (what it replaces goes then).
  std::vector<Change> on_void;  ///< Applied when a later entry voids this one (uncovers what was there).
  std::vector<std::uint64_t> confirms;  ///< Earlier entries whose data W drives hold.
  std::vector<std::uint64_t> voids;     ///< Earlier entries whose data fewer than k drives can ever hold.
  std::vector<DataId> frees;            ///< Data that nobody refers to any more: each drive drops its shard.
  /// Slots that may lack the data of this entry's version, and with `excused_from` of all versions from that
  /// index up to this entry, when those are first shown or acknowledged: every other slot holds it then.
  std::uint32_t excused = 0;
  std::uint64_t excused_from = 0;
  /// By slot, the incarnations of the drives that the leader knows (0: not); empty but for entries that tell.
  std::vector<std::uint64_t> incarnations;
};

using EntryBody = EntryOf<RowChange>;
/// An entry whose keys and values are those of the bytes that it was decoded from.
using EntryView = EntryOf<RowChangeView>;

/// `EntryBody::excused` of one who does not know.
inline constexpr std::uint32_t kAllExcused = UINT32_MAX;

[[nodiscard]] std::string encode_entry(const EntryBody& entry);
/// The data that an entry brings, without the rest of it; none of one that does not parse.
[[nodiscard]] DataRef data_of_entry(std::string_view bytes);
/// The same as a log entry's payload.
[[nodiscard]] Buffer entry_payload(const EntryBody& entry);
/// Errors: kMalformed.
[[nodiscard]] Result<EntryBody> decode_entry(std::string_view bytes);
/// The same, good for as long as `bytes` stay. Errors: kMalformed.
[[nodiscard]] Result<EntryView> view_entry(std::string_view bytes);

/// Appends a DataRef to, and reads it from, a row.
void encode_data_ref(base::ByteWriter& out, const DataRef& data);
[[nodiscard]] DataRef decode_data_ref(base::ByteReader& in);

}  // namespace flashstor::storage

namespace flashstor {
using storage::DataId;
using storage::DataPlace;
using storage::DataRef;
using storage::Family;
using storage::RowChange;
}  // namespace flashstor
