#include "engine/files/plan_support.h"

#include <algorithm>
#include <map>

#include "engine/codec/checksum.h"
#include "engine/objects/row_codec.h"

namespace flashstor::files {

using objects::RowKind;
using objects::VersionRow;

Task<Result<std::optional<LiveFile>>> find_live(cluster::RowView& rows, const Uuid& bucket,
                                                std::string_view key) {
  auto found = co_await or_return(objects::find_newest(rows, bucket, key));
  if (!found) co_return std::nullopt;
  LiveFile live{std::move(*found), {}};
  live.row = co_await or_return(objects::decode_version(live.found.value));
  if (live.row.header.kind == RowKind::kDeleteMarker) co_return std::nullopt;
  live.row.id = live.found.id;
  co_return live;
}

Task<Result<LiveFile>> require_live(cluster::RowView& rows, const Uuid& bucket, std::string_view key,
                                    const InodeId& inode) {
  auto live = co_await or_return(find_live(rows, bucket, key));
  if (!live) co_return fail(ErrorCode::kNoSuchKey);
  if (!inode.is_nil() && inode_of(live->row) != inode) co_return fail(ErrorCode::kStaleHandle);
  const auto& attributes = live->row.attributes;
  if (attributes.legal_hold || attributes.retention.until_ns > base::to_nanoseconds(rows.now()))
    co_return fail(ErrorCode::kNotPermitted, "the object is under retention or legal hold");
  co_return std::move(*live);
}

Task<Result<bool>> has_children(cluster::RowView& rows, const Uuid& bucket, std::string_view prefix) {
  bool found = false;
  bool broken = false;
  std::string lower = objects::listing_start(bucket, prefix);
  std::string upper = objects::after_prefix(lower);
  co_await or_return(rows.scan(
      Family::kVersions, std::move(lower), std::move(upper),
      [&](std::string_view row_key, std::string_view value) -> cluster::ScanStep {
        using Step = cluster::ScanStep::Kind;
        const auto parsed = objects::parse_version_key(row_key);
        const auto header = objects::decode_version_header(value);
        broken = broken || !parsed || (!parsed->is_mapping && !header);
        if (broken) return {Step::kStop, {}};
        if (!parsed->is_mapping && parsed->key != prefix && header->kind != RowKind::kDeleteMarker) {
          found = true;
          return {Step::kStop, {}};
        }
        return {Step::kSeek, objects::after_key(bucket, parsed->key)};
      },
      [&] { found = false; }));
  if (broken) co_return fail(ErrorCode::kCorrupt, "a version row that does not parse");
  co_return found;
}

Task<Result<bool>> name_taken(cluster::RowView& rows, const Uuid& bucket, std::string_view key) {
  if (co_await or_return(find_live(rows, bucket, key))) co_return true;
  const std::string directory = std::string(key) + "/";
  if (co_await or_return(find_live(rows, bucket, directory))) co_return true;
  co_return co_await has_children(rows, bucket, directory);
}

Task<Result<std::vector<Slice>>> slices_of(cluster::RowView& rows, const VersionRow& row) {
  switch (row.header.layout) {
    case objects::Layout::kEmpty:
      co_return std::vector<Slice>{};
    case objects::Layout::kSlices:
      co_return row.slices;
    case objects::Layout::kSlicesRow: {
      const auto value = co_await or_return(rows.get(Family::kExtents, objects::slices_key(row.extent_root)));
      if (!value) co_return fail(ErrorCode::kCorrupt, "the list of slices is not there");
      auto list = co_await or_return(objects::decode_slices(*value));
      co_return std::move(list.slices);
    }
    case objects::Layout::kSegmented:
    case objects::Layout::kEmbedded:
      break;
  }
  co_return fail(ErrorCode::kNotSupported, "a layout that files do not write");
}

void set_slices(VersionRow& row, std::vector<Slice> slices) {
  row.header.size = bytes_of(slices);
  row.header.layout = slices.empty() ? objects::Layout::kEmpty : objects::Layout::kSlices;
  row.header.checksum_kind = objects::ChecksumKind::kNone;
  row.header.checksum_composite = false;
  row.checksum = {};
  row.parts.clear();
  row.parts_count = 0;
  row.extent_root = {};
  row.upload_id = {};
  // 32 digits and -N: no client takes it for an MD5 (protocol.md, Files).
  ByteWriter seen;
  objects::write_slices(seen, slices);
  const auto hash = codec::xxh3_128(std::as_bytes(std::span(seen.view())));
  row.header.etag =
      Uuid{hash.high, hash.low}.to_text() + "-" + std::to_string(std::max<std::size_t>(1, slices.size()));
  row.slices = std::move(slices);
}

namespace {

// Of data that another set keeps only the caller could take a reference.
std::map<DataId, Uuid> taken_for(const FileTarget& target, std::string_view key) {
  std::map<DataId, Uuid> referrers;
  for (const TakenReferences& taken : target.taken)
    if (taken.key == key)
      for (const DataId& id : taken.data) referrers.emplace(id, taken.referrer);
  return referrers;
}

}  // namespace

Task<Result<void>> share_slices(cluster::RowView& rows, const FileTarget& target, std::string_view key,
                                std::vector<Slice>& slices, std::vector<RowChange>& changes) {
  std::map<std::pair<DataId, Uuid>, Uuid> given;
  const std::map<DataId, Uuid> taken = taken_for(target, key);
  std::vector<Slice> foreign;
  for (Slice& slice : slices) {
    if (slice.data.place == DataPlace::kNone) continue;
    if (slice.data.set != target.set) {
      const auto one = taken.find(slice.data.id);
      if (one == taken.end()) co_return fail(ErrorCode::kNotSupported, std::string(kForeignData));
      slice.referrer = one->second;
      foreign.push_back(slice);
      continue;
    }
    auto [at, fresh] = given.try_emplace({slice.data.id, slice.referrer});
    if (fresh) {
      at->second = Uuid::make(rows.random());
      if (slice.referrer.is_nil()) changes.push_back(objects::reference_row(slice.data, {}));
      changes.push_back(objects::reference_row(slice.data, at->second));
    }
    slice.referrer = at->second;
  }
  co_return co_await objects::use_references(rows, foreign, changes);
}

Task<Result<void>> share_row(cluster::RowView& rows, const FileTarget& target, std::string_view key,
                             VersionRow& row, std::vector<RowChange>& changes) {
  std::vector<Slice> slices = co_await or_return(slices_of(rows, row));
  co_await or_return(share_slices(rows, target, key, slices, changes));
  const VersionRow was = std::move(row);
  row = was;
  set_slices(row, std::move(slices));
  row.header.etag = was.header.etag;
  row.header.checksum_kind = was.header.checksum_kind;
  row.header.checksum_composite = was.header.checksum_composite;
  row.checksum = was.checksum;
  row.parts = was.parts;
  row.parts_count = was.parts_count;
  co_return {};
}

Task<Result<void>> plan_vanish(cluster::RowView& rows, const FileTarget& target, const LiveFile& live,
                               bool keep_data, cluster::Plan& plan, FileOutcome& outcome) {
  if (target.versioning == objects::Versioning::kUnversioned) {
    objects::VersionOutcome gone;
    VersionRow row = live.row;
    if (keep_data) row.header.layout = objects::Layout::kEmpty;
    co_await or_return(objects::plan_remove_version(rows, target.bucket, target.key, live.found.id, row,
                                                    target.versioning, plan, gone));
    std::ranges::copy(gone.drops, std::back_inserter(outcome.drops));
    co_return {};
  }
  objects::NewVersion marker{.bucket = target.bucket, .key = target.key, .versioning = target.versioning};
  marker.row.header.kind = RowKind::kDeleteMarker;
  objects::VersionOutcome made;
  cluster::Plan hidden =
      co_await or_return(objects::plan_new_version(rows, std::move(marker), live.found, made));
  for (RowChange& change : hidden.changes) plan.changes.push_back(std::move(change));
  std::ranges::copy(made.drops, std::back_inserter(outcome.drops));
  co_return {};
}

Task<Result<bool>> plan_orphan(cluster::RowView& rows, const FileTarget& target, std::string_view key,
                               const VersionRow& row, cluster::Plan& plan, FileOutcome& outcome) {
  VersionRow kept = row;
  const bool takes_over = target.versioning == objects::Versioning::kUnversioned;
  if (!takes_over) co_await or_return(share_row(rows, target, key, kept, plan.changes));
  if (!kept.attributes.posix) kept.attributes.posix = posix_of(row, false, {});
  kept.attributes.posix->inode = inode_of(row);
  kept.attributes.posix->nlink = 0;
  kept.hides = {};
  kept.header.is_null = true;
  outcome.orphan = objects::encode_version(kept);
  plan.changes.push_back(
      {Family::kVersions,
       objects::version_key(orphans_of(target.bucket), kept.attributes.posix->inode.to_text(), kept.id),
       outcome.orphan});
  co_return takes_over;
}

Task<Result<std::vector<std::string>>> links_of(cluster::RowView& rows, const Uuid& bucket,
                                                const InodeId& inode) {
  const auto value = co_await or_return(rows.get(Family::kInodes, links_key(bucket, inode)));
  if (!value) co_return std::vector<std::string>{};
  co_return decode<std::vector<std::string>>(*value);
}

void set_links(const Uuid& bucket, const InodeId& inode, const std::vector<std::string>& names,
               cluster::Plan& plan) {
  RowChange change{Family::kInodes, links_key(bucket, inode), std::nullopt};
  if (names.size() > 1) change.value = encode(names);
  plan.changes.push_back(std::move(change));
}

cluster::Plan answered(cluster::Plan plan, FileOutcome outcome) {
  for (const RowChange& change : plan.changes)
    if (change.family == Family::kIntents && change.value == objects::kUsed)
      if (const auto referrer = objects::parse_referrer_key(change.key)) outcome.used.push_back(*referrer);
  plan.response = encode(outcome);
  plan.write = !plan.changes.empty();
  return plan;
}

void put_row(const Uuid& bucket, std::string_view key, const VersionRow& row, cluster::Plan& plan) {
  plan.changes.push_back(
      {Family::kVersions, objects::version_key(bucket, key, row.id), objects::encode_version(row)});
}

}  // namespace flashstor::files
