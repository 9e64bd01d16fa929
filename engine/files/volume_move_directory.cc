#include <map>
#include <set>

#include "engine/async/gather.h"
#include "engine/files/plan_support.h"
#include "engine/files/volume.h"

// Rename of a directory whose names lie in several sets: each name moves by itself, as rename of a file does,
// and an intent at the old directory's set has the next mount go on after a crash. Meanwhile a name is under
// the old directory or under the new one, or for a moment under both. Source:
// docs/decisions/0007-rename-over-sets.md.
namespace flashstor::files {
namespace {

// Another node is at the same move, or a program took the name away.
bool is_taken(const Error& error) {
  return error.code() == ErrorCode::kNoSuchKey || error.code() == ErrorCode::kStaleHandle ||
         error.code() == ErrorCode::kConflict;
}

}  // namespace

Task<Result<void>> Volume::rename_directory_across(Found from, std::string to_key, RenameMode mode) {
  if (mode == RenameMode::kExchange) co_return fail(ErrorCode::kCrossDevice, "exchange: in one set only");
  co_await or_return(check_movable(from.key, to_key, mode));
  const FileOutcome begun =
      co_await or_return(directory_move_step(FileCommand::kDirectoryMoveBegin, from.key, to_key));
  if (!begun.row.empty()) {
    const auto other = co_await or_return(decode<RenamePayload>(begun.row));
    if (other.to_key != to_key) {
      co_await or_return(move_directory(from.key, other.to_key, false));
      co_return fail(ErrorCode::kNoSuchKey, "renamed meanwhile");
    }
  }
  co_return co_await move_directory(from.key, to_key, begun.row.empty());
}

// What would be found out in the middle is found out before: what lies at the new name, and names that cannot
// have it.
Task<Result<void>> Volume::check_movable(const std::string& from_key, const std::string& to_key,
                                         RenameMode mode) {
  const auto there = co_await find_key(to_key.substr(0, to_key.size() - 1), false);
  if (!there && there.error().code() != ErrorCode::kNoSuchKey) co_return std::unexpected(there.error());
  if (there && mode == RenameMode::kNoReplace) co_return fail(ErrorCode::kExists);
  if (there && !there->directory) co_return fail(ErrorCode::kNotDirectory);
  if (there && co_await or_return(has_entries_elsewhere(to_key)))
    co_return fail(ErrorCode::kDirectoryNotEmpty);
  const objects::BucketRef bucket = co_await or_return(this->bucket());
  cluster::ClusterApi& sets = store_.cluster();
  Result<void> result;
  co_await or_return(walk(from_key, [&](const Found& entry) {
    const std::string key = to_key + entry.key.substr(from_key.size());
    const auto& kept = entry.row.attributes;
    const bool across =
        sets.set_for(bucket->id, entry.key).info().index != sets.set_for(bucket->id, key).info().index;
    if (key.size() > limits::kMaxKeyBytes) {
      result = fail(ErrorCode::kNameTooLong, "a key below would be over 1,024 bytes");
    } else if (kept.legal_hold || kept.retention.until_ns > base::to_nanoseconds(runtime_.wall_now())) {
      result = fail(ErrorCode::kCrossDevice, "an object below is under retention: it stays");
    } else if (across && kept.posix && kept.posix->nlink > 1 && !entry.directory) {
      result = fail(ErrorCode::kCrossDevice, "the names of a file with several are in one set");
    }
    return result.has_value();
  }));
  co_return result;
}

// `with_row`: the directory's own row moves too, onto an empty directory's. Later it is another directory's,
// made at the old name since.
Task<Result<void>> Volume::move_directory(std::string from_key, std::string to_key, bool with_row) {
  for (int tries = 0; tries < kMaxStaleRetries;) {
    forget_directories(from_key);
    forget_directories(to_key);
    const auto moved = co_await move_round(from_key, to_key, with_row);
    if (!moved && !is_taken(moved.error())) co_return std::unexpected(moved.error());
    if (moved && *moved == 0) break;
    if (moved) with_row = false;
    tries = moved ? 0 : tries + 1;
  }
  co_await or_return(directory_move_step(FileCommand::kDirectoryMoveEnd, from_key, to_key));
  std::erase_if(touched_, [&](const auto& each) { return each.first.starts_with(from_key); });
  co_return {};
}

// Gives how many names were moved.
Task<Result<std::size_t>> Volume::move_round(const std::string& from_key, const std::string& to_key,
                                             bool with_row) {
  if (!with_row) {
    const auto there = co_await find_key(to_key.substr(0, to_key.size() - 1), false);
    with_row = !there || there->implied;
  }
  std::vector<Found> entries;
  co_await or_return(walk(from_key, [&](Found entry) {
    if (with_row || entry.key != from_key) entries.push_back(std::move(entry));
    return entries.size() < kMovedInRound;
  }));
  std::size_t moved = 0;
  Result<void> failure;
  for (std::size_t at = 0; at < entries.size(); at += kMovedAtOnce) {
    std::vector<Task<Result<void>>> moving;
    for (std::size_t i = at; i < std::min(at + kMovedAtOnce, entries.size()); ++i) {
      std::string key = to_key + entries[i].key.substr(from_key.size());
      moving.push_back(move_entry(std::move(entries[i]), std::move(key)));
    }
    for (Result<void>& done : co_await async::gather(std::move(moving))) {
      if (done) ++moved;
      if (!done && failure) failure = std::move(done);
    }
  }
  if (moved == 0 && !failure) co_return std::unexpected(std::move(failure).error());
  co_return moved;
}

Task<Result<void>> Volume::move_entry(Found entry, std::string to_key) {
  if (!entry.directory)
    co_return co_await rename_file(std::move(entry), std::move(to_key), RenameMode::kReplace);
  const objects::BucketRef bucket = co_await or_return(this->bucket());
  cluster::ClusterApi& sets = store_.cluster();
  if (sets.set_for(bucket->id, entry.key).info().index == sets.set_for(bucket->id, to_key).info().index) {
    co_await or_return(rename_in_set(entry, std::move(to_key), RenameMode::kReplace, false, {}));
    co_return {};
  }
  MovePayload move;
  move.target.inode = entry.attributes.inode;
  move.from_key = entry.key;
  move.to_key = std::move(to_key);
  co_await or_return(move_across(std::move(move), {}));
  co_return {};
}

Task<Result<FileOutcome>> Volume::directory_move_step(FileCommand kind, std::string from_key,
                                                      std::string to_key) {
  Change change{.kind = kind};
  change.target.key = std::move(from_key);
  change.encode = [to_key = std::move(to_key)](const FileTarget& to) {
    RenamePayload payload;
    payload.target = to;
    payload.to_key = to_key;
    return encode(payload);
  };
  co_return co_await run(std::move(change));
}

Task<Result<void>> Volume::walk(std::string prefix, std::function<bool(Found)> visit) {
  const auto own = co_await find_key(prefix.substr(0, prefix.size() - 1), false);
  if (own && own->directory && !own->implied && !visit(*own)) co_return {};
  std::vector<std::string> prefixes{std::move(prefix)};
  while (!prefixes.empty()) {
    const std::string directory = std::move(prefixes.back());
    prefixes.pop_back();
    for (DirectoryAnswer::Entry& entry : co_await or_return(entries_of(directory))) {
      Found found;
      found.directory = entry.name.ends_with('/');
      found.key = directory + entry.name;
      if (found.directory) prefixes.push_back(found.key);
      if (entry.row.empty()) continue;  // an implied directory is moved with what it holds
      found.row = co_await or_return(objects::decode_version(entry.row));
      found.attributes = attributes_of(found.row, found.directory, defaults_);
      if (!visit(std::move(found))) co_return {};
    }
  }
  co_return {};
}

// Of one directory, from all sets.
Task<Result<std::vector<DirectoryAnswer::Entry>>> Volume::entries_of(std::string prefix) {
  const objects::BucketRef bucket = co_await or_return(this->bucket());
  std::map<std::string, std::string> rows;
  for (std::uint32_t index = 0; index < store_.cluster().set_count(); ++index) {
    DirectoryPayload page{bucket->id, prefix, {}, kLongNamePage};
    for (bool more = true; more;) {
      const std::string bytes = co_await or_return(store_.cluster().set_at(index).query(
          static_cast<cluster::CommandKind>(FileCommand::kReadDirectory), encode(page)));
      auto part = co_await or_return(decode<DirectoryAnswer>(bytes));
      more = !part.end && !part.entries.empty();
      if (more) page.after = part.entries.back().name;
      for (auto& entry : part.entries)
        if (std::string& row = rows[entry.name]; row.empty()) row = std::move(entry.row);
    }
  }
  std::vector<DirectoryAnswer::Entry> entries;
  for (auto& [name, row] : rows) entries.push_back({name, std::move(row)});
  co_return entries;
}

}  // namespace flashstor::files
