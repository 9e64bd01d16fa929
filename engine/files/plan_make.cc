#include "engine/files/plan_support.h"

namespace flashstor::files {

PlanTask plan_make(cluster::RowView& rows, const cluster::Command& command) {
  auto in = co_await or_return(decode<MakePayload>(command.payload));
  co_await or_return(objects::check_gate(rows, in.target.bucket, in.target.epoch));
  const bool directory = in.posix.kind == objects::FileKind::kDirectory;
  std::string_view name = in.target.key;
  if (directory) name.remove_suffix(1);
  if (co_await or_return(name_taken(rows, in.target.bucket, name))) co_return fail(ErrorCode::kExists);

  const auto newest = co_await or_return(objects::find_newest(rows, in.target.bucket, in.target.key));
  objects::NewVersion version{
      .bucket = in.target.bucket, .key = in.target.key, .versioning = in.target.versioning};
  objects::VersionRow& row = version.row;
  row.header.owner = in.owner;
  row.attributes.owner = in.owner;
  row.header.etag = "d41d8cd98f00b204e9800998ecf8427e";  // of no bytes
  if (in.posix.kind == objects::FileKind::kDirectory) row.attributes.headers.type = "application/x-directory";
  if (in.posix.inode.is_nil()) in.posix.inode = Uuid::make(rows.random());
  row.attributes.posix = std::move(in.posix);
  objects::VersionRow made = row;
  objects::VersionOutcome placed;
  auto plan = co_await or_return(objects::plan_new_version(rows, std::move(version), newest, placed));
  made.id = placed.id;
  made.header.is_null = placed.is_null;
  made.header.created_ns = placed.id.time_ns;
  FileOutcome outcome;
  outcome.row = objects::encode_version(made);
  outcome.drops = std::move(placed.drops);
  co_return answered(std::move(plan), outcome);
}

PlanTask plan_remove_directory(cluster::RowView& rows, const cluster::Command& command) {
  const auto payload = co_await or_return(decode<RenamePayload>(command.payload));
  const FileTarget& in = payload.target;
  co_await or_return(objects::check_gate(rows, in.bucket, in.epoch));
  co_await or_return(check_mover(rows, in.bucket, payload.mover));
  if (co_await or_return(has_children(rows, in.bucket, in.key)))
    co_return fail(ErrorCode::kDirectoryNotEmpty);
  const LiveFile live = co_await or_return(require_live(rows, in.bucket, in.key, in.inode));
  cluster::Plan plan;
  FileOutcome outcome;
  co_await or_return(plan_vanish(rows, in, live, false, plan, outcome));
  co_return answered(std::move(plan), outcome);
}

}  // namespace flashstor::files
