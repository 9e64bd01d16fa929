#include <algorithm>
#include <map>

#include "engine/files/forward.h"
#include "engine/files/names.h"

namespace flashstor::files {
namespace {

using objects::Versioning;

struct Moved {
  std::vector<RowChange> changes;
  /// Of files with several names: the old and the new name of each that moves.
  std::map<InodeId, std::vector<std::pair<std::string, std::string>>> linked;
  std::size_t bytes = 0;
  bool more = false;
  bool broken = false;
};

struct Prefixes {
  const std::string& from;
  const std::string& to;
};

void note_names(const Prefixes& prefixes, std::string_view row_key, std::string_view value, Moved& moved) {
  const auto parsed = objects::parse_version_key(row_key);
  if (!parsed || parsed->is_mapping) return;
  const auto row = objects::decode_version(value);
  if (!row || !row->attributes.posix || row->attributes.posix->nlink < 2) return;
  moved.linked[inode_of(*row)].emplace_back(parsed->key,
                                            prefixes.to + parsed->key.substr(prefixes.from.size()));
}

// The lists of names of files that have several know the new ones.
Task<Result<void>> move_names(cluster::RowView& rows, const Uuid& bucket, const Moved& moved,
                              cluster::Plan& plan) {
  for (const auto& [inode, renamed] : moved.linked) {
    auto names = co_await or_return(links_of(rows, bucket, inode));
    for (const auto& [from, to] : renamed) std::ranges::replace(names, from, to);
    set_links(bucket, inode, names, plan);
  }
  co_return {};
}

// Rows move as they are, history and all: the id in the key stays, and a row says nothing of its own key.
Task<Result<void>> move_rows(cluster::RowView& rows, const Uuid& bucket, const std::string& from,
                             const std::string& to, Moved& moved) {
  const std::string lower = objects::listing_start(bucket, from);
  const std::string target = objects::listing_start(bucket, to);
  const Moved before = moved;
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
        note_names({from, to}, key, value, moved);
        moved.changes.push_back({Family::kVersions, std::string(key), std::nullopt});
        moved.changes.push_back({Family::kVersions, target + std::string(rest), std::string(value)});
        return {};
      },
      [&] { moved = before; }));
  co_return {};
}

// The live keys below `prefix`, at most `limit`; a key over it sets `more`.
Task<Result<std::vector<std::string>>> live_keys(cluster::RowView& rows, const Uuid& bucket,
                                                 const std::string& prefix, std::size_t limit, bool& more) {
  std::vector<std::string> keys;
  bool broken = false;
  const std::string lower = objects::listing_start(bucket, prefix);
  co_await or_return(rows.scan(
      Family::kVersions, lower, objects::after_prefix(lower),
      [&](std::string_view row_key, std::string_view value) -> cluster::ScanStep {
        using Step = cluster::ScanStep::Kind;
        const auto parsed = objects::parse_version_key(row_key);
        const auto header = objects::decode_version_header(value);
        broken = broken || !parsed || (!parsed->is_mapping && !header);
        if (broken) return {Step::kStop, {}};
        if (!parsed->is_mapping && header->kind != objects::RowKind::kDeleteMarker) {
          more = keys.size() == limit;
          if (more) return {Step::kStop, {}};
          keys.push_back(parsed->key);
        }
        return {Step::kSeek, objects::after_key(bucket, parsed->key)};
      },
      [&] { keys.clear(); }));
  if (broken) co_return fail(ErrorCode::kCorrupt, "a version row that does not parse");
  co_return keys;
}

// In a bucket with versions the newest versions move, with references of their own; the history stays under
// the old names behind delete markers.
Task<Result<void>> move_versions(cluster::RowView& rows, const RenamePayload& in, cluster::Plan& plan,
                                 FileOutcome& outcome) {
  const auto keys =
      co_await or_return(live_keys(rows, in.target.bucket, in.target.key, kMaxMovedVersions, outcome.more));
  for (const std::string& key : keys) {
    const std::string to_key = in.to_key + key.substr(in.target.key.size());
    if (to_key.size() > limits::kMaxKeyBytes)
      co_return fail(ErrorCode::kNameTooLong, "a key below would be over 1,024 bytes");
    FileTarget target = in.target;
    target.key = key;
    auto live = co_await require_live(rows, target.bucket, key, {});
    if (!live && live.error().code() == ErrorCode::kNotPermitted)
      co_return fail(ErrorCode::kCrossDevice, "an object below is under retention: it stays");
    if (!live) co_return std::unexpected(live.error());
    co_await or_return(rename_in_links(rows, target.bucket, live->row, key, to_key, plan));
    std::vector<RowChange> beside;
    co_await or_return(share_row(rows, target, key, live->row, beside));
    const auto there = co_await or_return(objects::find_newest(rows, target.bucket, to_key));
    FileOutcome one;
    co_await or_return(place(rows, target, to_key, *live, there, false, std::move(beside), plan, one));
    co_await or_return(plan_vanish(rows, target, *live, true, plan, one));
    std::ranges::copy(one.drops, std::back_inserter(outcome.drops));
  }
  co_return {};
}

// What lies at the new name makes room, or is why it cannot be.
Task<Result<void>> clear_target(cluster::RowView& rows, const RenamePayload& in, cluster::Plan& plan,
                                FileOutcome& outcome) {
  const FileTarget& target = in.target;
  std::string_view to_name = in.to_key;
  to_name.remove_suffix(1);
  const auto there = co_await or_return(find_live(rows, target.bucket, in.to_key));
  const bool filled = co_await or_return(has_children(rows, target.bucket, in.to_key));
  const bool file = (co_await or_return(find_live(rows, target.bucket, to_name))).has_value();
  if (in.mode == RenameMode::kNoReplace && (there || filled || file)) co_return fail(ErrorCode::kExists);
  if (file) co_return fail(ErrorCode::kNotDirectory);
  if (in.mode == RenameMode::kExchange) {
    if (!there && !filled) co_return fail(ErrorCode::kNoSuchKey);
    co_return {};
  }
  if (filled) co_return fail(ErrorCode::kDirectoryNotEmpty);
  if (there) {
    FileTarget replaced = target;
    replaced.key = in.to_key;
    co_await or_return(plan_vanish(rows, replaced, *there, false, plan, outcome));
  }
  co_return {};
}

// Both directories in one entry, or not at all.
Task<Result<void>> exchange_rows(cluster::RowView& rows, const RenamePayload& in, Moved& moved) {
  if (in.target.versioning != Versioning::kUnversioned)
    co_return fail(ErrorCode::kNotSupported, "exchange in a bucket with versions");
  co_await or_return(move_rows(rows, in.target.bucket, in.target.key, in.to_key, moved));
  const std::size_t there = moved.changes.size();
  if (!moved.more) co_await or_return(move_rows(rows, in.target.bucket, in.to_key, in.target.key, moved));
  if (moved.more) co_return fail(ErrorCode::kNotSupported, "directories of so many files are not exchanged");
  if (there == 0) co_return fail(ErrorCode::kNoSuchKey);
  // Removals first: a row that both directories have at one place must end as one that is put.
  std::vector<RowChange> ordered;
  for (const bool put : {false, true})
    for (const RowChange& change : moved.changes)
      if (change.value.has_value() == put) ordered.push_back(change);
  moved.changes = std::move(ordered);
  co_return {};
}

// Another rename that is between two of its steps would be split by this one.
Task<Result<void>> check_unmet(cluster::RowView& rows, const RenamePayload& in) {
  const std::string lower = std::string(kDirectoryRenames) + in.target.bucket.to_bytes();
  const std::vector<std::string> keys{in.target.key, in.to_key};
  bool met = false;
  co_await or_return(rows.scan(
      Family::kIntents, lower, objects::after_prefix(lower),
      [&](std::string_view, std::string_view value) {
        const auto other = decode<RenamePayload>(value);
        met = met || !other || meets(keys, other->target.key, other->to_key);
        return cluster::ScanStep{};
      },
      [&] { met = false; }));
  if (met) co_return fail(ErrorCode::kBusy, "a rename of it, of what it holds or lies in is under way");
  co_return {};
}

}  // namespace

PlanTask plan_rename_directory(cluster::RowView& rows, const cluster::Command& command) {
  const auto in = co_await or_return(decode<RenamePayload>(command.payload));
  const FileTarget& target = in.target;
  co_await or_return(objects::check_gate(rows, target.bucket, target.epoch));
  const std::string intent_key = std::string(kDirectoryRenames) + target.bucket.to_bytes() + target.key;
  const auto intent = co_await or_return(rows.get(Family::kIntents, intent_key));
  const bool continues = intent.has_value();
  cluster::Plan plan;
  FileOutcome outcome;
  const bool own = continues && (co_await or_return(decode<RenamePayload>(*intent))).move == in.move;
  // Somebody has gone on with it to the end.
  if (in.further && !own) co_return answered(std::move(plan), outcome);
  if (!own) co_await or_return(check_unmet(rows, in));
  if (!continues) co_await or_return(clear_target(rows, in, plan, outcome));
  Moved moved;
  if (in.mode == RenameMode::kExchange) {
    co_await or_return(exchange_rows(rows, in, moved));
  } else if (target.versioning == Versioning::kUnversioned) {
    co_await or_return(move_rows(rows, target.bucket, target.key, in.to_key, moved));
    outcome.more = moved.more;
  } else {
    co_await or_return(move_versions(rows, in, plan, outcome));
  }
  if (moved.broken) co_return fail(ErrorCode::kNameTooLong, "a key below would be over 1,024 bytes");
  co_await or_return(move_names(rows, target.bucket, moved, plan));
  for (RowChange& change : moved.changes) plan.changes.push_back(std::move(change));
  if (plan.changes.empty() && !continues) co_return fail(ErrorCode::kNoSuchKey);
  if (in.forward && !continues) {
    co_await or_return(forward_directory(rows, target.bucket, target.key, in.to_key, plan));
    if (in.mode == RenameMode::kExchange)
      co_await or_return(forward_directory(rows, target.bucket, in.to_key, target.key, plan));
  }
  // A crash between two steps leaves the intent, which the volume finishes when it opens.
  if (outcome.more)
    plan.changes.push_back({Family::kIntents, intent_key, encode(in)});
  else if (continues)
    plan.changes.push_back({Family::kIntents, intent_key, std::nullopt});
  co_return answered(std::move(plan), outcome);
}

}  // namespace flashstor::files
