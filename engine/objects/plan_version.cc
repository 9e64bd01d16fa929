#include <algorithm>

#include "engine/objects/keys.h"
#include "engine/objects/row_codec.h"
#include "engine/objects/rows.h"

/// How a new version takes its place, and how one goes. The invariants:
/// - the newest row of a key is what the key shows; the first null row of a key is its null version, later
///   null rows are leftovers whose removal waits for a confirming record;
/// - the null version is the newest row or has a mapping row;
/// - a null version names in `hides` the null version that it replaced, so that whoever removes it removes
///   that one too and nothing old comes to light.
namespace flashstor::objects {
namespace {

void remove_row(std::vector<RowChange>& changes, const Uuid& bucket, std::string_view key,
                const VersionId& id) {
  changes.push_back({Family::kVersions, version_key(bucket, key, id), std::nullopt});
}

// The null version of the key, wherever it is.
Task<Result<std::optional<FoundVersion>>> find_null(cluster::RowView& rows, const NewVersion& version,
                                                    const std::optional<FoundVersion>& newest) {
  if (!newest) co_return std::nullopt;
  const auto header = co_await or_return(decode_version_header(newest->value));
  if (header.is_null) co_return newest;
  co_return co_await find_version(rows, version.bucket, version.key, kNullVersionId);
}

// Makes room for a new null version: the old one goes once the new one is sure.
Task<Result<void>> plan_replace_null(cluster::RowView& rows, NewVersion& version,
                                     const std::optional<FoundVersion>& newest, WallTime now,
                                     cluster::Plan& plan, VersionOutcome& outcome) {
  const auto old = co_await or_return(find_null(rows, version, newest));
  if (!old) co_return {};
  const VersionRow row = co_await or_return(decode_version(old->value));
  if (row.hides.is_set()) remove_row(plan.changes, version.bucket, version.key, row.hides);
  if (version.versioning != Versioning::kUnversioned) {
    std::string mapping = mapping_key(version.bucket, version.key, kNullVersionId);
    auto value = co_await or_return(rows.get(Family::kVersions, mapping));
    if (value) {
      if (version.has_data) plan.on_void.push_back({Family::kVersions, mapping, std::move(*value)});
      plan.changes.push_back({Family::kVersions, std::move(mapping), std::nullopt});
    }
  }
  auto& removals = version.has_data ? plan.on_confirm : plan.changes;
  remove_row(removals, version.bucket, version.key, old->id);
  if (version.has_data) version.row.hides = old->id;
  if (version.releases)
    co_return co_await release_slices(rows, *version.releases, now, removals, outcome.drops);
  co_return co_await release_data(rows, row, now, removals, outcome.drops);
}

}  // namespace

std::string VersionOutcome::shown_id() const {
  if (is_null) return std::string(kNullVersionId);
  return foreign_id.empty() ? id.to_text() : foreign_id;
}

std::string encode_outcome(const VersionOutcome& outcome) {
  ByteWriter out;
  write_id(out, outcome.id);
  out.boolean(outcome.is_null).boolean(outcome.is_delete_marker).boolean(outcome.existed);
  out.boolean(outcome.more);
  write_uuid(out, outcome.upload_id);
  out.bytes(outcome.foreign_id).bytes(outcome.etag).varint(outcome.size);
  out.u8(static_cast<std::uint8_t>(outcome.checksum.kind)).boolean(outcome.checksum.composite);
  out.bytes(outcome.checksum.value).varint(outcome.drops.size());
  for (const DroppedReference& drop : outcome.drops) {
    write_slice(out, {.data = drop.data, .offset = 0, .length = 0, .referrer = drop.referrer});
  }
  return out.take();
}

Result<VersionOutcome> decode_outcome(std::string_view bytes) {
  ByteReader in(bytes);
  VersionOutcome outcome;
  outcome.id = read_id(in);
  outcome.is_null = in.boolean();
  outcome.is_delete_marker = in.boolean();
  outcome.existed = in.boolean();
  outcome.more = in.boolean();
  outcome.upload_id = read_uuid(in);
  outcome.foreign_id = in.bytes();
  outcome.etag = in.bytes();
  outcome.size = in.varint();
  outcome.checksum.kind = static_cast<ChecksumKind>(in.u8());
  outcome.checksum.composite = in.boolean();
  outcome.checksum.value = in.bytes();
  const std::uint64_t drops = in.varint();
  for (std::uint64_t i = 0; i < drops && in.ok(); ++i) {
    const Slice slice = read_slice(in);
    outcome.drops.push_back({slice.data, slice.referrer});
  }
  if (!in.ok()) return fail(ErrorCode::kMalformed, "an answer of a set that does not parse");
  return outcome;
}

Task<Result<cluster::Plan>> plan_new_version(cluster::RowView& rows, NewVersion version,
                                             const std::optional<FoundVersion>& newest,
                                             VersionOutcome& outcome) {
  cluster::Plan plan;
  const WallTime now = rows.now();
  std::int64_t time_ns = base::to_nanoseconds(now);
  if (newest) time_ns = std::max(time_ns, newest->id.time_ns + 1);
  VersionRow& row = version.row;
  row.id = VersionId::make(base::from_nanoseconds(time_ns), rows.random());
  if (row.header.created_ns == 0) row.header.created_ns = time_ns;
  row.header.is_null = version.versioning != Versioning::kEnabled;
  if (row.header.is_null) {
    co_await or_return(plan_replace_null(rows, version, newest, now, plan, outcome));
  } else if (newest) {
    // The null version stops being the newest: from now on a mapping finds it.
    const auto header = co_await or_return(decode_version_header(newest->value));
    if (header.is_null)
      plan.changes.push_back({Family::kVersions, mapping_key(version.bucket, version.key, kNullVersionId),
                              version_suffix(newest->id)});
  }
  std::string key = version_key(version.bucket, version.key, row.id);
  if (version.has_data) {
    plan.on_void.push_back({Family::kVersions, key, std::nullopt});
    for (const RowChange& change : version.beside)
      plan.on_void.push_back({change.family, change.key, std::nullopt});
  }
  plan.changes.push_back({Family::kVersions, std::move(key), encode_version(row)});
  for (RowChange& change : version.beside) plan.changes.push_back(std::move(change));
  auto& later = version.has_data ? plan.on_confirm : plan.changes;
  for (RowChange& change : version.on_confirm) later.push_back(std::move(change));
  outcome.id = row.id;
  outcome.is_null = row.header.is_null;
  outcome.is_delete_marker = row.header.kind == RowKind::kDeleteMarker;
  co_return plan;
}

Task<Result<void>> plan_remove_version(cluster::RowView& rows, const Uuid& bucket, std::string_view key,
                                       const VersionId& id, const VersionRow& row, Versioning versioning,
                                       cluster::Plan& plan, VersionOutcome& outcome) {
  remove_row(plan.changes, bucket, key, id);
  if (row.hides.is_set()) remove_row(plan.changes, bucket, key, row.hides);
  // In a bucket that never had versions the null version never was another than the newest.
  const bool may_be_mapped = row.header.is_null && versioning != Versioning::kUnversioned;
  if (may_be_mapped || !row.foreign_id.empty())
    plan.changes.push_back({Family::kVersions, mapping_key(bucket, key, row.shown_id()), std::nullopt});
  outcome.id = id;
  outcome.is_null = row.header.is_null;
  outcome.foreign_id = row.foreign_id;
  outcome.is_delete_marker = row.header.kind == RowKind::kDeleteMarker;
  co_return co_await release_data(rows, row, rows.now(), plan.changes, outcome.drops);
}

}  // namespace flashstor::objects
