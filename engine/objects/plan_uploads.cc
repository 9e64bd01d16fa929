#include <algorithm>
#include <unordered_set>

#include "engine/objects/keys.h"
#include "engine/objects/limits.h"
#include "engine/objects/payloads.h"
#include "engine/objects/planners.h"
#include "engine/objects/rows.h"
#include "engine/objects/upload_rows.h"

namespace flashstor::objects {
namespace {

std::unexpected<Error> no_such_upload() {
  return fail(ErrorCode::kNoSuchUpload, "The specified multipart upload does not exist.");
}

// Uploads of this key that were completed long ago have nothing to say any more.
Task<Result<void>> drop_old_uploads(cluster::RowView& rows, const Target& target, WallTime now,
                                    std::vector<RowChange>& changes) {
  const std::int64_t oldest = base::to_nanoseconds(now - Nanoseconds(limits::kCompletedUploadKeep));
  std::vector<std::string> old;
  std::string lower = versions_prefix(target.bucket, target.key);
  std::string upper = after_prefix(lower);
  co_await or_return(rows.scan(
      Family::kUploads, std::move(lower), std::move(upper),
      [&](std::string_view key, std::string_view value) -> cluster::ScanStep {
        const auto row = decode_upload(value);
        const bool ended = row && row->state == UploadState::kCompleted && row->used.empty();
        if (ended && row->ended_ns < oldest) old.emplace_back(key);
        if (old.size() >= limits::kMaxPartsASweep) return {.kind = cluster::ScanStep::Kind::kStop};
        // Uploads still open have parts behind them.
        return {.kind = cluster::ScanStep::Kind::kSeek, .seek_to = after_prefix(key)};
      },
      [&old] { old.clear(); }));
  for (std::string& key : old) changes.push_back({Family::kUploads, std::move(key), std::nullopt});
  co_return {};
}

cluster::Plan answered(cluster::Plan plan, const VersionOutcome& outcome) {
  plan.response = encode_outcome(outcome);
  plan.write = !plan.changes.empty();
  return plan;
}

}  // namespace

PlanTask plan_create_upload(cluster::RowView& rows, const cluster::Command& command) {
  auto in = co_await or_return(decode<CreateUploadPayload>(command.payload));
  co_await or_return(check_gate(rows, in.target.bucket, in.target.epoch));
  cluster::Plan plan;
  const WallTime now = rows.now();
  co_await or_return(drop_old_uploads(rows, in.target, now, plan.changes));
  UploadRow row{.object = std::move(in.row)};
  row.object.header.created_ns = base::to_nanoseconds(now);
  // The time in front: uploads of a key are listed in the order in which they were begun.
  VersionOutcome outcome;
  outcome.upload_id = {static_cast<std::uint64_t>(base::to_nanoseconds(now)), rows.random().next() | 1};
  plan.changes.push_back(
      {Family::kUploads, upload_key(in.target.bucket, in.target.key, outcome.upload_id), encode_upload(row)});
  outcome.id.time_ns = row.object.header.created_ns;
  co_return answered(std::move(plan), outcome);
}

PlanTask plan_put_part(cluster::RowView& rows, const cluster::Command& command) {
  auto in = co_await or_return(decode<PutPartPayload>(command.payload));
  const Target& target = in.target;
  co_await or_return(check_gate(rows, target.bucket, target.epoch));
  const UploadRow upload = co_await or_return(find_upload(rows, target.bucket, target.key, in.upload));
  if (upload.state != UploadState::kOpen) co_return no_such_upload();
  std::string key = part_key(target.bucket, target.key, in.upload, in.part.number);
  auto before = co_await or_return(rows.get(Family::kUploads, key));
  const WallTime now = rows.now();
  cluster::Plan plan;
  VersionOutcome outcome;
  outcome.id.time_ns = base::to_nanoseconds(now);
  if (before) {
    const PartRow old = co_await or_return(decode_part(*before));
    auto& removals = in.has_data ? plan.on_confirm : plan.changes;
    co_await or_return(release_slices(rows, old.slices, now, removals, outcome.drops));
  }
  co_await or_return(use_references(rows, in.slices, plan.changes));
  const PartRow row{
      .part = std::move(in.part), .slices = std::move(in.slices), .created_ns = base::to_nanoseconds(now)};
  plan.changes.push_back({Family::kUploads, key, encode_part(row)});
  if (in.has_data) plan.on_void.push_back({Family::kUploads, std::move(key), std::move(before)});
  co_return answered(std::move(plan), outcome);
}

PlanTask plan_abort_upload(cluster::RowView& rows, const cluster::Command& command) {
  using Mode = AbortUploadPayload::Mode;
  const auto in = co_await or_return(decode<AbortUploadPayload>(command.payload));
  const Target& target = in.target;
  UploadRow upload = co_await or_return(find_upload(rows, target.bucket, target.key, in.upload));
  if (in.mode == Mode::kAbort && upload.state != UploadState::kOpen) co_return no_such_upload();
  if (in.mode != Mode::kSweep && upload.state == UploadState::kOpen) upload.state = UploadState::kAborted;
  if (upload.state == UploadState::kOpen) co_return no_such_upload();
  cluster::Plan plan;
  VersionOutcome outcome;
  const auto parts = co_await or_return(
      scan_parts(rows, target.bucket, target.key, in.upload, 0, limits::kMaxPartsASweep + 1));
  outcome.more = parts.size() > limits::kMaxPartsASweep;
  const std::unordered_set<std::uint32_t> used(upload.used.begin(), upload.used.end());
  for (std::size_t i = 0; i < std::min(parts.size(), limits::kMaxPartsASweep); ++i) {
    const std::uint32_t number = parts[i].part.number;
    plan.changes.push_back(
        {Family::kUploads, part_key(target.bucket, target.key, in.upload, number), std::nullopt});
    if (!used.contains(number))
      co_await or_return(release_slices(rows, parts[i].slices, rows.now(), plan.changes, outcome.drops));
  }
  if (!outcome.more) upload.used.clear();
  const bool gone = !outcome.more && (upload.state == UploadState::kAborted || in.mode == Mode::kErase);
  plan.changes.push_back({Family::kUploads, upload_key(target.bucket, target.key, in.upload),
                          gone ? std::nullopt : std::optional(encode_upload(upload))});
  co_return answered(std::move(plan), outcome);
}

}  // namespace flashstor::objects
