#include "engine/files/plan_support.h"

namespace flashstor::files {
namespace {

struct Moved {
  std::vector<RowChange> changes;
  std::size_t bytes = 0;
  bool more = false;
  bool broken = false;
};

// Rows move as they are, history and all: the id in the key stays, and a row says nothing of its own key.
Task<Result<void>> move_rows(cluster::RowView& rows, const RenamePayload& in, Moved& moved) {
  const Uuid& bucket = in.target.bucket;
  const std::string lower = objects::listing_start(bucket, in.target.key);
  const std::string target = objects::listing_start(bucket, in.to_key);
  std::string upper = objects::after_prefix(lower);
  co_await or_return(rows.scan(
      Family::kVersions, lower, std::move(upper),
      [&](std::string_view key, std::string_view value) -> cluster::ScanStep {
        const std::string_view rest = key.substr(lower.size());
        if (rest.size() + target.size() > limits::kMaxKeyBytes * 2 + 64) moved.broken = true;
        moved.bytes += 2 * key.size() + target.size() + value.size();
        if (moved.bytes > kMaxMovedBytes && !moved.changes.empty()) {
          moved.more = true;
          return {cluster::ScanStep::Kind::kStop, {}};
        }
        moved.changes.push_back({Family::kVersions, std::string(key), std::nullopt});
        moved.changes.push_back({Family::kVersions, target + std::string(rest), std::string(value)});
        return {};
      },
      [&] { moved = {}; }));
  co_return {};
}

}  // namespace

PlanTask plan_rename_directory(cluster::RowView& rows, const cluster::Command& command) {
  const auto in = co_await or_return(decode<RenamePayload>(command.payload));
  const FileTarget& target = in.target;
  co_await or_return(objects::check_gate(rows, target.bucket, target.epoch));
  if (target.versioning != objects::Versioning::kUnversioned)
    co_return fail(ErrorCode::kCrossDevice, "a directory of a bucket with versions is copied, not renamed");
  const std::string intent_key = "rename/" + target.bucket.to_bytes() + target.key;
  const auto intent = co_await or_return(rows.get(Family::kIntents, intent_key));
  const bool continues = intent.has_value();
  cluster::Plan plan;
  FileOutcome outcome;
  if (!continues) {
    std::string_view to_name = in.to_key;
    to_name.remove_suffix(1);
    if (co_await or_return(find_live(rows, target.bucket, to_name))) co_return fail(ErrorCode::kNotDirectory);
    const auto there = co_await or_return(find_live(rows, target.bucket, in.to_key));
    const bool filled = co_await or_return(has_children(rows, target.bucket, in.to_key));
    if (in.mode == RenameMode::kNoReplace && (there || filled)) co_return fail(ErrorCode::kExists);
    if (filled) co_return fail(ErrorCode::kDirectoryNotEmpty);
    if (there) {
      FileTarget replaced = target;
      replaced.key = in.to_key;
      co_await or_return(plan_vanish(rows, replaced, *there, false, plan, outcome));
    }
  }
  Moved moved;
  co_await or_return(move_rows(rows, in, moved));
  if (moved.broken) co_return fail(ErrorCode::kNameTooLong, "a key below would be over 1,024 bytes");
  if (moved.changes.empty() && !continues) co_return fail(ErrorCode::kNoSuchKey);
  for (RowChange& change : moved.changes) plan.changes.push_back(std::move(change));
  // A crash between two steps leaves the intent, which the volume finishes when it opens.
  if (moved.more)
    plan.changes.push_back({Family::kIntents, intent_key, encode(in)});
  else if (continues)
    plan.changes.push_back({Family::kIntents, intent_key, std::nullopt});
  outcome.more = moved.more;
  co_return answered(std::move(plan), outcome);
}

}  // namespace flashstor::files
