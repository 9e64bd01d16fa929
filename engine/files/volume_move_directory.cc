#include <algorithm>

#include "engine/async/gather.h"
#include "engine/files/plan_support.h"
#include "engine/files/volume.h"

// Rename of a directory whose names lie in several sets: its row goes first, which decides whose the new name
// is, then each name by itself as rename of a file does; an intent at the old directory's set has others go
// on after a crash. Nothing that somebody put at a new name meanwhile is replaced. Whose turn it is: see
// volume_move_turn.cc. Source: docs/decisions/0007-rename-over-sets.md.
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
         code == ErrorCode::kNameTooLong || code == ErrorCode::kNotSupported;
}

bool is_turn_over(const Error& error) {
  return error.code() == ErrorCode::kConflict && error.message() == kOvertaken;
}

std::string parent_of(const std::string& directory_key) {
  const std::size_t slash = directory_key.rfind('/', directory_key.size() - 2);
  return slash == std::string::npos ? "" : directory_key.substr(0, slash);
}

std::string plain(const std::string& directory_key) {
  return directory_key.substr(0, directory_key.size() - 1);
}

}  // namespace

Task<Result<void>> Volume::rename_directory_across(Found from, std::string to_key, RenameMode mode) {
  if (mode == RenameMode::kExchange) co_return fail(ErrorCode::kCrossDevice, "exchange: in one set only");
  DirectoryRename rename{.from_key = from.key, .to_key = std::move(to_key), .mode = mode, .move = {}};
  co_await or_return(take_moving_turn(true));
  co_await wait_for_moves_at({rename.from_key, rename.to_key});
  const auto place = moving_directories_.emplace(moving_directories_.end(), rename.from_key, rename.to_key);
  auto done = co_await rename_directory_held(rename);
  const bool shared = store_.cluster().spans_nodes();
  for (int tries = 0; shared && !done && tries < kMoveTries; ++tries) {
    // What is made goes on, here or on another node: no error that may pass is the answer.
    const ErrorCode code = done.error().code();
    const bool passes = rename.made && code != ErrorCode::kCancelled && !is_of_one_name(code);
    if (!is_turn_over(done.error()) && !passes) break;
    if (passes) co_await async::sleep_for(runtime_, kMovePause);
    done = co_await lock_moving(true);
    if (done) done = co_await resume_directory_rename(rename);
  }
  moving_directories_.erase(place);
  moved_.notify_all();
  co_await give_up_moving_turn();
  co_return done;
}

// After the turn was lost: whoever had it since may have ended the rename, or seen that it had not begun.
Task<Result<void>> Volume::resume_directory_rename(DirectoryRename& rename) {
  co_await or_return(become_mover(rename.from_key));
  RenamePayload standing = co_await or_return(standing_move(rename.from_key));
  const bool stands = !rename.move.is_nil() && standing.move == rename.move;
  if (stands) co_await or_return(settle_foreign_move(rename.from_key));
  const bool made =
      rename.made || (stands && co_await or_return(is_directory_at(rename.to_key, standing.target.inode)));
  if (!made) co_return co_await rename_directory_held(rename);
  if (!stands) co_return {};
  co_return co_await move_directory(std::move(standing));
}

Task<Result<void>> Volume::rename_directory_held(DirectoryRename& rename) {
  const std::string& from_key = rename.from_key;
  const std::string& to_key = rename.to_key;
  co_await or_return(become_mover(from_key));
  // Of what was cut off, one may be this one.
  const RenamePayload same = co_await or_return(standing_move(from_key));
  co_await or_return(end_moves_at({from_key, to_key}));
  if (same.to_key == to_key && co_await or_return(is_directory_at(to_key, same.target.inode))) co_return {};
  forget_directories(from_key);
  forget_directories(to_key);
  co_await or_return(own_row(from_key));
  // Another rename, which this one has waited for, may have taken its parent away.
  const std::string parent = directory_prefix(parent_of(to_key));
  directories_.erase(parent);
  co_await or_return(own_row(parent));
  const Found from = co_await or_return(find_key(plain(from_key), false));
  if (!from.directory || from.implied) co_return fail(ErrorCode::kNoSuchKey, "renamed meanwhile");
  const bool onto = co_await or_return(check_movable(from_key, to_key, rename.mode));
  RenamePayload move;
  move.target.key = from_key;
  move.target.inode = from.attributes.inode;
  move.to_key = to_key;
  move.move = rename.move = Uuid::make(runtime_.random());
  co_await or_return(directory_move_step(FileCommand::kDirectoryMoveBegin, move));
  const RenameMode mode = onto ? rename.mode : RenameMode::kNoReplace;
  if (auto claimed = co_await move_entry(from, to_key, mode); !claimed) {
    const ErrorCode code = claimed.error().code();
    if (is_turn_over(claimed.error())) co_return claimed;
    // Otherwise it may have come there all the same: the intent stands, and whoever meets it looks.
    if (is_overtaken(code) || is_of_one_name(code) || code == ErrorCode::kConflict)
      static_cast<void>(co_await directory_move_step(FileCommand::kDirectoryMoveEnd, move));
    if (code == ErrorCode::kExists && rename.mode != RenameMode::kNoReplace)
      co_return fail(ErrorCode::kDirectoryNotEmpty);
    co_return claimed;
  }
  rename.made = true;
  co_return co_await move_directory(std::move(move));
}

// What was cut off at one of the keys, above or below them: what is still under its old name would be left
// behind.
Task<Result<void>> Volume::end_moves_at(std::vector<std::string> keys) {
  auto standing = co_await or_return(standing_moves('d'));
  for (RenamePayload& move : standing) {
    if (!meets(keys, move.target.key, move.to_key)) continue;
    co_await or_return(become_mover(move.target.key));
    const auto ended = co_await move_directory(std::move(move));
    // A name that could not go along is that rename's matter.
    if (!ended && ended.error().code() != ErrorCode::kNoSuchKey && !is_of_one_name(ended.error().code()))
      co_return ended;
  }
  co_return {};
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
  co_await or_return(settle_foreign_move(from_key));
  if (!co_await or_return(still_moves(move))) {  // it never came to the new name, or is another's by now
    co_await or_return(directory_move_step(FileCommand::kDirectoryMoveEnd, move));
    co_return fail(ErrorCode::kNoSuchKey, "the rename was cut off before it began");
  }
  Tally tally;
  auto walked = co_await walk(from_key, [this, &move, &tally](std::vector<Found> entries) {
    return move_entries(move, std::move(entries), tally);
  });
  if (!walked) co_return walked;
  for (auto kept = tally.kept.rbegin(); kept != tally.kept.rend(); ++kept)
    static_cast<void>(co_await drop_directory_row(kept->first, kept->second, mover_));
  // What was made below the old name meanwhile may have given it a row again.
  static_cast<void>(co_await drop_directory_row(from_key, implied_inode(bucket->id, from_key), mover_));
  co_await or_return(directory_move_step(FileCommand::kDirectoryMoveEnd, move));
  forget_directories(from_key);
  forget_directories(move.to_key);
  std::erase_if(touched_, [&](const auto& each) { return each.first.starts_with(from_key); });
  co_return tally.failure;
}

// Nothing when none is under way.
Task<Result<RenamePayload>> Volume::standing_move(std::string from_key) {
  const std::string bytes = co_await or_return(ask(FileCommand::kDirectoryMove, std::move(from_key)));
  if (bytes.empty()) co_return RenamePayload{};
  co_return co_await or_return(decode<RenamePayload>(bytes));
}

// Whether nobody has ended it, and the directory is at its new name.
Task<Result<bool>> Volume::still_moves(const RenamePayload& move) {
  const RenamePayload standing = co_await or_return(standing_move(move.target.key));
  if (standing.move != move.move || standing.to_key != move.to_key) co_return false;
  co_return co_await is_directory_at(move.to_key, move.target.inode);
}

Task<Result<bool>> Volume::is_directory_at(std::string key, InodeId inode) {
  const auto there = co_await find_key(plain(key), false);
  if (!there && there.error().code() != ErrorCode::kNoSuchKey) co_return std::unexpected(there.error());
  co_return there && there->directory && !there->implied && there->attributes.inode == inode;
}

Task<Result<void>> Volume::move_entries(const RenamePayload& move, std::vector<Found> entries, Tally& tally) {
  if (gate_.closed()) co_return fail(ErrorCode::kCancelled, "the volume is closed");
  for (std::size_t at = 0, end = 0; at < entries.size(); at = end) {
    // Not a file beside a directory: S3 knows `x` and `x/` both, and a file does not come to where one is.
    while (end < entries.size() && end - at < kMovedAtOnce && entries[end].directory == entries[at].directory)
      ++end;
    if (moves_cancelled_) co_return fail(ErrorCode::kCancelled, "others go on with the rename");
    if (!may_move()) co_return fail(ErrorCode::kConflict, std::string(kOvertaken));
    std::vector<Task<Result<void>>> moving;
    for (std::size_t i = at; i < end; ++i)
      moving.push_back(move_entry(entries[i], move.to_key + entries[i].key.substr(move.target.key.size()),
                                  RenameMode::kNoReplace));
    const auto results = co_await async::gather(std::move(moving));
    for (std::size_t i = at; i < end; ++i) {
      const Result<void>& done = results[i - at];
      if (done) continue;
      const ErrorCode code = done.error().code();
      if (code == ErrorCode::kExists && entries[i].directory)
        tally.kept.emplace_back(entries[i].key, entries[i].attributes.inode);
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
      done = co_await rename_file(entry, to_key, mode, mover_);
    } else if (across) {
      MovePayload move;
      move.target.inode = entry.attributes.inode;
      move.from_key = entry.key;
      move.to_key = to_key;
      move.mode = mode;
      move.mover = mover_;
      if (auto moved = co_await move_across(std::move(move), {}); !moved)
        done = std::unexpected(std::move(moved).error());
    } else if (auto moved = co_await rename_in_set(entry, to_key, mode, false, {}, mover_); !moved) {
      done = std::unexpected(std::move(moved).error());
    }
    if (done || done.error().code() != ErrorCode::kConflict || is_turn_over(done.error()) ||
        tries == kMaxStaleRetries)
      co_return done;
    co_await async::sleep_for(runtime_, kMoveRetry);
  }
}

Task<Result<FileOutcome>> Volume::directory_move_step(FileCommand kind, const RenamePayload& move) {
  Change change{.kind = kind};
  change.target.key = move.target.key;
  change.target.inode = move.target.inode;
  change.encode = [&move, mover = mover_](const FileTarget& to) {
    RenamePayload payload;
    payload.target = to;
    payload.to_key = move.to_key;
    payload.move = move.move;
    payload.mover = mover;
    return encode(payload);
  };
  co_return co_await run(std::move(change));
}

}  // namespace flashstor::files
