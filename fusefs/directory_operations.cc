#include <algorithm>

#include "fusefs/mount.h"

namespace flashstor::fusefs {
namespace {

constexpr std::size_t kPageEntries = 512;
constexpr std::uint64_t kDotEntries = 2;  // "." and "..", which the engine does not list

OpenDirectory* directory_of(const fuse_file_info* info) { return reinterpret_cast<OpenDirectory*>(info->fh); }

void begin_anew(OpenDirectory& directory) {
  directory.entries.clear();
  directory.first = 0;
  directory.cursor.clear();
  directory.end = false;
}

// Brings entry number `position` (without the dots) into the page at hand; false at the end of the directory.
Task<Result<bool>> load(Mount& mount, NodeId node, OpenDirectory& directory, std::uint64_t position) {
  if (position < directory.first) begin_anew(directory);  // seekdir
  while (position >= directory.first + directory.entries.size()) {
    if (directory.end) co_return false;
    auto page = co_await or_return(
        mount.volume.read_directory(mount.nodes.path(node), directory.cursor, kPageEntries));
    directory.first += directory.entries.size();
    directory.entries = std::move(page.entries);
    directory.end = page.end;
    directory.cursor = std::move(page.cursor);
  }
  co_return true;
}

struct Listing {
  std::string bytes;
  std::size_t limit;
  bool plus;
};

// Adds one entry; false when it does not fit any more.
bool add(fuse_req_t request, Listing& out, const std::string& name, const fuse_entry_param& entry,
         std::uint64_t next_offset) {
  const std::size_t at = out.bytes.size();
  const std::size_t left = out.limit - at;
  const auto offset = static_cast<off_t>(next_offset);
  const std::size_t needed = out.plus
                                 ? fuse_add_direntry_plus(request, nullptr, 0, name.c_str(), &entry, offset)
                                 : fuse_add_direntry(request, nullptr, 0, name.c_str(), &entry.attr, offset);
  if (needed > left) return false;
  out.bytes.resize(at + needed);
  if (out.plus)
    fuse_add_direntry_plus(request, out.bytes.data() + at, left, name.c_str(), &entry, offset);
  else
    fuse_add_direntry(request, out.bytes.data() + at, left, name.c_str(), &entry.attr, offset);
  return true;
}

fuse_entry_param dot_entry(NodeId node) {
  fuse_entry_param entry{};  // ino 0: the kernel makes no dentry of it
  entry.attr.st_ino = node;
  entry.attr.st_mode = S_IFDIR;
  return entry;
}

Task<void> fill(Mount& mount, fuse_req_t request, NodeId node, OpenDirectory& directory, std::uint64_t offset,
                Listing out) {
  if (offset == 0) begin_anew(directory);  // opened, or rewinddir: what is there now, not what was
  for (; offset < kDotEntries; ++offset)
    if (!add(request, out, offset == 0 ? "." : "..", dot_entry(node), offset + 1)) break;
  while (offset >= kDotEntries) {
    const std::uint64_t position = offset - kDotEntries;
    const auto there = co_await load(mount, node, directory, position);
    if (!there && out.bytes.empty()) co_return reply_error(request, there.error());
    if (!there || !*there) break;
    const files::DirectoryEntry& found = directory.entries[position - directory.first];
    fuse_entry_param entry = entry_of(mount, 0, found.attributes);
    // With readdirplus the kernel takes a reference to each entry, and notes what it looks like, so the entry
    // gets its number only if it fits.
    if (out.plus) entry.ino = mount.nodes.remember(node, found.name, found.attributes);
    if (!add(request, out, found.name, entry, offset + 1)) {
      if (out.plus) mount.nodes.forget(entry.ino, 1);
      break;
    }
    if (out.plus) mount.nodes.same_look(entry.ino, found.attributes.revision);
    ++offset;
  }
  fuse_reply_buf(request, out.bytes.data(), out.bytes.size());
}

Task<void> read(Mount& mount, fuse_req_t request, NodeId node, OpenDirectory* directory, std::uint64_t offset,
                std::size_t size, bool plus) {
  co_await directory->busy.acquire();
  co_await fill(mount, request, node, *directory, offset, Listing{{}, size, plus});
  directory->busy.release();
}

Task<void> open(Mount& mount, fuse_req_t request, NodeId node, fuse_file_info info) {
  if (const auto allowed = mount.access.check(AccessKind::kList, mount.nodes.path(node)); !allowed)
    co_return reply_error(request, allowed.error());
  auto directory = std::make_unique<OpenDirectory>();
  info.fh = reinterpret_cast<std::uint64_t>(directory.get());
  if (fuse_reply_open(request, &info) == 0) mount.open_directories.keep(std::move(directory));
}

Task<void> release(fuse_req_t request, std::unique_ptr<OpenDirectory> directory) {
  co_await directory->busy.acquire();
  fuse_reply_err(request, 0);
}

Task<void> sync(Mount& mount, fuse_req_t request, NodeId node) {
  reply_result(request, co_await mount.volume.sync_directory(mount.nodes.ref(node)));
}

}  // namespace

void add_directory_operations(fuse_lowlevel_ops& table) {
  table.opendir = [](fuse_req_t request, fuse_ino_t node, fuse_file_info* info) {
    Mount& mount = mount_of(request);
    start(mount, request, open(mount, request, node, *info));
  };
  table.readdir = [](fuse_req_t request, fuse_ino_t node, std::size_t size, off_t offset,
                     fuse_file_info* info) {
    Mount& mount = mount_of(request);
    start(mount, request,
          read(mount, request, node, directory_of(info), static_cast<std::uint64_t>(offset), size, false));
  };
  table.readdirplus = [](fuse_req_t request, fuse_ino_t node, std::size_t size, off_t offset,
                         fuse_file_info* info) {
    Mount& mount = mount_of(request);
    start(mount, request,
          read(mount, request, node, directory_of(info), static_cast<std::uint64_t>(offset), size, true));
  };
  table.releasedir = [](fuse_req_t request, fuse_ino_t /*node*/, fuse_file_info* info) {
    Mount& mount = mount_of(request);
    start(mount, request, release(request, mount.open_directories.take(directory_of(info))));
  };
  table.fsyncdir = [](fuse_req_t request, fuse_ino_t node, int /*data_only*/, fuse_file_info* /*info*/) {
    Mount& mount = mount_of(request);
    start(mount, request, sync(mount, request, node));
  };
}

}  // namespace flashstor::fusefs
