#include "engine/files/open_file.h"

#include <algorithm>
#include <utility>

namespace flashstor::files {
namespace {
constexpr std::uint64_t kCopyStepBytes = limits::kMiB;
constexpr std::uint64_t kMostCopiedBytes =
    64 * limits::kMiB;  ///< A call; the kernel asks again for the rest.
}  // namespace

Task<Result<BufferChain>> OpenFile::read(std::uint64_t offset, std::size_t size) {
  co_return co_await volume_.read(inode_, offset, size);
}

Task<Attributes> OpenFile::look() {
  // Where the set cannot be asked, what is known is told.
  static_cast<void>(co_await volume_.look_again(inode_));
  co_return attributes();
}

Task<Result<std::size_t>> OpenFile::write(std::uint64_t offset, BufferChain bytes) {
  const std::size_t length = bytes.size();
  if (inode_->gone) co_return fail(ErrorCode::kStaleHandle);
  if (offset > kMaxFileBytes - length) co_return fail(ErrorCode::kFileTooLarge);
  co_await inode_->writing.acquire();
  Result<void> done;
  if (inode_->lost) done = std::unexpected(inode_->lost->error);
  if (mode_.append && done) {
    done = co_await volume_.look_again(inode_);
    offset = inode_->size;
  }
  if (done) done = co_await put(offset, std::move(bytes), mode_.append);
  inode_->writing.release();
  if (!done) co_return std::unexpected(done.error());
  co_return length;
}

// Bytes that follow what streams already go the same way; the rest waits in the buffer until it is published
// or a run is long enough to stream.
Task<Result<void>> OpenFile::put(std::uint64_t offset, BufferChain bytes, bool append) {
  OpenInode& inode = *inode_;
  const std::uint64_t length = bytes.size();
  const bool moves = append && volume_.store_.cluster().spans_nodes();
  // A publish may bring what was appended before to another place while this waits for it.
  const auto place = [&] {
    if (!append) return;
    offset = inode.size;
    if (moves) inode.note_append(length);
  };
  if (inode.streaming) {
    const Streaming& streaming = *inode.streaming;
    if (offset == streaming.at + streaming.bytes && streaming.bytes < kMaxStageBytes &&
        moves == inode.appends(streaming.at)) {
      co_await inode.publish_turn.acquire();
      place();
      Result<void> done;
      const bool still =
          inode.streaming.has_value() && inode.streaming->at + inode.streaming->bytes == offset;
      BufferChain streamed = std::exchange(bytes, {});
      if (still) {
        done = co_await volume_.stream(inode, std::move(streamed));
      } else {
        inode.dirty.write(offset, std::move(streamed));
      }
      inode.publish_turn.release();
      if (!done) co_return done;
    } else {
      co_await or_return(volume_.publish(inode_));
    }
  }
  if (!bytes.empty()) {
    place();
    inode.dirty.write(offset, std::move(bytes));
  }
  const std::uint64_t end = offset + length;
  inode.size = std::max(inode.size, end);
  inode.posix.mtime_ns = inode.posix.ctime_ns = base::to_nanoseconds(volume_.runtime_.wall_now());
  const auto is_long_run = [&inode] {
    return inode.dirty.bytes() >= kStageFromBytes && inode.dirty.first_run_bytes() == inode.dirty.bytes() &&
           (!inode.appended || inode.dirty.bytes() == inode.appended->end - inode.appended->from);
  };
  if (!inode.streaming && is_long_run() && inode.dirty.end() == end) {
    co_await inode.publish_turn.acquire();
    // An fsync beside this write may have published the run while it waited for its turn, or lost what was
    // before it.
    if (inode.lost || !is_long_run()) {
      inode.publish_turn.release();
      co_return {};
    }
    Result<void> done;
    const DataRef data = volume_.new_data(inode, DataPlace::kFile, 0);
    auto stage = co_await volume_.store_.cluster().set_at(inode.set).stage(data.id, data.geometry, 0);
    if (stage) {
      auto runs = inode.dirty.take(inode.dirty.bytes());
      inode.streaming.emplace(Streaming{std::move(*stage), runs.front().offset, 0});
      for (WriteBuffer::Run& run : runs)
        if (done) done = co_await volume_.stream(inode, std::move(run.bytes));
    } else {
      done = std::unexpected(stage.error());
    }
    inode.publish_turn.release();
    co_return done;
  }
  if (inode.dirty.bytes() > kMaxDirtyBytes) co_return co_await volume_.publish(inode_);
  co_return {};
}

Task<Result<void>> OpenFile::sync(bool /*data_only*/) {
  if (inode_->gone) co_return fail(ErrorCode::kStaleHandle);
  co_return co_await volume_.publish(inode_);
}

Task<Result<void>> OpenFile::flush() {
  if (inode_->gone || (!inode_->is_dirty() && !inode_->lost)) co_return {};
  if (inode_->orphan) co_return {};  // nobody will read it after the last release
  co_return co_await volume_.publish(inode_);
}

Task<Result<void>> OpenFile::release() {
  if (inode_->orphan && inode_->opens == 1) inode_->gone = true;
  co_return co_await volume_.let_go(inode_);
}

Task<Result<void>> OpenFile::zero(std::uint64_t offset, std::uint64_t length) {
  co_await inode_->writing.acquire();
  Result<void> done = co_await volume_.publish(inode_);
  if (done && offset < inode_->size) {
    length = std::min(length, inode_->size - offset);
    inode_->posix.mtime_ns = inode_->posix.ctime_ns = base::to_nanoseconds(volume_.runtime_.wall_now());
    co_await inode_->publish_turn.acquire();
    std::vector<Placed> hole{{offset, {.length = length}}};
    done = co_await volume_.commit(inode_, std::move(hole), {}, {}, Volume::Step::kLast);
    inode_->publish_turn.release();
  }
  inode_->writing.release();
  co_return done;
}

Task<Result<void>> OpenFile::allocate(AllocateKind kind, std::uint64_t offset, std::uint64_t length) {
  if (length == 0 || offset > kMaxFileBytes - length) co_return fail(ErrorCode::kInvalidArgument);
  const std::uint64_t end = offset + length;
  switch (kind) {
    case AllocateKind::kKeepSize:
      // Room is not reserved: bytes are written to new places anyway, and a full set says so at the write.
      co_return {};
    case AllocateKind::kExtend:
      if (end > inode_->size) co_return co_await volume_.set_size(inode_, end, false);
      co_return {};
    case AllocateKind::kPunchHole:
      co_return co_await zero(offset, length);
    case AllocateKind::kZeroRange:
      if (end > inode_->size) co_await or_return(volume_.set_size(inode_, end, false));
      co_return co_await zero(offset, length);
  }
  co_return fail(ErrorCode::kNotSupported);
}

Task<Result<std::uint64_t>> OpenFile::seek(SeekKind kind, std::uint64_t offset) {
  co_await or_return(volume_.publish(inode_));
  if (offset >= inode_->size) co_return fail(ErrorCode::kNoAttribute, "beyond the end");
  std::uint64_t at = 0;
  for (const Slice& slice : inode_->slices) {
    const std::uint64_t end = at + slice.length;
    const bool hole = slice.data.place == DataPlace::kNone;
    if (end > offset && hole == (kind == SeekKind::kHole)) co_return std::max(at, offset);
    at = end;
  }
  if (kind == SeekKind::kHole) co_return inode_->size;
  co_return fail(ErrorCode::kNoAttribute, "no data behind");
}

Task<Result<std::uint64_t>> OpenFile::copy_from(OpenFileApi& source, std::uint64_t source_offset,
                                                std::uint64_t target_offset, std::uint64_t length) {
  std::uint64_t copied = 0;
  length = std::min(length, kMostCopiedBytes);
  while (copied < length) {
    auto bytes = co_await source.read(source_offset + copied, std::min(length - copied, kCopyStepBytes));
    if (!bytes && copied == 0) co_return std::unexpected(bytes.error());
    if (!bytes || bytes->empty()) break;
    const std::uint64_t step = bytes->size();
    auto written = co_await write(target_offset + copied, std::move(*bytes));
    if (!written && copied == 0) co_return std::unexpected(written.error());
    if (!written) break;
    copied += step;
  }
  co_return copied;
}

}  // namespace flashstor::files
