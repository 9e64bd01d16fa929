#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/uio.h>

#include "fusefs/errno_map.h"
#include "fusefs/mount.h"

namespace flashstor::fusefs {
namespace {

OpenFile& file_of(const fuse_file_info* info) { return *reinterpret_cast<OpenFile*>(info->fh); }

Task<void> read(fuse_req_t request, OpenFile& open, std::uint64_t offset, std::size_t size) {
  const auto bytes = co_await open.file->read(offset, size);
  if (!bytes) co_return reply_error(request, bytes.error());
  std::vector<iovec> parts;
  parts.reserve(bytes->slices().size());
  for (const Buffer& slice : bytes->slices())
    parts.push_back({const_cast<std::byte*>(slice.data()), slice.size()});
  fuse_reply_iov(request, parts.data(), static_cast<int>(parts.size()));
}

Task<void> write(fuse_req_t request, OpenFile& open, std::uint64_t offset, BufferChain bytes) {
  const auto written = co_await open.file->write(offset, std::move(bytes));
  if (!written) co_return reply_error(request, written.error());
  fuse_reply_write(request, *written);
}

Task<void> allocate(fuse_req_t request, OpenFile& open, files::AllocateKind kind, std::uint64_t offset,
                    std::uint64_t length) {
  reply_result(request, co_await open.file->allocate(kind, offset, length));
}

Task<void> seek(fuse_req_t request, OpenFile& open, files::SeekKind kind, std::uint64_t offset) {
  const auto found = co_await open.file->seek(kind, offset);
  if (!found && found.error().code() == ErrorCode::kNoAttribute) {
    fuse_reply_err(request, ENXIO);
    co_return;
  }
  if (!found) co_return reply_error(request, found.error());
  fuse_reply_lseek(request, static_cast<off_t>(*found));
}

struct CopyWords {
  std::uint64_t source_offset;
  std::uint64_t target_offset;
  std::uint64_t length;
};

Task<void> copy(fuse_req_t request, OpenFile& source, OpenFile& target, CopyWords words) {
  const auto copied =
      co_await target.file->copy_from(*source.file, words.source_offset, words.target_offset, words.length);
  if (!copied) co_return reply_error(request, copied.error());
  fuse_reply_write(request, *copied);
}

void on_allocate(fuse_req_t request, fuse_ino_t /*node*/, int mode, off_t offset, off_t length,
                 fuse_file_info* info) {
  files::AllocateKind kind{};
  switch (mode) {
    case 0:
      kind = files::AllocateKind::kExtend;
      break;
    case FALLOC_FL_KEEP_SIZE:
      kind = files::AllocateKind::kKeepSize;
      break;
    case FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE:
    case FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE:  // behind the end there is nothing to zero
      kind = files::AllocateKind::kPunchHole;
      break;
    case FALLOC_FL_ZERO_RANGE:
      kind = files::AllocateKind::kZeroRange;
      break;
    default:
      fuse_reply_err(request, EOPNOTSUPP);
      return;
  }
  start(mount_of(request), request,
        allocate(request, file_of(info), kind, static_cast<std::uint64_t>(offset),
                 static_cast<std::uint64_t>(length)));
}

}  // namespace

void add_data_operations(fuse_lowlevel_ops& table) {
  table.read = [](fuse_req_t request, fuse_ino_t /*node*/, std::size_t size, off_t offset,
                  fuse_file_info* info) {
    start(mount_of(request), request, read(request, file_of(info), static_cast<std::uint64_t>(offset), size));
  };
  table.write = [](fuse_req_t request, fuse_ino_t /*node*/, const char* bytes, std::size_t size, off_t offset,
                   fuse_file_info* info) {
    // libfuse reuses its buffer for the next request: the bytes are copied once, here.
    BufferChain copy(Buffer::copy_of(std::string_view(bytes, size)));
    start(mount_of(request), request,
          write(request, file_of(info), static_cast<std::uint64_t>(offset), std::move(copy)));
  };
  table.fallocate = on_allocate;
  table.lseek = [](fuse_req_t request, fuse_ino_t /*node*/, off_t offset, int whence, fuse_file_info* info) {
    if (whence != SEEK_DATA && whence != SEEK_HOLE) {
      fuse_reply_err(request, EINVAL);
      return;
    }
    start(mount_of(request), request,
          seek(request, file_of(info), whence == SEEK_DATA ? files::SeekKind::kData : files::SeekKind::kHole,
               static_cast<std::uint64_t>(offset)));
  };
  table.copy_file_range = [](fuse_req_t request, fuse_ino_t /*source_node*/, off_t source_offset,
                             fuse_file_info* source, fuse_ino_t /*target_node*/, off_t target_offset,
                             fuse_file_info* target, std::size_t length, int /*flags*/) {
    start(
        mount_of(request), request,
        copy(request, file_of(source), file_of(target),
             {static_cast<std::uint64_t>(source_offset), static_cast<std::uint64_t>(target_offset), length}));
  };
}

}  // namespace flashstor::fusefs
