#include <algorithm>
#include <iterator>

#include "engine/objects/keys.h"
#include "engine/objects/payloads.h"
#include "engine/objects/planners.h"
#include "engine/objects/rows.h"

namespace flashstor::objects {
namespace {

Result<void> check_conditions(const Conditions& conditions, const std::optional<FoundVersion>& found) {
  if (conditions.empty()) return {};
  if (!found) return check_write_conditions(conditions, std::nullopt);
  auto header = decode_version_header(found->value);
  if (!header) return std::unexpected(std::move(header).error());
  return check_write_conditions(conditions, std::move(*header));
}

Result<void> check_unlocked(const VersionRow& row, bool bypass_governance, WallTime now) {
  const ObjectAttributes& attributes = row.attributes;
  const auto locked = [] {
    return fail(ErrorCode::kObjectLocked, "Access Denied because object protected by object lock.");
  };
  if (attributes.legal_hold) return locked();
  if (attributes.retention.until_ns <= base::to_nanoseconds(now)) return {};
  if (attributes.retention.mode == RetentionMode::kCompliance) return locked();
  if (attributes.retention.mode == RetentionMode::kGovernance && !bypass_governance) return locked();
  return {};
}

cluster::Plan answered(cluster::Plan plan, const VersionOutcome& outcome) {
  plan.response = encode_outcome(outcome);
  plan.write = !plan.changes.empty();
  return plan;
}

PlanTask plan_delete_exact(cluster::RowView& rows, const DeleteVersionPayload& in) {
  cluster::Plan plan;
  VersionOutcome outcome;
  const auto found = co_await or_return(find_version(rows, in.target.bucket, in.target.key, in.version_id));
  co_await or_return(check_conditions(in.conditions, found));
  outcome.existed = found.has_value();
  if (found) {
    const VersionRow row = co_await or_return(decode_version(found->value));
    co_await or_return(check_unlocked(row, in.bypass_governance, rows.now()));
    co_await or_return(plan_remove_version(rows, in.target.bucket, in.target.key, found->id, row,
                                           in.target.versioning, plan, outcome));
  }
  co_return answered(std::move(plan), outcome);
}

PlanTask plan_delete_newest(cluster::RowView& rows, const DeleteVersionPayload& in) {
  cluster::Plan plan;
  VersionOutcome outcome;
  const auto newest = co_await or_return(find_newest(rows, in.target.bucket, in.target.key));
  co_await or_return(check_conditions(in.conditions, newest));
  outcome.existed = newest.has_value();
  if (in.target.versioning != Versioning::kUnversioned) {
    NewVersion marker{.bucket = in.target.bucket, .key = in.target.key, .versioning = in.target.versioning};
    marker.row.header.kind = RowKind::kDeleteMarker;
    marker.row.attributes.owner = in.owner;
    plan = co_await or_return(plan_new_version(rows, std::move(marker), newest, outcome));
  } else if (newest) {
    const VersionRow row = co_await or_return(decode_version(newest->value));
    co_await or_return(check_unlocked(row, in.bypass_governance, rows.now()));
    co_await or_return(plan_remove_version(rows, in.target.bucket, in.target.key, newest->id, row,
                                           in.target.versioning, plan, outcome));
  }
  co_return answered(std::move(plan), outcome);
}

// AWS, "Retention modes": compliance is never shortened or weakened; governance is shortened or made another
// mode only with the bypass.
Result<void> check_retention_change(const Retention& old, const Retention& wanted, bool bypass,
                                    WallTime now) {
  if (old.mode == RetentionMode::kNone || old.until_ns <= base::to_nanoseconds(now)) return {};
  const bool overrides = wanted.mode != old.mode || wanted.until_ns < old.until_ns;
  if (!overrides || (old.mode == RetentionMode::kGovernance && bypass)) return {};
  return fail(ErrorCode::kObjectLocked, "Access Denied because object protected by object lock.");
}

}  // namespace

PlanTask plan_put_version(cluster::RowView& rows, const cluster::Command& command) {
  auto in = co_await or_return(decode<PutVersionPayload>(command.payload));
  co_await or_return(check_gate(rows, in.target.bucket, in.target.epoch));
  const auto newest = co_await or_return(find_newest(rows, in.target.bucket, in.target.key));
  co_await or_return(check_conditions(in.conditions, newest));
  NewVersion version{.bucket = in.target.bucket,
                     .key = in.target.key,
                     .versioning = in.target.versioning,
                     .row = std::move(in.row),
                     .has_data = in.has_data};
  if (version.row.header.layout == Layout::kSlicesRow)
    version.beside.push_back(
        {Family::kExtents, slices_key(version.row.extent_root), std::move(in.slices_row)});
  std::vector<RowChange> uses;
  if (version.row.header.layout == Layout::kSlicesRow) {
    const SlicesRow list = co_await or_return(decode_slices(*version.beside.back().value));
    co_await or_return(use_references(rows, list.slices, uses));
  } else {
    co_await or_return(use_references(rows, version.row.slices, uses));
  }
  VersionOutcome outcome;
  auto plan = co_await or_return(plan_new_version(rows, std::move(version), newest, outcome));
  std::ranges::move(uses, std::back_inserter(plan.changes));
  co_return answered(std::move(plan), outcome);
}

PlanTask plan_delete_version(cluster::RowView& rows, const cluster::Command& command) {
  const auto in = co_await or_return(decode<DeleteVersionPayload>(command.payload));
  co_await or_return(check_gate(rows, in.target.bucket, in.target.epoch));
  if (in.version_id.empty()) co_return co_await plan_delete_newest(rows, in);
  co_return co_await plan_delete_exact(rows, in);
}

PlanTask plan_change_attributes(cluster::RowView& rows, const cluster::Command& command) {
  using What = ChangeAttributesPayload::What;
  auto in = co_await or_return(decode<ChangeAttributesPayload>(command.payload));
  co_await or_return(check_gate(rows, in.target.bucket, in.target.epoch));
  const auto found = co_await or_return(find_version(rows, in.target.bucket, in.target.key, in.version_id));
  if (!found)
    co_return in.version_id.empty()
        ? fail(ErrorCode::kNoSuchKey, "The specified key does not exist.")
        : fail(ErrorCode::kNoSuchVersion, "The specified version does not exist.");
  VersionRow row = co_await or_return(decode_version(found->value));
  if (row.header.kind == RowKind::kDeleteMarker) co_return fail(ErrorCode::kIsDeleteMarker, row.shown_id());
  switch (in.what) {
    case What::kTags:
      row.attributes.tags = std::move(in.attributes.tags);
      break;
    case What::kAcl:
      row.attributes.acl = in.attributes.acl;
      row.attributes.grants = std::move(in.attributes.grants);
      break;
    case What::kRetention:
      co_await or_return(check_retention_change(row.attributes.retention, in.attributes.retention,
                                                in.bypass_governance, rows.now()));
      row.attributes.retention = in.attributes.retention;
      break;
    case What::kLegalHold:
      row.attributes.legal_hold = in.attributes.legal_hold;
      break;
    case What::kPosix:
      row.attributes.posix = std::move(in.attributes.posix);
      break;
  }
  VersionOutcome outcome{.id = found->id, .is_null = row.header.is_null, .foreign_id = row.foreign_id};
  cluster::Plan plan;
  plan.changes.push_back(
      {Family::kVersions, version_key(in.target.bucket, in.target.key, found->id), encode_version(row)});
  co_return answered(std::move(plan), outcome);
}

}  // namespace flashstor::objects
