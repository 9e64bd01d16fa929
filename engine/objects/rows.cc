#include "engine/objects/rows.h"

#include <algorithm>

#include "engine/objects/keys.h"
#include "engine/objects/limits.h"
#include "engine/objects/row_codec.h"

namespace flashstor::objects {
namespace {

cluster::ScanStep stop() { return {.kind = cluster::ScanStep::Kind::kStop, .seek_to = {}}; }

// The version that the mapping row of `version_id` points at.
Task<Result<std::optional<FoundVersion>>> find_mapped(cluster::RowView& rows, const Uuid& bucket,
                                                      std::string_view key, std::string_view version_id) {
  const auto mapped = co_await or_return(rows.get(Family::kVersions, mapping_key(bucket, key, version_id)));
  if (!mapped) co_return std::nullopt;
  const auto id = parse_version_suffix(*mapped);
  if (!id) co_return fail(ErrorCode::kCorrupt, "a version mapping that does not parse");
  auto value = co_await or_return(rows.get(Family::kVersions, version_key(bucket, key, *id)));
  if (!value) co_return std::nullopt;
  co_return FoundVersion{.id = *id, .is_latest = false, .value = std::move(*value)};
}

}  // namespace

Task<Result<std::optional<FoundVersion>>> find_newest(cluster::RowView& rows, const Uuid& bucket,
                                                      std::string_view key) {
  struct State {
    std::size_t prefix_bytes = 0;
    bool found = false;
    bool broken = false;
    FoundVersion version;
  } state;
  std::string lower = versions_prefix(bucket, key);
  std::string upper = after_prefix(lower);
  state.prefix_bytes = lower.size();
  co_await or_return(rows.scan(
      Family::kVersions, std::move(lower), std::move(upper),
      [&state](std::string_view row_key, std::string_view value) {
        const auto id = parse_version_suffix(row_key.substr(state.prefix_bytes));
        state.broken = !id.has_value();
        state.found = true;
        state.version.id = id.value_or(VersionId{});
        state.version.value = value;
        return stop();
      },
      [&state] { state.found = false; }));
  if (!state.found) co_return std::nullopt;
  if (state.broken) co_return fail(ErrorCode::kCorrupt, "a version key that does not parse");
  co_return std::move(state.version);
}

Task<Result<std::optional<FoundVersion>>> find_version(cluster::RowView& rows, const Uuid& bucket,
                                                       std::string_view key, std::string_view version_id) {
  auto newest = co_await or_return(find_newest(rows, bucket, key));
  if (!newest || version_id.empty()) co_return newest;
  if (version_id == kNullVersionId) {
    const auto header = co_await or_return(decode_version_header(newest->value));
    if (header.is_null) co_return newest;
    co_return co_await find_mapped(rows, bucket, key, version_id);
  }
  const auto id = VersionId::from_text(version_id);
  if (!id) co_return co_await find_mapped(rows, bucket, key, version_id);
  if (newest->id != *id) {
    auto value = co_await or_return(rows.get(Family::kVersions, version_key(bucket, key, *id)));
    if (!value) co_return co_await find_mapped(rows, bucket, key, version_id);
    newest = FoundVersion{.id = *id, .is_latest = false, .value = std::move(*value)};
  }
  // The null version has digits inside, but they are not its name.
  const auto header = co_await or_return(decode_version_header(newest->value));
  if (header.is_null) co_return std::nullopt;
  co_return newest;
}

std::string encode_gate(const Gate& gate) {
  ByteWriter out;
  out.u8(1).u64(gate.epoch);
  write_uuid(out, gate.frozen);
  out.u64(static_cast<std::uint64_t>(gate.frozen_ns));
  return seal(std::move(out));
}

Result<Gate> decode_gate(std::string_view bytes) {
  const auto body = unseal(bytes);
  if (!body) return fail(ErrorCode::kCorrupt, "a bucket's gate row does not match its checksum");
  ByteReader in(*body);
  Gate gate;
  if (in.u8() != 1) in.mark_bad();
  gate.epoch = in.u64();
  gate.frozen = read_uuid(in);
  gate.frozen_ns = static_cast<std::int64_t>(in.u64());
  if (!in.ok()) return fail(ErrorCode::kMalformed, "a bucket's gate row that does not parse");
  return gate;
}

Task<Result<void>> check_gate(cluster::RowView& rows, const Uuid& bucket, std::uint64_t epoch) {
  const auto value = co_await or_return(rows.get(Family::kIntents, gate_key(bucket)));
  if (!value) co_return {};
  const Gate gate = co_await or_return(decode_gate(*value));
  if (!gate.frozen.is_nil()) {
    const auto age = Nanoseconds(base::to_nanoseconds(rows.now()) - gate.frozen_ns);
    // For ObjectStore, which undoes a deletion that never ended.
    co_return fail(ErrorCode::kConflict,
                   gate.frozen.to_text() + (age > limits::kBucketFreeze ? " expired" : " fresh"));
  }
  if (epoch < gate.epoch) co_return fail(ErrorCode::kStale, "the bucket changed");
  co_return {};
}

Task<Result<void>> release_slices(cluster::RowView& rows, const std::vector<Slice>& slices, WallTime now,
                                  std::vector<RowChange>& changes, std::vector<DroppedReference>& drops) {
  std::vector<std::pair<DataId, Uuid>> seen;  // slices of one data id lie together
  for (const Slice& slice : slices) {
    if (slice.data.place == DataPlace::kNone) continue;
    const std::pair<DataId, Uuid> use{slice.data.id, slice.referrer};
    if (!seen.empty() && seen.back() == use) continue;
    seen.push_back(use);
  }
  std::ranges::sort(seen);
  seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
  for (const Slice& slice : slices) {
    const std::pair<DataId, Uuid> use{slice.data.id, slice.referrer};
    const auto at = std::ranges::lower_bound(seen, use);
    if (at == seen.end() || *at != use) continue;
    seen.erase(at);
    bool shared = !slice.referrer.is_nil();
    if (!shared) {
      const auto own = co_await or_return(rows.get(Family::kRefs, reference_key(slice.data.id, {})));
      shared = own.has_value();
    }
    if (!shared) {
      changes.push_back(cluster::free_later(slice.data, now));
      continue;
    }
    changes.push_back({Family::kIntents, drop_intent_key(slice.data.set, slice.data.id, slice.referrer), ""});
    drops.push_back({slice.data, slice.referrer});
  }
  co_return {};
}

Task<Result<void>> release_data(cluster::RowView& rows, const VersionRow& row, WallTime now,
                                std::vector<RowChange>& changes, std::vector<DroppedReference>& drops) {
  switch (row.header.layout) {
    case Layout::kEmpty:
    case Layout::kEmbedded:
      co_return {};
    case Layout::kSlices:
      co_return co_await release_slices(rows, row.slices, now, changes, drops);
    case Layout::kSlicesRow: {
      std::string key = slices_key(row.extent_root);
      const auto value = co_await or_return(rows.get(Family::kExtents, key));
      if (!value) co_return {};
      const SlicesRow list = co_await or_return(decode_slices(*value));
      changes.push_back({Family::kExtents, std::move(key), std::nullopt});
      co_return co_await release_slices(rows, list.slices, now, changes, drops);
    }
    case Layout::kSegmented:
      break;
  }
  std::vector<Slice> slices;
  std::vector<std::string> keys;
  bool broken = false;
  std::string lower = row.extent_root.to_bytes();
  std::string upper = after_prefix(lower);
  co_await or_return(rows.scan(
      Family::kExtents, std::move(lower), std::move(upper),
      [&](std::string_view key, std::string_view value) {
        auto segment = decode_segment(value);
        broken = broken || !segment;
        keys.emplace_back(key);
        if (segment)
          for (const SegmentSlice& each : *segment) slices.push_back(each.slice);
        return cluster::ScanStep{};
      },
      [&] {
        slices.clear();
        keys.clear();
      }));
  if (broken) co_return fail(ErrorCode::kCorrupt, "a segment row that does not parse");
  for (std::string& key : keys) changes.push_back({Family::kExtents, std::move(key), std::nullopt});
  co_return co_await release_slices(rows, slices, now, changes, drops);
}

std::vector<cluster::LockName> write_locks(const Uuid& bucket, std::string_view key) {
  return {{cluster::lock_name(Family::kVersions, key_prefix(bucket, key)), true},
          {cluster::lock_name(Family::kIntents, gate_key(bucket)), false}};
}

}  // namespace flashstor::objects
