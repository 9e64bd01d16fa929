#include <sys/stat.h>

#include <algorithm>
#include <cstdint>

#include "fusefs/mount.h"

namespace flashstor::fusefs {
namespace {

OpenFile* handle_of(const fuse_file_info* info) {
  return info == nullptr ? nullptr : reinterpret_cast<OpenFile*>(info->fh);
}

Task<void> get_attributes(Mount& mount, fuse_req_t request, NodeId node, OpenFile* open) {
  if (open != nullptr) {
    const files::Attributes now = co_await open->file->look();
    mount.nodes.same_look(node, now.revision);
    const struct stat out = stat_of(mount, now);
    fuse_reply_attr(request, &out, mount.times.attribute_s);
    co_return;
  }
  const auto found = co_await mount.volume.attributes(mount.nodes.ref(node));
  if (!found) co_return reply_error(request, found.error());
  mount.nodes.same_look(node, found->revision);
  const struct stat out = stat_of(mount, *found);
  fuse_reply_attr(request, &out, mount.times.attribute_s);
}

// A time beyond what can be stored (the years 1677 to 2262) becomes the last that can, as file systems do.
WallTime time_of(const timespec& time) {
  constexpr std::int64_t kInSecond = 1'000'000'000;
  constexpr std::int64_t kMostSeconds = INT64_MAX / kInSecond - 1;
  const std::int64_t seconds = std::clamp<std::int64_t>(time.tv_sec, -kMostSeconds, kMostSeconds);
  return base::from_nanoseconds(seconds * kInSecond +
                                std::clamp<std::int64_t>(time.tv_nsec, 0, kInSecond - 1));
}

files::AttributeChange change_of(Mount& mount, const struct stat& wanted, int what) {
  files::AttributeChange change;
  if ((what & FUSE_SET_ATTR_MODE) != 0) change.mode = wanted.st_mode & 07777U;
  if ((what & FUSE_SET_ATTR_UID) != 0) change.uid = wanted.st_uid;
  if ((what & FUSE_SET_ATTR_GID) != 0) change.gid = wanted.st_gid;
  if ((what & FUSE_SET_ATTR_SIZE) != 0) change.size = static_cast<std::uint64_t>(wanted.st_size);
  const WallTime now = mount.runtime.wall_now();
  if ((what & FUSE_SET_ATTR_ATIME) != 0) change.accessed = time_of(wanted.st_atim);
  if ((what & FUSE_SET_ATTR_MTIME) != 0) change.modified = time_of(wanted.st_mtim);
  if ((what & FUSE_SET_ATTR_ATIME_NOW) != 0) change.accessed = now;
  if ((what & FUSE_SET_ATTR_MTIME_NOW) != 0) change.modified = now;
  return change;
}

Task<void> set_attributes(Mount& mount, fuse_req_t request, NodeId node, files::AttributeChange change) {
  files::FileRef file = mount.nodes.ref(node);
  if (const auto allowed = mount.access.check(AccessKind::kWrite, file.path); !allowed)
    co_return reply_error(request, allowed.error());
  const auto changed = co_await mount.volume.change_attributes(std::move(file), change);
  if (!changed) co_return reply_error(request, changed.error());
  mount.nodes.same_look(node, changed->revision);
  const struct stat out = stat_of(mount, *changed);
  fuse_reply_attr(request, &out, mount.times.attribute_s);
}

Task<void> file_system_usage(Mount& mount, fuse_req_t request) {
  const auto usage = co_await mount.volume.usage();
  if (!usage) co_return reply_error(request, usage.error());
  struct statvfs out{};
  out.f_bsize = 4096;
  out.f_frsize = 4096;
  out.f_blocks = usage->total_bytes / 4096;
  out.f_bfree = usage->free_bytes / 4096;
  out.f_bavail = out.f_bfree;
  // Inodes are rows: as many as there is room for.
  out.f_ffree = usage->free_bytes / 4096;
  out.f_favail = out.f_ffree;
  out.f_files = usage->files + out.f_ffree;
  out.f_namemax = 255;
  fuse_reply_statfs(request, &out);
}

}  // namespace

void add_attribute_operations(fuse_lowlevel_ops& table) {
  table.getattr = [](fuse_req_t request, fuse_ino_t node, fuse_file_info* info) {
    Mount& mount = mount_of(request);
    start(mount, request, get_attributes(mount, request, node, handle_of(info)));
  };
  table.setattr = [](fuse_req_t request, fuse_ino_t node, struct stat* wanted, int what,
                     fuse_file_info* /*info*/) {
    Mount& mount = mount_of(request);
    start(mount, request, set_attributes(mount, request, node, change_of(mount, *wanted, what)));
  };
  table.statfs = [](fuse_req_t request, fuse_ino_t /*node*/) {
    Mount& mount = mount_of(request);
    start(mount, request, file_system_usage(mount, request));
  };
}

}  // namespace flashstor::fusefs
