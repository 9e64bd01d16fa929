#include <algorithm>

#include "engine/files/plan_support.h"
#include "engine/files/volume.h"
#include "engine/storage/data_id.h"

namespace flashstor::files {

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
  Result<void> done;
  while (done && inode->is_dirty() && !inode->gone) done = co_await publish_step(inode);
  if (done && inode->slices.size() > kMaxSlicesInFile && !inode->gone) done = co_await fold(inode);
  if (!done && is_lost(done.error().code())) {
    // Another door replaced or removed the file: as after unlink, there is nothing to write to any more.
    inode->gone = true;
    inode->dirty.clear();
    inode->publishing.clear();
    inode->streaming.reset();
    done = fail(ErrorCode::kStaleHandle, "the file was replaced or removed meanwhile");
  }
  inode->publish_turn.release();
  co_return done;
}

// One commit: a streamed slice, a long run of its own, or as many short ones as fit into one piece of data.
Task<Result<void>> Volume::publish_step(OpenInodeRef inode) {
  if (inode->streaming) {
    Streaming streamed = std::move(*inode->streaming);
    inode->streaming.reset();
    const DataRef data = co_await or_return(streamed.stage->finish());
    std::vector<Placed> pieces{
        {streamed.at, {.data = data, .offset = 0, .length = streamed.bytes, .referrer = {}}}};
    co_return co_await commit(inode, std::move(pieces), data, {}, false);
  }
  const std::uint64_t run = inode->dirty.first_run_bytes();
  if (run == 0) co_return co_await commit(inode, {}, {}, {}, true);
  const bool alone = run > store_.options().inline_bytes;
  auto runs = inode->dirty.take(alone ? run : store_.options().inline_bytes);
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
  if (done) done = co_await commit(inode, std::move(pieces), data, std::move(bytes), inode->dirty.empty());
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

Task<Result<void>> Volume::commit(OpenInodeRef inode, std::vector<Placed> pieces, DataRef data,
                                  BufferChain bytes, bool last) {
  PublishPayload payload;
  payload.shrink_to = inode->shrink_to;
  payload.pieces = std::move(pieces);
  payload.posix = inode->posix;
  payload.revises = inode->revises;
  payload.has_data = data.place != DataPlace::kNone;
  payload.size = inode->size;
  if (!last) {  // only as far as what is committed then
    payload.size = std::min(inode->row.header.size, inode->shrink_to.value_or(inode->row.header.size));
    for (const Placed& piece : payload.pieces)
      payload.size = std::max(payload.size, piece.at + piece.slice.length);
    payload.size = std::min(payload.size, inode->size);
  }
  const PosixChange sent = inode->posix;
  const auto shrunk = std::exchange(inode->shrink_to, std::nullopt);
  for (int tries = 0;; ++tries) {
    if (inode->row.attributes.posix && inode->row.attributes.posix->nlink > 1 && !inode->orphan)
      payload.links = co_await or_return(names_of(inode->set, inode->inode));
    const std::string key = inode->key;
    Change change{.kind = FileCommand::kPublish};
    change.target.key = key;
    change.target.inode = inode->inode;
    change.set = inode->set;
    change.orphan = inode->orphan;
    change.locked_keys = payload.links;
    change.data = data;
    change.bytes = bytes;
    change.encode = [&payload](const FileTarget& to) {
      payload.target = to;
      return encode(payload);
    };
    auto done = co_await run(std::move(change));
    if (!done && done.error().code() == ErrorCode::kStale && tries < kMaxStaleRetries) continue;
    if (!done && is_lost(done.error().code()) && tries < kMaxStaleRetries && !inode->orphan) {
      auto moved = co_await follow(inode, key);
      if (moved && *moved) continue;
      if (!moved) done = std::unexpected(moved.error());
    }
    if (!done) {
      if (shrunk) inode->shrink_to = std::min(inode->shrink_to.value_or(*shrunk), *shrunk);
      co_return std::unexpected(done.error());
    }
    objects::VersionRow row = co_await or_return(objects::decode_version(done->row));
    if (!row.header.is_null) inode->revises = row.id;
    inode->committed(std::move(row));
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

// A list of very many short slices makes every publish dear: the densest neighbours become one.
Task<Result<void>> Volume::fold(OpenInodeRef inode) {
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
    co_await or_return(commit(inode, std::move(pieces), data, std::move(bytes), false));
  }
  co_return {};
}

Task<Result<void>> Volume::stream(OpenInode& inode, BufferChain bytes) {
  const std::uint64_t length = bytes.size();
  auto written = co_await inode.streaming->stage->write(std::move(bytes));
  if (!written) {
    inode.streaming.reset();
    co_return std::unexpected(written.error());
  }
  inode.streaming->bytes += length;
  co_return {};
}

Task<Result<void>> Volume::set_size(OpenInodeRef inode, std::uint64_t size) {
  if (size > kMaxFileBytes) co_return fail(ErrorCode::kFileTooLarge);
  co_await inode->writing.acquire();
  Result<void> done;
  if (inode->streaming) done = co_await publish(inode);
  co_await inode->publish_turn.acquire();
  if (done && size < inode->size) {
    inode->dirty.truncate(size);
    inode->shrink_to = std::min(inode->shrink_to.value_or(size), size);
    resize(inode->slices, std::min(size, bytes_of(inode->slices)));
  }
  if (done) {
    inode->size = size;
    inode->posix.mtime_ns = inode->posix.ctime_ns = base::to_nanoseconds(runtime_.wall_now());
  }
  inode->publish_turn.release();
  inode->writing.release();
  co_return done;
}

Task<Result<void>> Volume::sync_all() {
  std::vector<OpenInodeRef> inodes;
  for (const auto& [id, inode] : open_) inodes.push_back(inode);
  Result<void> all;
  for (const OpenInodeRef& inode : inodes)
    if (auto done = co_await publish(inode); !done && all && !inode->gone) all = done;
  if (auto done = co_await publish_all_times(); !done && all) all = done;
  co_return all;
}

Task<Result<BufferChain>> Volume::read(OpenInodeRef inode, std::uint64_t offset, std::uint64_t size) {
  if (offset >= inode->size) co_return BufferChain{};
  size = std::min(size, inode->size - offset);
  if (inode->streaming && inode->streaming->at < offset + size) co_await or_return(publish(inode));
  // Newest first: what is dirty, what is being published, what is committed, zeros. All references are taken
  // before the first wait.
  struct Piece {
    std::uint64_t offset;
    BufferChain bytes;
    Slice slice;
  };
  std::vector<Piece> pieces;
  const auto committed = [&](std::uint64_t from, std::uint64_t length) {
    std::uint64_t at = from;
    for (Slice& slice : cut(inode->slices, from, length)) {
      pieces.push_back({at, {}, slice});
      at += slice.length;
    }
    if (at < from + length) pieces.push_back({at, {}, {.length = from + length - at}});
  };
  const auto fill = [&](const WriteBuffer& buffer, std::uint64_t from, std::uint64_t length, auto below) {
    std::uint64_t at = from;
    for (WriteBuffer::Run& run : buffer.find(from, length)) {
      if (run.offset > at) below(at, run.offset - at);
      at = run.offset + run.bytes.size();
      pieces.push_back({run.offset, std::move(run.bytes), {}});
    }
    if (at < from + length) below(at, from + length - at);
  };
  fill(inode->dirty, offset, size,
       [&](std::uint64_t from, std::uint64_t length) { fill(inode->publishing, from, length, committed); });
  const bool ahead = offset == inode->read_end;
  inode->read_end = offset + size;
  BufferChain out;
  for (Piece& piece : pieces) {
    if (!piece.bytes.empty()) {
      out.append(std::move(piece.bytes));
    } else if (piece.slice.data.place == DataPlace::kNone) {
      Buffer zeros = Buffer::allocate(piece.slice.length);
      std::fill(zeros.writable_span().begin(), zeros.writable_span().end(), std::byte{0});
      out.append(std::move(zeros));
    } else {
      out.append(
          co_await or_return(stripes_.read(piece.slice.data, piece.slice.offset, piece.slice.length, ahead)));
    }
  }
  co_return out;
}

}  // namespace flashstor::files
