#include "fusefs/mount.h"

#include <sys/stat.h>

#include "fusefs/errno_map.h"

namespace flashstor::fusefs {
namespace {

std::uint32_t type_bits(files::Kind kind) {
  switch (kind) {
    case files::Kind::kFile:
      return S_IFREG;
    case files::Kind::kDirectory:
      return S_IFDIR;
    case files::Kind::kSymlink:
      return S_IFLNK;
    case files::Kind::kFifo:
      return S_IFIFO;
    case files::Kind::kSocket:
      return S_IFSOCK;
    case files::Kind::kCharacterDevice:
      return S_IFCHR;
    case files::Kind::kBlockDevice:
      return S_IFBLK;
  }
  return S_IFREG;
}

timespec timespec_of(WallTime time) {
  std::int64_t nanoseconds = base::to_nanoseconds(time);
  std::int64_t seconds = nanoseconds / 1'000'000'000;
  nanoseconds %= 1'000'000'000;
  if (nanoseconds < 0) {
    nanoseconds += 1'000'000'000;
    --seconds;
  }
  return {seconds, nanoseconds};
}

void on_init(void* /*userdata*/, fuse_conn_info* connection) {
  const auto want = [connection](unsigned int capability) {
    if ((connection->capable & capability) != 0) connection->want |= capability;
  };
  want(FUSE_CAP_ATOMIC_O_TRUNC);
  want(FUSE_CAP_POSIX_LOCKS);
  want(FUSE_CAP_FLOCK_LOCKS);
  want(FUSE_CAP_PARALLEL_DIROPS);
  want(FUSE_CAP_READDIRPLUS);
  want(FUSE_CAP_READDIRPLUS_AUTO);
  want(FUSE_CAP_ASYNC_READ);
  want(FUSE_CAP_ASYNC_DIO);
  want(FUSE_CAP_CACHE_SYMLINKS);
  want(FUSE_CAP_AUTO_INVAL_DATA);
  // The kernel keeps set-user-id bits right itself; bytes arrive in order of writing, not of the page cache.
  connection->want &=
      ~static_cast<unsigned int>(FUSE_CAP_HANDLE_KILLPRIV | FUSE_CAP_WRITEBACK_CACHE | FUSE_CAP_SPLICE_READ);
  connection->max_write = 1U << 20;
  connection->max_readahead = 1U << 20;
  connection->max_background = 64;
  connection->congestion_threshold = 48;
  connection->time_gran = 1;
}

}  // namespace

const fuse_lowlevel_ops& operations() {
  static const fuse_lowlevel_ops table = [] {
    fuse_lowlevel_ops filled{};
    filled.init = on_init;
    add_attribute_operations(filled);
    add_name_operations(filled);
    add_directory_operations(filled);
    add_file_operations(filled);
    add_data_operations(filled);
    add_lock_operations(filled);
    add_extended_attribute_operations(filled);
    return filled;
  }();
  return table;
}

void start(Mount& mount, fuse_req_t request, Task<void> operation) {
  if (!mount.gate.spawn(std::move(operation))) fuse_reply_err(request, ENODEV);
}

files::Caller caller_of(fuse_req_t request) {
  const fuse_ctx* context = fuse_req_ctx(request);
  return {context->uid, context->gid};
}

void reply_error(fuse_req_t request, const Error& error) { fuse_reply_err(request, errno_of(error.code())); }

void reply_result(fuse_req_t request, const Result<void>& result) {
  fuse_reply_err(request, result ? 0 : errno_of(result.error().code()));
}

std::uint64_t inode_number(const files::InodeId& inode) {
  const std::uint64_t number = std::hash<files::InodeId>()(inode);
  return number < 2 ? number + 2 : number;
}

struct stat stat_of(const Mount& mount, const files::Attributes& attributes) {
  struct stat out{};
  out.st_ino = inode_number(attributes.inode);
  out.st_mode = type_bits(attributes.kind) | (attributes.mode & 07777U & ~mount.shown.umask);
  out.st_nlink = attributes.links;
  out.st_uid = mount.shown.uid.value_or(attributes.uid);
  out.st_gid = mount.shown.gid.value_or(attributes.gid);
  out.st_rdev = attributes.device;
  out.st_size = static_cast<off_t>(attributes.size);
  out.st_blksize = 1 << 20;
  out.st_blocks = static_cast<blkcnt_t>((attributes.allocated + 511) / 512);
  out.st_atim = timespec_of(attributes.accessed);
  out.st_mtim = timespec_of(attributes.modified);
  out.st_ctim = timespec_of(attributes.changed);
  return out;
}

void show_news(Mount& mount, NodeId node, const files::Attributes& now) {
  // Of answers that overtake each other the kernel takes one: where others change the file too, it cannot be
  // known from what it was told what it believes.
  const bool told = mount.nodes.same_look(node, now.revision) && !mount.volume.spans_nodes();
  if (told || mount.session == nullptr) return;
  // Only what it looks like: to drop pages here would wait for reads that wait for us. The next answer tells
  // the look: it is not told yet.
  fuse_lowlevel_notify_inval_inode(mount.session, node, -1, 0);
}

fuse_entry_param entry_of(Mount& mount, NodeId node, const files::Attributes& attributes) {
  mount.nodes.same_look(node, attributes.revision);
  fuse_entry_param entry{};
  entry.ino = node;
  entry.generation = 1;
  entry.attr = stat_of(mount, attributes);
  entry.attr_timeout = mount.times.attribute_s;
  entry.entry_timeout = mount.times.entry_s;
  return entry;
}

std::string join(const std::string& directory, std::string_view name) {
  std::string path = directory;
  if (!path.empty()) path.push_back('/');
  return path.append(name);
}

}  // namespace flashstor::fusefs
