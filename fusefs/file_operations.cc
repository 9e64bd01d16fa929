#include <fcntl.h>

#include <optional>

#include "fusefs/mount.h"

namespace flashstor::fusefs {
namespace {

files::OpenMode mode_of(int flags) {
  files::OpenMode mode;
  const int access = flags & O_ACCMODE;
  mode.read = access != O_WRONLY;
  mode.write = access != O_RDONLY;
  mode.append = (flags & O_APPEND) != 0;
  mode.truncate = (flags & O_TRUNC) != 0;
  return mode;
}

Result<void> may_open(Mount& mount, std::string_view path, const files::OpenMode& mode) {
  Result<void> allowed;
  if (mode.read) allowed = mount.access.check(AccessKind::kRead, path);
  if (allowed && (mode.write || mode.truncate)) allowed = mount.access.check(AccessKind::kWrite, path);
  return allowed;
}

void hand_over(Mount& mount, fuse_file_info& info, std::unique_ptr<OpenFile>& open) {
  info.fh = reinterpret_cast<std::uint64_t>(open.get());
  // Pages cached at an earlier open stay when no door changed the bytes since.
  info.keep_cache = mount.nodes.same_bytes(open->node, open->file->attributes().revision) ? 1 : 0;
}

Task<void> open(Mount& mount, fuse_req_t request, NodeId node, fuse_file_info info) {
  files::FileRef file = mount.nodes.ref(node);
  const files::OpenMode mode = mode_of(info.flags);
  if (const auto allowed = may_open(mount, file.path, mode); !allowed)
    co_return reply_error(request, allowed.error());
  auto opened = co_await mount.volume.open(std::move(file), mode);
  if (!opened) co_return reply_error(request, opened.error());
  auto handle = std::make_unique<OpenFile>(std::move(*opened), node);
  hand_over(mount, info, handle);
  show_news(mount, node, handle->file->attributes());
  if (fuse_reply_open(request, &info) == 0) {
    mount.open_files.keep(std::move(handle));
    co_return;
  }
  static_cast<void>(co_await handle->file->release());  // the caller was interrupted and will not release it
}

struct CreateWords {
  NodeId parent;
  std::string name;
  std::uint32_t mode;
  fuse_file_info info;
};

Task<void> create(Mount& mount, fuse_req_t request, CreateWords words) {
  std::string directory = mount.nodes.path(words.parent);
  const files::OpenMode mode = mode_of(words.info.flags);
  if (const auto allowed = may_open(mount, join(directory, words.name), mode); !allowed)
    co_return reply_error(request, allowed.error());
  files::NewFile file{files::Kind::kFile, words.mode, 0, {}, caller_of(request)};
  auto made = co_await mount.volume.create(std::move(directory), words.name, std::move(file), mode,
                                           (words.info.flags & O_EXCL) != 0);
  if (!made) co_return reply_error(request, made.error());
  const NodeId node = mount.nodes.remember(words.parent, words.name, made->attributes);
  auto handle = std::make_unique<OpenFile>(std::move(made->file), node);
  hand_over(mount, words.info, handle);
  const fuse_entry_param entry = entry_of(mount, node, made->attributes);
  if (fuse_reply_create(request, &entry, &words.info) == 0) {
    mount.open_files.keep(std::move(handle));
    co_return;
  }
  mount.nodes.forget(node, 1);
  static_cast<void>(co_await handle->file->release());
}

// A close drops the record locks of the process, whichever descriptor they were taken through (fcntl(2)).
Task<void> flush(Mount& mount, fuse_req_t request, OpenFile& open, std::uint64_t lock_owner) {
  const auto flushed = co_await open.file->flush();
  files::LockRange all;
  all.owner = lock_owner ^ mount.owner_salt;
  static_cast<void>(co_await mount.volume.lock(mount.nodes.ref(open.node), all, false, nullptr));
  reply_result(request, flushed);
}

Task<void> sync(fuse_req_t request, OpenFile& open, bool data_only) {
  reply_result(request, co_await open.file->sync(data_only));
}

Task<void> release(Mount& mount, fuse_req_t request, std::unique_ptr<OpenFile> open,
                   std::optional<std::uint64_t> flock_owner) {
  if (flock_owner) {
    files::LockRange all;
    all.whole_file = true;
    all.owner = *flock_owner ^ mount.owner_salt;
    static_cast<void>(co_await mount.volume.lock(mount.nodes.ref(open->node), all, false, nullptr));
  }
  const auto released = co_await open->file->release();
  // What this mount wrote is in its page cache, and nothing else of it: the next open may keep it.
  const files::Attributes left = open->file->attributes();
  if (!left.merged) mount.nodes.same_bytes(open->node, left.revision);
  reply_result(request, released);
}

OpenFile* file_of(const fuse_file_info* info) { return reinterpret_cast<OpenFile*>(info->fh); }

}  // namespace

void add_file_operations(fuse_lowlevel_ops& table) {
  table.open = [](fuse_req_t request, fuse_ino_t node, fuse_file_info* info) {
    Mount& mount = mount_of(request);
    start(mount, request, open(mount, request, node, *info));
  };
  table.create = [](fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode,
                    fuse_file_info* info) {
    Mount& mount = mount_of(request);
    start(mount, request, create(mount, request, {parent, name, mode & 07777U, *info}));
  };
  table.flush = [](fuse_req_t request, fuse_ino_t /*node*/, fuse_file_info* info) {
    Mount& mount = mount_of(request);
    start(mount, request, flush(mount, request, *file_of(info), info->lock_owner));
  };
  table.fsync = [](fuse_req_t request, fuse_ino_t /*node*/, int data_only, fuse_file_info* info) {
    start(mount_of(request), request, sync(request, *file_of(info), data_only != 0));
  };
  table.release = [](fuse_req_t request, fuse_ino_t /*node*/, fuse_file_info* info) {
    Mount& mount = mount_of(request);
    std::optional<std::uint64_t> flock_owner;
    if (info->flock_release != 0) flock_owner = info->lock_owner;
    start(mount, request, release(mount, request, mount.open_files.take(file_of(info)), flock_owner));
  };
}

}  // namespace flashstor::fusefs
