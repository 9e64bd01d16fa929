#include <algorithm>

#include "engine/base/log.h"
#include "engine/files/plan_support.h"
#include "engine/files/volume.h"
#include "engine/storage/data_id.h"

namespace flashstor::files {
namespace {

// The file was not where its data was brought; it is known by now where it is.
bool is_parked(const Error& error) {
  return error.code() == ErrorCode::kConflict && error.message() == kParked;
}

// Another node has published since.
bool is_changed(const Error& error) {
  return error.code() == ErrorCode::kConflict && error.message() == kChanged;
}

bool is_foreign(const Error& error) {
  return error.code() == ErrorCode::kNotSupported && error.message() == kForeignData;
}

bool is_refused(const Error& error) {
  return is_lost(error.code()) || error.code() == ErrorCode::kStale ||
         (error.code() == ErrorCode::kConflict && error.message() == kMoving);
}

}  // namespace

DataRef Volume::new_data(const OpenInode& inode, DataPlace place, std::uint64_t length) {
  const cluster::SetInfo& info = store_.cluster().set_at(inode.set).info();
  const std::uint8_t parity = inode.row.header.storage_class == objects::StorageClass::kReducedRedundancy
                                  ? info.reduced_parity
                                  : info.default_parity;
  DataRef data;
  // Shard files spread over directories by their id's first digits.
  data.id = place == DataPlace::kLog ? storage::make_log_data_id(runtime_.wall_now(), runtime_.random())
                                     : Uuid::make(runtime_.random());
  data.set = info.index;
  data.geometry = {static_cast<std::uint8_t>(info.drives - parity), parity};
  data.place = place;
  data.length = length;
  return data;
}

Task<Result<void>> Volume::publish(OpenInodeRef inode) {
  co_await inode->publish_turn.acquire();
  auto done = co_await publish_held(inode);
  inode->publish_turn.release();
  co_return done;
}

// The caller has the turn to publish.
Task<Result<void>> Volume::publish_held(OpenInodeRef inode) {
  Result<void> done;
  if (inode->lost) done = std::unexpected(inode->lost->error);
  const MonotonicTime give_up = runtime_.now() + kChaseFor;
  while (done && inode->is_dirty() && !inode->gone) {
    done = co_await publish_step(inode);
    if (done || (!is_parked(done.error()) && !is_changed(done.error()))) continue;
    if (runtime_.now() >= give_up)
      done = fail(ErrorCode::kBusy, "the file is renamed, or published by others, all the time");
    else
      done = is_changed(done.error()) ? co_await look_held(inode) : Result<void>();
  }
  if (done && inode->slices.size() > kMaxSlicesInFile && !inode->gone) done = co_await fold(inode);
  if (!done && is_lost(done.error().code())) {
    // Another door replaced or removed the file: as after unlink, there is nothing to write to any more.
    inode->gone = true;
    inode->dirty.clear();
    inode->publishing.clear();
    inode->streaming.reset();
    inode->appended.reset();
    inode->doubts.clear();
    done = fail(ErrorCode::kStaleHandle, "the file was replaced or removed meanwhile");
  }
  co_return done;
}

// One commit: a streamed slice, a long run of its own, or as many short ones as fit into one piece of data.
Task<Result<void>> Volume::publish_step(OpenInodeRef inode) {
  if (inode->parked) co_return co_await publish_parked(inode);
  if (inode->streaming) {
    Streaming streamed = std::move(*inode->streaming);
    inode->streaming.reset();
    inode->in_flight = true;  // nor can it be read while it comes to its end
    const auto data = co_await streamed.stage->finish();
    inode->in_flight = data.has_value();
    if (!data) co_return std::unexpected(inode->lose(streamed.at, data.error()));
    auto done = co_await publish_staged(inode, streamed.at, *data);
    if (!done && !inode->parked && !is_lost(done.error().code()))
      co_return std::unexpected(inode->lose(streamed.at, done.error()));
    co_return done;
  }
  std::uint64_t run = inode->dirty.first_run_bytes();
  if (run == 0) co_return co_await commit(inode, {}, {}, {}, Step::kLast);
  const bool alone = run > store_.options().inline_bytes;
  if (alone && inode->appended)  // what may have to move stands by itself
    for (const std::uint64_t border : {inode->appended->from, inode->appended->end})
      if (const std::uint64_t at = inode->dirty.start(); border > at) run = std::min(run, border - at);
  auto runs = inode->dirty.take(alone ? run : inode->most_at_once(store_.options().inline_bytes));
  for (const WriteBuffer::Run& each : runs) inode->publishing.write(each.offset, each.bytes);
  BufferChain bytes;
  std::vector<Placed> pieces;
  for (WriteBuffer::Run& each : runs) {
    pieces.push_back({each.offset, {.offset = bytes.size(), .length = each.bytes.size()}});
    bytes.append(each.bytes);
  }
  Result<void> done;
  DataRef data = new_data(*inode, DataPlace::kLog, bytes.size());
  if (alone) {
    auto stage = co_await store_.cluster().set_at(inode->set).stage(data.id, data.geometry, bytes.size());
    if (stage) done = co_await (*stage)->write(std::move(bytes));
    if (stage && done) {
      auto finished = co_await (*stage)->finish();
      if (finished) data = *finished;
      if (!finished) done = std::unexpected(finished.error());
    }
    if (!stage) done = std::unexpected(stage.error());
    bytes = BufferChain();
  }
  for (Placed& piece : pieces) piece.slice.data = data;
  if (done && alone)
    done = co_await publish_staged(inode, pieces.front().at, data);
  else if (done)
    done = co_await commit(inode, std::move(pieces), data, std::move(bytes),
                           inode->dirty.empty() ? Step::kLast : Step::kMore);
  if (!done) {  // what was not taken is dirty again, under what was written meanwhile
    WriteBuffer merged;
    for (WriteBuffer::Run& each : runs) merged.write(each.offset, std::move(each.bytes));
    for (WriteBuffer::Run& each : inode->dirty.find(0, kMaxFileBytes))
      merged.write(each.offset, std::move(each.bytes));
    inode->dirty = std::move(merged);
  }
  inode->publishing.clear();
  co_return done;
}

Task<Result<void>> Volume::publish_staged(OpenInodeRef inode, std::uint64_t at, DataRef data) {
  std::vector<Placed> pieces{{at, {.data = data, .offset = 0, .length = data.length, .referrer = {}}}};
  inode->in_flight = true;
  auto done = co_await commit(inode, std::move(pieces), data, {}, Step::kMore);
  if (!done && is_parked(done.error())) {
    inode->parked = {at, data};
    done = co_await publish_parked(inode);
  }
  inode->in_flight = false;
  co_return done;
}

// Parked data is taken over where it lies, and copied only when the file is in another set by now. It stays
// parked after an error, for the next publish, unless the file is gone.
Task<Result<void>> Volume::publish_parked(OpenInodeRef inode) {
  const MonotonicTime give_up = runtime_.now() + kChaseFor;
  while (runtime_.now() < give_up) {
    const OpenInode::Parked parked = *inode->parked;
    DataRef data = parked.data;
    const bool here = inode->set == data.set;
    if (!here) {
      auto copied = co_await copy_parked(*inode, data);
      if (!copied) co_return std::unexpected(copied.error());
      data = *copied;
    }
    std::vector<Placed> pieces{
        {parked.at, {.data = data, .offset = 0, .length = data.length, .referrer = {}}}};
    auto done = co_await commit(inode, std::move(pieces), here ? DataRef{} : data, {}, Step::kMore);
    const bool moved = !done && is_parked(done.error());
    if (!done && is_changed(done.error())) {
      co_await or_return(look_held(inode));
      continue;
    }
    if (!done && !moved && !is_lost(done.error().code())) co_return done;
    if (moved && here) continue;
    if (!done || !here) co_await drop_parked(parked.data);
    inode->parked.reset();
    if (!moved) co_return done;
    inode->parked = {parked.at, data};
  }
  co_return fail(ErrorCode::kBusy, "the file is renamed all the time");
}

// What has streamed for a name that the file does not have any more, written again for the one that it has.
Task<Result<DataRef>> Volume::copy_parked(const OpenInode& inode, DataRef data) {
  if (inode.gone) co_return fail(ErrorCode::kStaleHandle);
  const DataRef fresh = new_data(inode, DataPlace::kFile, 0);
  auto stage =
      co_await or_return(store_.cluster().set_at(inode.set).stage(fresh.id, fresh.geometry, data.length));
  for (std::uint64_t at = 0; at < data.length; at += limits::kMiB) {
    const std::uint64_t length = std::min<std::uint64_t>(limits::kMiB, data.length - at);
    BufferChain bytes = co_await or_return(stripes_.read(data, at, length, true));
    co_await or_return(stage->write(std::move(bytes)));
  }
  co_return co_await stage->finish();
}

// Where it cannot be removed now, the next mount of the bucket does.
Task<void> Volume::drop_parked(DataRef data) {
  Change change{.kind = FileCommand::kRemove};
  change.target.key = data.id.to_text();
  change.set = data.set;
  change.orphan = true;
  change.encode = [](const FileTarget& to) { return encode(RemovePayload{.target = to}); };
  const auto removed = co_await run(std::move(change));
  if (!removed && !is_lost(removed.error().code()))
    base::log_warning("what a file that was renamed has streamed is kept until the next mount: {}",
                      removed.error().describe());
}

// What a commit that was refused waits for, or looks for, before it is tried again. False: the file is gone.
// `lost`: it was not at `tried`.
Task<Result<bool>> Volume::find_again(OpenInodeRef inode, std::string tried, bool lost) {
  inode->check_names = true;
  if (inode->orphan) co_return !lost;  // nobody renames it any more
  if (store_.cluster().set_count() > 1) co_await or_return(await_move(tried));
  co_return co_await follow(inode, std::move(tried));
}

namespace {

// What is to be known of a commit when nobody hears whether it was made.
OpenInode::Doubt in_doubt(const OpenInode& inode, const std::vector<Placed>& pieces, const DataRef& data) {
  OpenInode::Doubt doubt{.data = data.id, .ctime_ns = inode.posix.ctime_ns, .shrink_to = inode.shrink_to};
  if (const std::uint64_t size = bytes_of(inode.row.slices); inode.shrink_to && *inode.shrink_to < size)
    doubt.cut_off = cut(inode.row.slices, *inode.shrink_to, size - *inode.shrink_to);
  for (const Placed& piece : pieces) {
    const std::uint64_t end = piece.at + piece.slice.length;
    if (!inode.appended || end <= inode.appended->from || piece.at >= inode.appended->end) continue;
    if (doubt.append_end == 0) {
      doubt.append_from = inode.appended->from;
      doubt.append_at =
          piece.slice.offset + (inode.appended->from - std::min(piece.at, inode.appended->from));
    }
    doubt.append_end = std::min(end, inode.appended->end);
  }
  return doubt;
}

}  // namespace

Task<Result<void>> Volume::commit(OpenInodeRef inode, std::vector<Placed> pieces, DataRef data,
                                  BufferChain bytes, Step step) {
  const bool last = step == Step::kLast;
  PublishPayload payload;
  payload.shrink_to = inode->shrink_to;
  const bool shared = store_.cluster().spans_nodes() && !inode->orphan;
  const OpenInode::Doubt sending = in_doubt(*inode, pieces, data);
  // What is appended goes behind what is there, so that must be known; so must be whether what was sent
  // before is there.
  payload.folds = step == Step::kFold;
  payload.only_known = payload.folds || (shared && (sending.append_end != 0 || !inode->doubts.empty()));
  if (payload.only_known || shared) payload.knows = inode->row.id;
  payload.pieces = std::move(pieces);
  payload.posix = inode->posix;
  payload.revises = inode->revises;
  payload.has_data = data.place != DataPlace::kNone;
  // Others may have made the file longer: it gets no shorter than its pieces, or what it was made here.
  if (last && inode->grows()) payload.size = inode->size;
  const PosixChange sent = inode->posix;
  // Where its data is; refused if the file is not there. Data that is parked already is taken over.
  std::optional<std::uint32_t> bound;
  if (payload.has_data) bound = data.set;
  const bool staged = data.place == DataPlace::kFile;
  if (!payload.has_data && !payload.pieces.empty() &&
      payload.pieces.front().slice.data.place == DataPlace::kFile) {
    payload.adopt = true;
    bound = payload.pieces.front().slice.data.set;
  }
  if (staged || payload.adopt) payload.park = orphans_of((co_await or_return(bucket()))->id);
  payload.may_move = !inode->orphan && store_.cluster().set_count() > 1;
  const MonotonicTime give_up = runtime_.now() + kChaseFor;
  int chased = 0;
  int foreign = 0;
  while (true) {
    const bool linked = inode->row.attributes.posix && inode->row.attributes.posix->nlink > 1;
    if ((linked || inode->check_names) && !inode->orphan)
      payload.links = co_await or_return(names_of(inode->set, inode->inode));
    const std::string key = inode->key;
    Change change{.kind = FileCommand::kPublish};
    change.target.key = key;
    change.target.inode = inode->inode;
    change.set = bound.value_or(inode->set);
    if (payload.adopt) change.parked = payload.pieces.front().slice.data.id;
    change.orphan = inode->orphan;
    change.locked_keys = payload.links;
    // Who is renamed without end is caught by holding all names for the one moment.
    payload.chase = chased >= kChasesBeforeLock && !inode->orphan;
    if (payload.chase) change.locked_prefixes.emplace_back();
    change.takes_first = foreign > 0;
    change.data = data;
    change.bytes = bytes;
    change.encode = [&payload](const FileTarget& to) {
      payload.target = to;
      return encode(payload);
    };
    auto done = co_await run(std::move(change));
    const bool parked = done && done->more;
    // The name for which references were to be taken is not the file's any more.
    const bool vain = !done && is_foreign(done.error()) && ++foreign <= kMaxStaleRetries;
    if (parked || vain || (!done && is_refused(done.error()))) {
      const bool lost = !done && is_lost(done.error().code());
      if (lost) ++chased;
      auto found = co_await find_again(inode, key, lost);
      if (!found) {
        done = parked ? fail(ErrorCode::kConflict, std::string(kParked)) : std::unexpected(found.error());
      } else if (!*found) {
        done = fail(ErrorCode::kStaleHandle);
      } else if (parked || (bound && *bound != inode->set)) {
        done = fail(ErrorCode::kConflict, std::string(kParked));
      } else if (runtime_.now() > give_up) {
        done = fail(ErrorCode::kBusy, "the file is renamed all the time");
      } else {
        continue;
      }
      if (parked && !is_parked(done.error())) co_await drop_parked(data);
    }
    if (!done && done.error().code() == ErrorCode::kUnknownOutcome && shared)
      inode->doubts.push_back(sending);
    if (!done) co_return std::unexpected(done.error());
    const bool keeps_size = !last && inode->grows();
    inode->doubts.clear();
    inode->publishing.clear();
    inode->take_append(sending.append_end);
    inode->shrink_to.reset();
    objects::VersionRow row = co_await or_return(objects::decode_version(done->row));
    if (!done->key.empty()) rekey(*inode, done->key);
    if (!row.header.is_null) inode->revises = row.id;
    if (done->merged) inode->merged = true;
    inode->committed(std::move(row), keeps_size);
    inode->check_names = false;  // the row says whether there are several
    break;
  }
  // What was set while the commit was under way is still to be published.
  const auto settle = [](auto& now, const auto& was) {
    if (now == was) now.reset();
  };
  settle(inode->posix.mode, sent.mode);
  settle(inode->posix.uid, sent.uid);
  settle(inode->posix.gid, sent.gid);
  settle(inode->posix.mtime_ns, sent.mtime_ns);
  settle(inode->posix.atime_ns, sent.atime_ns);
  settle(inode->posix.ctime_ns, sent.ctime_ns);
  co_return {};
}

// A list of very many short slices makes every publish dear: the densest neighbours become one. What another
// node publishes while they are read stays.
Task<Result<void>> Volume::fold(OpenInodeRef inode) {
  int tries = 0;
  while (inode->slices.size() > kMaxSlicesInFile / 2) {
    const Fold best = best_fold(inode->slices, store_.options().inline_bytes);
    if (best.length == 0 || best.offset + best.length > inode->row.header.size) co_return {};
    BufferChain bytes;
    std::vector<Slice> parts = cut(inode->slices, best.offset, best.length);
    for (const Slice& part : parts) {
      if (part.data.place == DataPlace::kNone) {
        Buffer zeros = Buffer::allocate(part.length);
        std::fill(zeros.writable_span().begin(), zeros.writable_span().end(), std::byte{0});
        bytes.append(std::move(zeros));
        continue;
      }
      bytes.append(co_await or_return(stripes_.read(part.data, part.offset, part.length, false)));
    }
    const DataRef data = new_data(*inode, DataPlace::kLog, bytes.size());
    std::vector<Placed> pieces{
        {best.offset, {.data = data, .offset = 0, .length = bytes.size(), .referrer = {}}}};
    const auto done = co_await commit(inode, std::move(pieces), data, std::move(bytes), Step::kFold);
    if (!done && is_changed(done.error()) && ++tries <= kMaxStaleRetries) {
      if (!co_await look_held(inode)) co_return {};
      continue;
    }
    if (!done && is_changed(done.error())) co_return {};
    if (!done && is_parked(done.error())) co_return {};  // the next publish folds
    if (!done) co_return done;
  }
  co_return {};
}

}  // namespace flashstor::files
