#include "engine/files/plan_support.h"
#include "engine/files/volume.h"
#include "engine/objects/store_parts.h"

namespace flashstor::files {

using objects::StoreParts;

namespace {

bool is_moving(const Error& error) {
  return error.code() == ErrorCode::kConflict && error.message() == kMoving;
}

}  // namespace

Task<Result<FileOutcome>> Volume::move_step(FileCommand kind, const MovePayload& move, std::string key,
                                            std::vector<std::string> links, Uuid referrer) {
  Change change{.kind = kind, .referrer = referrer};
  change.target.key = std::move(key);
  change.target.inode = move.target.inode;
  change.locked_keys = std::move(links);
  if (kind == FileCommand::kMovePlace) change.locked_prefixes.push_back(move.to_key + "/");
  change.encode = [&move](const FileTarget& to) {
    MovePayload payload = move;
    payload.target = to;
    return encode(payload);
  };
  co_return co_await run(std::move(change));
}

Task<Result<FileOutcome>> Volume::move_across(MovePayload move, std::vector<std::string> links) {
  while (moving_keys_.contains(move.from_key)) co_await moved_.wait();
  const std::string from_key = move.from_key;
  moving_keys_.insert(from_key);
  auto done = co_await move_now(move, links);
  // A node that mounts the bucket just then, or does not hear of this one, refuses what it finds under way.
  for (int tries = 0; !done && done.error().code() == ErrorCode::kConflict && tries < kMaxStaleRetries;
       ++tries) {
    co_await async::sleep_for(runtime_, kMoveRetry);
    done = co_await move_now(move, links);
  }
  moving_keys_.erase(from_key);
  moved_.notify_all();
  co_return done;
}

Task<Result<FileOutcome>> Volume::move_now(MovePayload move, std::vector<std::string> links) {
  const objects::BucketRef bucket = co_await or_return(this->bucket());
  const StoreParts parts{store_};
  move.move = Uuid::make(runtime_.random());
  move.forward = store_.cluster().spans_nodes();
  auto begun = co_await move_step(FileCommand::kMoveBegin, move, move.from_key, {});
  for (int tries = 0; !begun && is_moving(begun.error()) && tries < kMaxStaleRetries; ++tries) {
    co_await or_return(await_foreign_move(move.from_key));
    begun = co_await move_step(FileCommand::kMoveBegin, move, move.from_key, {});
  }
  if (!begun) co_return std::unexpected(begun.error());
  std::vector<Slice> shared;
  auto placed = co_await place_moved(*bucket, move, begun->row, std::move(links), shared);
  if (!placed) {
    const auto settled = co_await or_return(move_step(FileCommand::kMoveSettle, move, move.to_key, {}));
    // Its answer was lost: the rename is made all the same.
    if (settled.more) placed = FileOutcome{.row = move.row, .orphan = move.keep_orphan ? move.row : ""};
  }
  const bool is_placed = placed.has_value();
  move.placed = is_placed;
  move.row.clear();
  move.slices_row.clear();
  const auto ended = co_await end_move(move);
  cluster::SetApi& home = parts.set_of(*bucket, move.to_key);
  if (is_placed) {
    co_await parts.settle_references(home.info().index, shared);
  } else {
    co_await parts.give_back(home, shared);
  }
  // An intent that could not be ended is ended later, or by the next who meets it: the decision stays for
  // them, and the file has its new name.
  if (ended)
    static_cast<void>(co_await move_step(FileCommand::kMoveForget, move, move.to_key, {}));
  else
    gate_.spawn(end_move_later(move.from_key));
  co_return placed;
}

// Until then both names show the file, so a rename is not answered while the old name's set changes its
// leader.
Task<Result<FileOutcome>> Volume::end_move(const MovePayload& move) {
  auto pause = kMoveRetry;
  for (int tries = 1;; ++tries, pause *= 4) {
    auto ended = co_await move_step(FileCommand::kMoveEnd, move, move.from_key, {});
    if (ended || tries == kMoveEndTries || co_await closing_.wait_until(runtime_.now() + pause))
      co_return ended;
  }
}

Task<void> Volume::end_move_later(std::string from_key) {
  while (!co_await closing_.wait_until(runtime_.now() + kMoveAgain))
    if (co_await settle_foreign_move(from_key)) co_return;
}

// The new name with references of its own to the data, which stays where it is.
Task<Result<FileOutcome>> Volume::place_moved(const objects::Bucket& bucket, MovePayload& move,
                                              std::string row_bytes, std::vector<std::string> links,
                                              std::vector<Slice>& shared) {
  const StoreParts parts{store_};
  objects::VersionRow row = co_await or_return(objects::decode_version(row_bytes));
  move.version = row.id;
  co_await or_return(parts.inflate(bucket, move.from_key, row));
  if (row.header.layout == objects::Layout::kSlices) {
    shared = co_await or_return(parts.add_references(bucket, move.from_key, row.id, row.slices,
                                                     parts.set_of(bucket, move.to_key).info().index));
    std::vector<objects::PartInfo> part_list = std::move(row.parts);
    row.slices.clear();
    move.slices_row = objects::place_slices(row, shared, std::move(part_list), runtime_.random());
  } else if (row.header.layout != objects::Layout::kEmpty) {
    co_return fail(ErrorCode::kCrossDevice, "a layout that stays in its set");
  }
  move.row = objects::encode_version(row);
  co_return co_await move_step(FileCommand::kMovePlace, move, move.to_key, std::move(links),
                               objects::referrer_of(shared));
}

// Somebody began to move `key` and has not ended it: decides it, unless this volume is at it.
Task<Result<void>> Volume::settle_move(std::string key) {
  if (moving_keys_.contains(key)) {
    while (moving_keys_.contains(key)) co_await moved_.wait();
    co_return {};
  }
  co_return co_await settle_foreign_move(std::move(key));
}

// Nothing when nobody moves `key`.
Task<Result<MovePayload>> Volume::standing_file_move(std::string key) {
  const std::string bytes = co_await or_return(ask(FileCommand::kMove, std::move(key)));
  if (bytes.empty()) co_return MovePayload{};
  co_return decode<MovePayload>(bytes);
}

Task<Result<void>> Volume::settle_foreign_move(std::string key) {
  MovePayload move = co_await or_return(standing_file_move(std::move(key)));
  if (move.move.is_nil()) co_return {};
  co_return co_await finish_move(std::move(move));
}

Task<Result<void>> Volume::await_move(std::string key) {
  if (moving_keys_.contains(key)) co_return co_await settle_move(std::move(key));
  co_return co_await await_foreign_move(std::move(key));
}

// To settle a move that has not come to its new name is to refuse it, and whoever moves may be alive: that is
// waited for.
Task<Result<void>> Volume::await_foreign_move(std::string key) {
  const MonotonicTime patience = runtime_.now() + kMoveWait;
  while (runtime_.now() < patience) {
    const MovePayload move = co_await or_return(standing_file_move(key));
    if (move.move.is_nil()) co_return {};
    co_await async::sleep_for(runtime_, kMovePoll);
  }
  co_return co_await settle_foreign_move(std::move(key));
}

Task<Result<void>> Volume::finish_move(MovePayload move) {
  const auto settled = co_await or_return(move_step(FileCommand::kMoveSettle, move, move.to_key, {}));
  move.placed = settled.more;
  co_await or_return(move_step(FileCommand::kMoveEnd, move, move.from_key, {}));
  co_await or_return(move_step(FileCommand::kMoveForget, move, move.to_key, {}));
  co_return {};
}

}  // namespace flashstor::files
