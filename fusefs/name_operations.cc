#include <linux/fs.h>
#include <sys/stat.h>

#include "fusefs/mount.h"

namespace flashstor::fusefs {
namespace {

Task<void> lookup(Mount& mount, fuse_req_t request, NodeId parent, std::string name) {
  const auto found = co_await mount.volume.lookup(mount.nodes.path(parent), name);
  if (!found) co_return reply_error(request, found.error());
  const NodeId node = mount.nodes.remember(parent, name, *found);
  const fuse_entry_param entry = entry_of(mount, node, *found);
  if (fuse_reply_entry(request, &entry) != 0) mount.nodes.forget(node, 1);
}

files::Kind kind_of(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return files::Kind::kDirectory;
    case S_IFLNK:
      return files::Kind::kSymlink;
    case S_IFIFO:
      return files::Kind::kFifo;
    case S_IFSOCK:
      return files::Kind::kSocket;
    case S_IFCHR:
      return files::Kind::kCharacterDevice;
    case S_IFBLK:
      return files::Kind::kBlockDevice;
    default:
      return files::Kind::kFile;
  }
}

Task<void> make(Mount& mount, fuse_req_t request, NodeId parent, std::string name, files::NewFile file) {
  std::string directory = mount.nodes.path(parent);
  if (const auto allowed = mount.access.check(AccessKind::kWrite, join(directory, name)); !allowed)
    co_return reply_error(request, allowed.error());
  const auto made = co_await mount.volume.make(std::move(directory), name, std::move(file));
  if (!made) co_return reply_error(request, made.error());
  const NodeId node = mount.nodes.remember(parent, name, *made);
  const fuse_entry_param entry = entry_of(mount, node, *made);
  if (fuse_reply_entry(request, &entry) != 0) mount.nodes.forget(node, 1);
}

Task<void> read_link(Mount& mount, fuse_req_t request, NodeId node) {
  const auto target = co_await mount.volume.read_link(mount.nodes.ref(node));
  if (!target) co_return reply_error(request, target.error());
  fuse_reply_readlink(request, target->c_str());
}

Task<void> remove(Mount& mount, fuse_req_t request, NodeId parent, std::string name, bool directory) {
  std::string path = mount.nodes.path(parent);
  if (const auto allowed = mount.access.check(AccessKind::kDelete, join(path, name)); !allowed)
    co_return reply_error(request, allowed.error());
  Result<void> removed = directory ? co_await mount.volume.remove_directory(std::move(path), name)
                                   : co_await mount.volume.remove(std::move(path), name);
  if (removed) mount.nodes.removed(parent, name);
  reply_result(request, removed);
}

struct RenameWords {
  NodeId parent;
  std::string name;
  NodeId to_parent;
  std::string to_name;
  files::RenameMode mode;
};

Task<void> rename(Mount& mount, fuse_req_t request, RenameWords words) {
  std::string from = mount.nodes.path(words.parent);
  std::string to = mount.nodes.path(words.to_parent);
  Result<void> allowed = mount.access.check(AccessKind::kDelete, join(from, words.name));
  if (allowed) allowed = mount.access.check(AccessKind::kWrite, join(to, words.to_name));
  if (!allowed) co_return reply_error(request, allowed.error());
  const auto renamed =
      co_await mount.volume.rename(std::move(from), words.name, std::move(to), words.to_name, words.mode);
  if (renamed)
    mount.nodes.renamed(words.parent, words.name, words.to_parent, words.to_name,
                        words.mode == files::RenameMode::kExchange);
  reply_result(request, renamed);
}

Task<void> link(Mount& mount, fuse_req_t request, NodeId node, NodeId parent, std::string name) {
  std::string directory = mount.nodes.path(parent);
  if (const auto allowed = mount.access.check(AccessKind::kWrite, join(directory, name)); !allowed)
    co_return reply_error(request, allowed.error());
  const auto linked = co_await mount.volume.link(mount.nodes.ref(node), std::move(directory), name);
  if (!linked) co_return reply_error(request, linked.error());
  const NodeId named = mount.nodes.remember(parent, name, *linked);
  const fuse_entry_param entry = entry_of(mount, named, *linked);
  if (fuse_reply_entry(request, &entry) != 0) mount.nodes.forget(named, 1);
}

void on_rename(fuse_req_t request, fuse_ino_t parent, const char* name, fuse_ino_t to_parent,
               const char* to_name, unsigned int flags) {
  Mount& mount = mount_of(request);
  if ((flags & ~static_cast<unsigned int>(RENAME_NOREPLACE | RENAME_EXCHANGE)) != 0) {
    fuse_reply_err(request, EINVAL);
    return;
  }
  files::RenameMode mode = files::RenameMode::kReplace;
  if ((flags & RENAME_NOREPLACE) != 0) mode = files::RenameMode::kNoReplace;
  if ((flags & RENAME_EXCHANGE) != 0) mode = files::RenameMode::kExchange;
  start(mount, request, rename(mount, request, {parent, name, to_parent, to_name, mode}));
}

void on_mknod(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode, dev_t device) {
  Mount& mount = mount_of(request);
  files::NewFile file{
      kind_of(mode), mode & 07777U, static_cast<std::uint32_t>(device), {}, caller_of(request)};
  start(mount, request, make(mount, request, parent, name, std::move(file)));
}

}  // namespace

void add_name_operations(fuse_lowlevel_ops& table) {
  table.lookup = [](fuse_req_t request, fuse_ino_t parent, const char* name) {
    Mount& mount = mount_of(request);
    start(mount, request, lookup(mount, request, parent, name));
  };
  table.forget = [](fuse_req_t request, fuse_ino_t node, std::uint64_t count) {
    mount_of(request).nodes.forget(node, count);
    fuse_reply_none(request);
  };
  table.forget_multi = [](fuse_req_t request, std::size_t count, fuse_forget_data* forgets) {
    for (std::size_t i = 0; i < count; ++i)
      mount_of(request).nodes.forget(forgets[i].ino, forgets[i].nlookup);
    fuse_reply_none(request);
  };
  table.mknod = on_mknod;
  table.mkdir = [](fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode) {
    on_mknod(request, parent, name, (mode & 07777U) | S_IFDIR, 0);
  };
  table.symlink = [](fuse_req_t request, const char* target, fuse_ino_t parent, const char* name) {
    Mount& mount = mount_of(request);
    files::NewFile file{files::Kind::kSymlink, 0777, 0, target, caller_of(request)};
    start(mount, request, make(mount, request, parent, name, std::move(file)));
  };
  table.readlink = [](fuse_req_t request, fuse_ino_t node) {
    Mount& mount = mount_of(request);
    start(mount, request, read_link(mount, request, node));
  };
  table.unlink = [](fuse_req_t request, fuse_ino_t parent, const char* name) {
    Mount& mount = mount_of(request);
    start(mount, request, remove(mount, request, parent, name, false));
  };
  table.rmdir = [](fuse_req_t request, fuse_ino_t parent, const char* name) {
    Mount& mount = mount_of(request);
    start(mount, request, remove(mount, request, parent, name, true));
  };
  table.rename = on_rename;
  table.link = [](fuse_req_t request, fuse_ino_t node, fuse_ino_t parent, const char* name) {
    Mount& mount = mount_of(request);
    start(mount, request, link(mount, request, node, parent, name));
  };
}

}  // namespace flashstor::fusefs
