#include <fcntl.h>
#include <sys/file.h>

#include "fusefs/mount.h"

namespace flashstor::fusefs {
namespace {

files::LockRange range_of(const Mount& mount, const struct flock& lock, std::uint64_t owner) {
  files::LockRange range;
  range.type = lock.l_type == F_RDLCK   ? files::LockRange::Type::kShared
               : lock.l_type == F_WRLCK ? files::LockRange::Type::kExclusive
                                        : files::LockRange::Type::kUnlock;
  range.start = static_cast<std::uint64_t>(lock.l_start);
  if (lock.l_len != 0) range.end = range.start + static_cast<std::uint64_t>(lock.l_len) - 1;
  range.owner = owner ^ mount.owner_salt;
  range.pid = static_cast<std::uint32_t>(lock.l_pid);
  return range;
}

OpenFile& file_of(const fuse_file_info* info) { return *reinterpret_cast<OpenFile*>(info->fh); }

Task<void> set_lock(Mount& mount, fuse_req_t request, OpenFile& open, files::LockRange range, bool wait) {
  const NodeId node = open.node;
  LockWait waiting{&mount, mount.nodes.ref(node)};
  if (wait) {
    mount.lock_waits.insert(&waiting);
    fuse_req_interrupt_func(
        request, [](fuse_req_t, void* data) { static_cast<LockWait*>(data)->cancel(); }, &waiting);
  }
  const auto locked = co_await mount.volume.lock(waiting.file, range, wait, &waiting.cancelled);
  if (wait) {
    fuse_req_interrupt_func(request, nullptr, nullptr);
    mount.lock_waits.erase(&waiting);
  }
  if (locked && range.type != files::LockRange::Type::kUnlock)
    show_news(mount, node, open.file->attributes());
  reply_result(request, locked);
}

Task<void> test_lock(Mount& mount, fuse_req_t request, NodeId node, files::LockRange range) {
  const auto found = co_await mount.volume.test_lock(mount.nodes.ref(node), range);
  if (!found) co_return reply_error(request, found.error());
  struct flock out{};
  out.l_whence = SEEK_SET;
  out.l_type = static_cast<short>(found->type == files::LockRange::Type::kShared      ? F_RDLCK
                                  : found->type == files::LockRange::Type::kExclusive ? F_WRLCK
                                                                                      : F_UNLCK);
  if (out.l_type != F_UNLCK) {
    out.l_start = static_cast<off_t>(found->start);
    out.l_len = found->end == ~std::uint64_t{0} ? 0 : static_cast<off_t>(found->end - found->start + 1);
    out.l_pid = static_cast<pid_t>(found->pid);
  }
  fuse_reply_lock(request, &out);
}

}  // namespace

void LockWait::cancel() {
  cancelled = true;
  mount->volume.wake_lock_waiters(file);
}

void Mount::cancel_lock_waits() {
  const std::set<LockWait*> waiting = lock_waits;  // Waking takes a turn of the loop: none dies meanwhile.
  for (LockWait* wait : waiting) wait->cancel();
}

void add_lock_operations(fuse_lowlevel_ops& table) {
  table.getlk = [](fuse_req_t request, fuse_ino_t node, fuse_file_info* info, struct flock* lock) {
    Mount& mount = mount_of(request);
    start(mount, request, test_lock(mount, request, node, range_of(mount, *lock, info->lock_owner)));
  };
  table.setlk = [](fuse_req_t request, fuse_ino_t /*node*/, fuse_file_info* info, struct flock* lock,
                   int sleep) {
    Mount& mount = mount_of(request);
    start(mount, request,
          set_lock(mount, request, file_of(info), range_of(mount, *lock, info->lock_owner), sleep != 0));
  };
  table.flock = [](fuse_req_t request, fuse_ino_t /*node*/, fuse_file_info* info, int operation) {
    Mount& mount = mount_of(request);
    files::LockRange range;
    range.whole_file = true;
    range.owner = info->lock_owner ^ mount.owner_salt;
    const int wanted = operation & (LOCK_SH | LOCK_EX | LOCK_UN);
    range.type = wanted == LOCK_SH   ? files::LockRange::Type::kShared
                 : wanted == LOCK_EX ? files::LockRange::Type::kExclusive
                                     : files::LockRange::Type::kUnlock;
    start(mount, request, set_lock(mount, request, file_of(info), range, (operation & LOCK_NB) == 0));
  };
}

}  // namespace flashstor::fusefs
