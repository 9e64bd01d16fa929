#include <algorithm>

#include "engine/files/volume.h"

namespace flashstor::files {

Task<Result<void>> Volume::stream(OpenInode& inode, BufferChain bytes) {
  const std::uint64_t length = bytes.size();
  auto written = co_await inode.streaming->stage->write(std::move(bytes));
  if (!written) {
    const std::uint64_t at = inode.streaming->at;
    inode.streaming.reset();
    co_return std::unexpected(inode.lose(at, written.error()));
  }
  inode.streaming->bytes += length;
  co_return {};
}

// `cuts`: whatever is behind `size` goes, also what another node has put there and this one has not seen.
Task<Result<void>> Volume::set_size(OpenInodeRef inode, std::uint64_t size, bool cuts) {
  if (size > kMaxFileBytes) co_return fail(ErrorCode::kFileTooLarge);
  co_await inode->writing.acquire();
  co_await inode->publish_turn.acquire();
  Result<void> done;
  if (inode->streaming || inode->parked) done = co_await publish_held(inode);
  if (done && (size < inode->size || (cuts && store_.cluster().spans_nodes()))) {
    inode->dirty.truncate(size);
    inode->cut_append(size);
    inode->shrink_to = std::min(inode->shrink_to.value_or(size), size);
    resize(inode->slices, std::min(size, bytes_of(inode->slices)));
  }
  if (done) {
    if (inode->lost && size <= inode->lost->at) inode->lost.reset();
    inode->size = size;
    inode->posix.mtime_ns = inode->posix.ctime_ns = base::to_nanoseconds(runtime_.wall_now());
  }
  inode->publish_turn.release();
  inode->writing.release();
  co_return done;
}

Task<Result<void>> Volume::sync_all() {
  auto all = co_await publish_open(true);
  if (auto done = co_await publish_all_times(); !done && all) all = done;
  co_return all;
}

// Every file that is open. The first error; of files that have lost bytes only where `lost` asks for it.
Task<Result<void>> Volume::publish_open(bool lost) {
  std::vector<OpenInodeRef> inodes;
  for (const auto& [id, inode] : open_) inodes.push_back(inode);
  Result<void> all;
  for (const OpenInodeRef& inode : inodes)
    if (auto done = co_await publish(inode); !done && all && !inode->gone && (lost || !inode->lost))
      all = done;
  co_return all;
}

Task<Result<BufferChain>> Volume::read(OpenInodeRef inode, std::uint64_t offset, std::uint64_t size) {
  // Who finds it gone reads on what it had, and so does everybody where the set cannot be asked, but for
  // bytes behind it: a kernel that was told of them would take them for zeros.
  if (inode->outdated)
    if (auto seen = co_await look_again(inode); !seen && !is_lost(seen.error().code()))
      if (inode->told > inode->size && offset + size > inode->size) co_return std::unexpected(seen.error());
  if (offset >= inode->size) co_return BufferChain{};
  size = std::min(size, inode->size - offset);
  // What streams, or has streamed and is not committed yet, cannot be read.
  if (inode->in_flight || inode->parked || (inode->streaming && inode->streaming->at < offset + size))
    co_await or_return(publish(inode));
  if (inode->lost && inode->lost->at < offset + size) co_return std::unexpected(inode->lost->error);
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
