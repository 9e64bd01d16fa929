#include <algorithm>
#include <map>

#include "engine/async/gather.h"
#include "engine/base/log.h"
#include "engine/files/plan_support.h"
#include "engine/files/volume.h"

// Rename of a directory whose names lie in several sets: its row goes first, which decides whose the new name
// is, then each name by itself as rename of a file does; an intent at the old directory's set has the next
// mount go on after a crash. Nothing that somebody put at a new name meanwhile is replaced. Source:
// docs/decisions/0007-rename-over-sets.md.
namespace flashstor::files {
namespace {

// The name is gone, or another is at the new one: it came later, and both stay.
bool is_overtaken(ErrorCode code) {
  return code == ErrorCode::kNoSuchKey || code == ErrorCode::kStaleHandle || code == ErrorCode::kExists;
}

// A reason that is the name's own.
bool is_of_one_name(ErrorCode code) {
  return code == ErrorCode::kNotPermitted || code == ErrorCode::kCrossDevice ||
         code == ErrorCode::kIsDirectory || code == ErrorCode::kNotDirectory ||
         code == ErrorCode::kNameTooLong;
}

std::string plain(const std::string& directory_key) {
  return directory_key.substr(0, directory_key.size() - 1);
}

}  // namespace

// What it knows of moves under way is this process's: with mounts on several nodes it is not enough.
Task<Result<void>> Volume::rename_directory_across(Found from, std::string to_key, RenameMode mode) {
  if (mode == RenameMode::kExchange) co_return fail(ErrorCode::kCrossDevice, "exchange: in one set only");
  if (store_.cluster().spans_nodes())
    co_return fail(ErrorCode::kCrossDevice, "a directory over several sets of several nodes");
  const std::string key = from.key;
  const DirectoryPair pair{key, to_key};
  co_await wait_for_moves_at({key, to_key});
  const auto place = moving_directories_.insert(moving_directories_.end(), pair);
  auto done = co_await rename_directory_held(key, std::move(to_key), mode);
  moving_directories_.erase(place);
  moved_.notify_all();
  co_return done;
}

// Until no directory is on its way to or from one of `keys`, what lies below it, or what it lies in.
Task<void> Volume::wait_for_moves_at(std::vector<std::string> keys) {
  const auto touches = [&keys](const std::string& moving) {
    return std::ranges::any_of(keys, [&moving](const std::string& key) {
      return key.starts_with(moving) || moving.starts_with(key);
    });
  };
  const auto any = [&] {
    return std::ranges::any_of(moving_directories_, [&touches](const DirectoryPair& pair) {
      return touches(pair.first) || touches(pair.second);
    });
  };
  while (any()) co_await moved_.wait();
}

Task<Result<void>> Volume::rename_directory_held(std::string from_key, std::string to_key, RenameMode mode) {
  // One that was cut off by an error is ended first, and is this one if it has the same target.
  co_await or_return(settle_foreign_move(from_key));
  const RenamePayload standing = co_await or_return(standing_move(from_key));
  if (!standing.to_key.empty()) {
    auto ended = co_await move_directory(standing);
    if (ended && standing.to_key == to_key) co_return {};
    if (!ended && ended.error().code() != ErrorCode::kNoSuchKey) co_return ended;
  }
  forget_directories(from_key);
  forget_directories(to_key);
  co_await or_return(own_row(from_key));
  const Found from = co_await or_return(find_key(plain(from_key), false));
  if (!from.directory || from.implied) co_return fail(ErrorCode::kNoSuchKey, "renamed meanwhile");
  const bool onto = co_await or_return(check_movable(from_key, to_key, mode));
  RenamePayload move;
  move.target.key = from_key;
  move.target.inode = from.attributes.inode;
  move.to_key = to_key;
  co_await or_return(directory_move_step(FileCommand::kDirectoryMoveBegin, move));
  if (auto claimed = co_await move_entry(from, to_key, onto ? mode : RenameMode::kNoReplace); !claimed) {
    const ErrorCode code = claimed.error().code();
    // Otherwise it may have come there all the same: the intent stands, and whoever meets it looks.
    if (is_overtaken(code) || is_of_one_name(code) || code == ErrorCode::kConflict)
      static_cast<void>(co_await directory_move_step(FileCommand::kDirectoryMoveEnd, move));
    if (code == ErrorCode::kExists && mode != RenameMode::kNoReplace)
      co_return fail(ErrorCode::kDirectoryNotEmpty);
    co_return claimed;
  }
  co_return co_await move_directory(std::move(move));
}

// What would be found out in the middle is found out before: names that cannot have the new one. Gives
// whether an empty directory lies at the new name.
Task<Result<bool>> Volume::check_movable(const std::string& from_key, const std::string& to_key,
                                         RenameMode mode) {
  const auto there = co_await find_key(plain(to_key), false);
  if (!there && there.error().code() != ErrorCode::kNoSuchKey) co_return std::unexpected(there.error());
  if (there && mode == RenameMode::kNoReplace) co_return fail(ErrorCode::kExists);
  if (there && !there->directory) co_return fail(ErrorCode::kNotDirectory);
  if (there && co_await or_return(has_entries_elsewhere(to_key)))
    co_return fail(ErrorCode::kDirectoryNotEmpty);
  const objects::BucketRef bucket = co_await or_return(this->bucket());
  const auto check = [&](const Found& entry) -> Result<void> {
    const std::string key = to_key + entry.key.substr(from_key.size());
    const auto& kept = entry.row.attributes;
    cluster::ClusterApi& sets = store_.cluster();
    const bool across =
        sets.set_for(bucket->id, entry.key).info().index != sets.set_for(bucket->id, key).info().index;
    if (key.size() > limits::kMaxKeyBytes)
      return fail(ErrorCode::kNameTooLong, "a key below would be over 1,024 bytes");
    if (kept.legal_hold || kept.retention.until_ns > base::to_nanoseconds(runtime_.wall_now()))
      return fail(ErrorCode::kCrossDevice, "an object below is under retention: it stays");
    if (across && kept.posix && kept.posix->nlink > 1 && !entry.directory)
      return fail(ErrorCode::kCrossDevice, "the names of a file with several are in one set");
    return {};
  };
  co_await or_return(walk(from_key, [&check](std::vector<Found> entries) -> Task<Result<void>> {
    for (const Found& entry : entries)
      if (auto fine = check(entry); !fine) co_return fine;
    co_return {};
  }));
  co_return there.has_value();
}

// Once the directory's row is at its new name. A failure that is not one name's own leaves the intent.
Task<Result<void>> Volume::move_directory(RenamePayload move) {
  const objects::BucketRef bucket = co_await or_return(this->bucket());
  const std::string from_key = move.target.key;
  if (!co_await or_return(still_moves(move))) {  // it never came to the new name, or is another's by now
    co_await or_return(directory_move_step(FileCommand::kDirectoryMoveEnd, move));
    co_return fail(ErrorCode::kNoSuchKey, "the rename was cut off before it began");
  }
  Tally tally;
  auto walked = co_await walk(from_key, [this, &move, &tally](std::vector<Found> entries) {
    return move_entries(move, std::move(entries), tally);
  });
  if (!walked) co_return walked;
  for (auto key = tally.kept.rbegin(); key != tally.kept.rend(); ++key)
    static_cast<void>(co_await drop_directory_row(*key));
  // What was made below the old name meanwhile may have given it a row again.
  const auto left = co_await find_key(plain(from_key), false);
  if (left && left->directory && !left->implied &&
      left->attributes.inode == implied_inode(bucket->id, from_key))
    static_cast<void>(co_await drop_directory_row(from_key));
  co_await or_return(directory_move_step(FileCommand::kDirectoryMoveEnd, move));
  forget_directories(from_key);
  forget_directories(move.to_key);
  std::erase_if(touched_, [&](const auto& each) { return each.first.starts_with(from_key); });
  co_return tally.failure;
}

// What a crash, or an error, left.
Task<void> Volume::finish_directory_moves(std::vector<RenamePayload> moves) {
  for (RenamePayload& move : moves) {
    const std::string words = move.target.key + " to " + move.to_key;
    const auto done = co_await move_directory(std::move(move));
    moving_directories_.pop_front();  // it was put there before anybody else could
    moved_.notify_all();
    if (!done && done.error().code() != ErrorCode::kNoSuchKey && !gate_.closed())
      base::log_warning("the rename of {} could not be ended whole: {}", words, done.error().describe());
  }
}

// Nothing when none is under way.
Task<Result<RenamePayload>> Volume::standing_move(std::string from_key) {
  const objects::BucketRef bucket = co_await or_return(this->bucket());
  FileTarget target;
  target.bucket = bucket->id;
  target.key = from_key;
  const std::string bytes = co_await or_return(
      store_.cluster()
          .set_for(bucket->id, from_key)
          .query(static_cast<cluster::CommandKind>(FileCommand::kDirectoryMove), encode(target)));
  if (bytes.empty()) co_return RenamePayload{};
  co_return co_await or_return(decode<RenamePayload>(bytes));
}

// Whether nobody has ended it, and the directory is at its new name.
Task<Result<bool>> Volume::still_moves(const RenamePayload& move) {
  const RenamePayload standing = co_await or_return(standing_move(move.target.key));
  if (standing.target.inode != move.target.inode || standing.to_key != move.to_key) co_return false;
  const auto there = co_await find_key(plain(move.to_key), false);
  if (!there && there.error().code() != ErrorCode::kNoSuchKey) co_return std::unexpected(there.error());
  co_return there && there->directory && !there->implied && there->attributes.inode == move.target.inode;
}

Task<Result<void>> Volume::move_entries(const RenamePayload& move, std::vector<Found> entries, Tally& tally) {
  if (gate_.closed()) co_return fail(ErrorCode::kCancelled, "the volume is closed");
  for (std::size_t at = 0, end = 0; at < entries.size(); at = end) {
    // Not a file beside a directory: S3 knows `x` and `x/` both, and a file does not come to where one is.
    while (end < entries.size() && end - at < kMovedAtOnce && entries[end].directory == entries[at].directory)
      ++end;
    std::vector<Task<Result<void>>> moving;
    for (std::size_t i = at; i < end; ++i)
      moving.push_back(move_entry(entries[i], move.to_key + entries[i].key.substr(move.target.key.size()),
                                  RenameMode::kNoReplace));
    const auto results = co_await async::gather(std::move(moving));
    for (std::size_t i = at; i < end; ++i) {
      const Result<void>& done = results[i - at];
      if (done) continue;
      const ErrorCode code = done.error().code();
      if (code == ErrorCode::kExists && entries[i].directory) tally.kept.push_back(entries[i].key);
      if (is_overtaken(code)) continue;
      if (!is_of_one_name(code)) co_return done;
      if (tally.failure) tally.failure = done;
    }
  }
  co_return {};
}

// Where somebody else settled the move of the name it is tried again.
Task<Result<void>> Volume::move_entry(Found entry, std::string to_key, RenameMode mode) {
  const objects::BucketRef bucket = co_await or_return(this->bucket());
  cluster::ClusterApi& sets = store_.cluster();
  const bool across =
      sets.set_for(bucket->id, entry.key).info().index != sets.set_for(bucket->id, to_key).info().index;
  for (int tries = 0;; ++tries) {
    Result<void> done;
    if (!entry.directory) {
      done = co_await rename_file(entry, to_key, mode);
    } else if (across) {
      MovePayload move;
      move.target.inode = entry.attributes.inode;
      move.from_key = entry.key;
      move.to_key = to_key;
      move.mode = mode;
      if (auto moved = co_await move_across(std::move(move), {}); !moved)
        done = std::unexpected(std::move(moved).error());
    } else if (auto moved = co_await rename_in_set(entry, to_key, mode, false, {}); !moved) {
      done = std::unexpected(std::move(moved).error());
    }
    if (done || done.error().code() != ErrorCode::kConflict || tries == kMaxStaleRetries) co_return done;
    co_await async::sleep_for(runtime_, kMoveRetry);
  }
}

Task<Result<FileOutcome>> Volume::directory_move_step(FileCommand kind, const RenamePayload& move) {
  Change change{.kind = kind};
  change.target.key = move.target.key;
  change.target.inode = move.target.inode;
  change.encode = [to_key = move.to_key](const FileTarget& to) {
    RenamePayload payload;
    payload.target = to;
    payload.to_key = to_key;
    return encode(payload);
  };
  co_return co_await run(std::move(change));
}

// Errors: kDirectoryNotEmpty.
Task<Result<void>> Volume::drop_directory_row(std::string key) {
  if (co_await or_return(has_entries_elsewhere(key))) co_return fail(ErrorCode::kDirectoryNotEmpty);
  Change change{.kind = FileCommand::kRemoveDirectory};
  change.target.key = key;
  change.locked_prefixes.push_back(key);
  change.encode = [](const FileTarget& to) { return encode(to); };
  co_await or_return(run(std::move(change)));
  co_return {};
}

Task<Result<void>> Volume::walk(std::string prefix, Visit visit) {
  std::vector<std::string> prefixes{std::move(prefix)};
  while (!prefixes.empty()) {
    const std::string directory = std::move(prefixes.back());
    prefixes.pop_back();
    std::string after;
    do {
      auto entries = co_await or_return(page_of(directory, after, prefixes));
      std::ranges::partition(entries, [](const Found& entry) { return !entry.directory; });
      co_await or_return(visit(std::move(entries)));
    } while (!after.empty());
  }
  co_return {};
}

// The rows of one directory after `after`, from all sets, as far as all have told; moves `after` on, empty at
// the end. Directories below go into `below`; one without a row has nothing to move but what it holds.
Task<Result<std::vector<Volume::Found>>> Volume::page_of(const std::string& prefix, std::string& after,
                                                         std::vector<std::string>& below) {
  const objects::BucketRef bucket = co_await or_return(this->bucket());
  const std::string question = encode(DirectoryPayload{bucket->id, prefix, after, kLongNamePage});
  std::map<std::string, std::string> rows;
  std::optional<std::string> bound;
  for (std::uint32_t index = 0; index < store_.cluster().set_count(); ++index) {
    const std::string bytes = co_await or_return(store_.cluster().set_at(index).query(
        static_cast<cluster::CommandKind>(FileCommand::kReadDirectory), question));
    auto part = co_await or_return(decode<DirectoryAnswer>(bytes));
    if (!part.end && !part.entries.empty())
      bound = std::min(bound.value_or(part.entries.back().name), part.entries.back().name);
    for (auto& entry : part.entries)
      if (std::string& row = rows[entry.name]; row.empty()) row = std::move(entry.row);
  }
  std::vector<Found> entries;
  for (auto& [name, row] : rows) {
    if (bound && name > *bound) break;
    Found found;
    found.directory = name.ends_with('/');
    found.key = prefix + name;
    if (found.directory) below.push_back(found.key);
    if (row.empty()) continue;
    found.row = co_await or_return(objects::decode_version(row));
    found.attributes = attributes_of(found.row, found.directory, defaults_);
    entries.push_back(std::move(found));
  }
  after = bound.value_or("");
  co_return entries;
}

}  // namespace flashstor::files
