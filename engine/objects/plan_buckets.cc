#include <algorithm>

#include "engine/objects/keys.h"
#include "engine/objects/payloads.h"
#include "engine/objects/planners.h"
#include "engine/objects/rows.h"

namespace flashstor::objects {

// A document is a version row with its bytes in it; only the newest is kept.
PlanTask plan_document(cluster::RowView& rows, const cluster::Command& command) {
  auto in = co_await or_return(decode<DocumentPayload>(command.payload));
  const Uuid bucket = system_bucket_id();
  const auto newest = co_await or_return(find_newest(rows, bucket, in.path));
  const std::string revision = newest ? newest->id.to_text() : std::string();
  if (in.conditional && in.revision != revision)
    co_return fail(ErrorCode::kConflict, "the document changed meanwhile");
  cluster::Plan plan;
  if (newest)
    plan.changes.push_back({Family::kVersions, version_key(bucket, in.path, newest->id), std::nullopt});
  if (in.bytes) {
    std::int64_t time_ns = base::to_nanoseconds(rows.now());
    if (newest) time_ns = std::max(time_ns, newest->id.time_ns + 1);
    VersionRow row;
    row.id = VersionId::make(base::from_nanoseconds(time_ns), rows.random());
    row.header.kind = RowKind::kDocument;
    row.header.is_null = true;
    row.header.layout = Layout::kEmbedded;
    row.header.size = in.bytes->size();
    row.header.created_ns = time_ns;
    row.embedded = std::move(*in.bytes);
    plan.response = row.id.to_text();
    plan.changes.push_back({Family::kVersions, version_key(bucket, in.path, row.id), encode_version(row)});
  }
  plan.write = !plan.changes.empty();
  co_return plan;
}

namespace {

Task<Result<bool>> has_versions(cluster::RowView& rows, const Uuid& bucket) {
  bool found = false;
  std::string lower = bucket_prefix(bucket);
  std::string upper = after_prefix(lower);
  co_await or_return(rows.scan(
      Family::kVersions, std::move(lower), std::move(upper),
      [&found](std::string_view, std::string_view) {
        found = true;
        return cluster::ScanStep{.kind = cluster::ScanStep::Kind::kStop, .seek_to = {}};
      },
      [&found] { found = false; }));
  co_return found;
}

}  // namespace

PlanTask plan_gate(cluster::RowView& rows, const cluster::Command& command) {
  using Action = GatePayload::Action;
  const auto in = co_await or_return(decode<GatePayload>(command.payload));
  std::string key = gate_key(in.bucket);
  const auto value = co_await or_return(rows.get(Family::kIntents, key));
  Gate gate;
  if (value) gate = co_await or_return(decode_gate(*value));
  switch (in.action) {
    case Action::kRaise:
      gate.epoch = std::max(gate.epoch, in.epoch);
      break;
    case Action::kFreeze:
      if (co_await or_return(has_versions(rows, in.bucket)))
        co_return fail(ErrorCode::kBucketNotEmpty, "The bucket you tried to delete is not empty");
      gate.frozen = in.token;
      gate.frozen_ns = base::to_nanoseconds(rows.now());
      break;
    case Action::kThaw:
      if (gate.frozen == in.token) gate.frozen = Uuid{};
      gate.epoch = std::max(gate.epoch, in.epoch);
      break;
  }
  cluster::Plan plan;
  plan.changes.push_back({Family::kIntents, std::move(key), encode_gate(gate)});
  co_return plan;
}

}  // namespace flashstor::objects
