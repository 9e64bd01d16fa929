#include <algorithm>

#include "engine/async/gather.h"
#include "engine/base/log.h"
#include "engine/files/plan_support.h"
#include "engine/files/volume.h"

// Who moves directories over sets. In one process renames wait for those whose names they touch. Where
// several nodes may mount the bucket, one of all of them moves at a time: it holds a lock for as long as it
// says so (shared_locks.h), and looks whether it still does before each page. Safety does not rest on the
// lock's lease: who gets the lock writes its own name (`mover`) into every set before it looks at anything,
// and from then on a set refuses the steps of whoever moved before, however late they come. Source:
// docs/decisions/0007-rename-over-sets.md.
namespace flashstor::files {
namespace {

LockRange lock_range(LockRange::Type type) {
  LockRange range;
  range.type = type;
  range.whole_file = true;
  return range;
}

}  // namespace

// Errors: kWouldBlock when somebody else's turn is not waited for; those of a lock.
Task<Result<void>> Volume::take_moving_turn(bool wait) {
  if (!store_.cluster().spans_nodes()) co_return {};
  if (wait)
    co_await moving_turn_.acquire();
  else if (!moving_turn_.try_acquire())
    co_return fail(ErrorCode::kWouldBlock);
  auto locked = co_await lock_moving(wait);
  if (!locked) moving_turn_.release();
  co_return locked;
}

Task<Result<void>> Volume::lock_moving(bool wait) {
  const objects::BucketRef bucket = co_await or_return(this->bucket());
  moving_lock_ = moving_lock_of(bucket->id);
  co_return co_await shared_locks_.lock(moving_lock_, lock_range(LockRange::Type::kExclusive), wait,
                                        &moves_cancelled_);
}

void Volume::stop_moving() {
  moves_cancelled_ = true;
  shared_locks_.wake();
}

Task<void> Volume::give_up_moving_turn() {
  if (!store_.cluster().spans_nodes()) co_return;
  const auto none = lock_range(LockRange::Type::kUnlock);
  static_cast<void>(co_await shared_locks_.lock(moving_lock_, none, false, nullptr));
  moving_turn_.release();
}

bool Volume::may_move() const { return !store_.cluster().spans_nodes() || shared_locks_.holds(moving_lock_); }

// Nothing that an earlier mover asks of names below `from_key` is done after this: what it had begun by then
// is there to be seen.
Task<Result<void>> Volume::become_mover(std::string from_key) {
  if (!store_.cluster().spans_nodes()) co_return {};
  mover_ = Uuid::make(runtime_.random());
  std::vector<Task<Result<FileOutcome>>> told;
  for (std::uint32_t index = 0; index < store_.cluster().set_count(); ++index) {
    Change change{.kind = FileCommand::kMoverChange};
    change.target.key = from_key;
    change.set = index;
    change.locked_prefixes.push_back(from_key);
    change.encode = [mover = mover_](const FileTarget& to) {
      RenamePayload payload;
      payload.target = to;
      payload.mover = mover;
      return encode(payload);
    };
    told.push_back(run(std::move(change)));
  }
  for (const auto& done : co_await async::gather(std::move(told)))
    if (!done) co_return std::unexpected(done.error());
  co_return {};
}

// Until no directory of this process is on its way to or from one of `keys`, what lies below it, or what it
// lies in.
Task<void> Volume::wait_for_moves_at(std::vector<std::string> keys) {
  while (std::ranges::any_of(moving_directories_, [&keys](const DirectoryPair& pair) {
    return meets(keys, pair.first, pair.second);
  }))
    co_await moved_.wait();
}

// The same for other nodes that are at it. Where nobody is, an error or a death has cut the rename off: it is
// ended here.
Task<Result<void>> Volume::wait_for_moves_elsewhere(std::string key) {
  if (store_.cluster().set_count() == 1) co_return {};
  while (true) {
    const auto standing = co_await or_return(standing_moves('d'));
    if (std::ranges::none_of(standing, [&key](const RenamePayload& move) {
          return meets({key}, move.target.key, move.to_key);
        }))
      co_return {};
    const auto turn = co_await take_moving_turn(false);
    if (turn) {
      auto ended = co_await end_moves_at({key});
      co_await give_up_moving_turn();
      co_return ended;
    }
    if (turn.error().code() != ErrorCode::kWouldBlock) co_return turn;
    if (moves_cancelled_) co_return fail(ErrorCode::kCancelled);
    co_await async::sleep_for(runtime_, kLockRetry);
  }
}

Task<Result<std::vector<RenamePayload>>> Volume::standing_moves(char kind) {
  std::vector<RenamePayload> moves;
  for (std::uint32_t index = 0; index < store_.cluster().set_count(); ++index)
    for (const std::string& each : co_await or_return(leftovers_of(index, std::string(1, kind))))
      moves.push_back(co_await or_return(decode<RenamePayload>(each.substr(1))));
  co_return moves;
}

// Whatever cut a rename off, on whichever node: the first that finds nobody at it goes on with it.
Task<void> Volume::watch_directory_moves() {
  while (!closing_.is_set()) {
    if (const auto standing = co_await standing_moves('d'))
      for (const RenamePayload& move : *standing)
        if (!moves_cancelled_ && co_await take_moving_turn(false)) {
          co_await finish_directory_move(move, begin_moving(move));
          co_await give_up_moving_turn();
        }
    static_cast<void>(co_await closing_.wait_until(runtime_.now() + kMoveWatch));
  }
}

Volume::MovingPlace Volume::begin_moving(const RenamePayload& move) {
  return moving_directories_.emplace(moving_directories_.end(), move.target.key, move.to_key);
}

Task<void> Volume::finish_directory_move(RenamePayload move, MovingPlace place) {
  const std::string words = move.target.key + " to " + move.to_key;
  auto done = co_await become_mover(move.target.key);
  if (done) done = co_await move_directory(std::move(move));
  moving_directories_.erase(place);
  moved_.notify_all();
  // Nothing to end, or somebody else goes on with it.
  const auto is_else = [](ErrorCode code) {
    return code == ErrorCode::kNoSuchKey || code == ErrorCode::kConflict || code == ErrorCode::kCancelled;
  };
  if (!done && !is_else(done.error().code()))
    base::log_warning("the rename of {} could not be ended whole: {}", words, done.error().describe());
}

// What a crash left where one process has all mounts.
Task<void> Volume::finish_directory_moves(std::vector<std::pair<RenamePayload, MovingPlace>> moves) {
  for (auto& [move, place] : moves) co_await finish_directory_move(std::move(move), place);
}

}  // namespace flashstor::files
