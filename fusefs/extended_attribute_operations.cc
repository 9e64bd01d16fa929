#include <sys/xattr.h>

#include "fusefs/mount.h"

namespace flashstor::fusefs {
namespace {

// The kernel asks twice: with size 0 for how much, then with room for it.
void reply_sized(fuse_req_t request, const std::string& value, std::size_t room) {
  if (room == 0)
    fuse_reply_xattr(request, value.size());
  else if (value.size() > room)
    fuse_reply_err(request, ERANGE);
  else
    fuse_reply_buf(request, value.data(), value.size());
}

Task<void> get(Mount& mount, fuse_req_t request, NodeId node, std::string name, std::size_t room) {
  const auto value = co_await mount.volume.get_attribute(mount.nodes.ref(node), std::move(name));
  if (!value) co_return reply_error(request, value.error());
  reply_sized(request, *value, room);
}

Task<void> list(Mount& mount, fuse_req_t request, NodeId node, std::size_t room) {
  const auto names = co_await mount.volume.list_attributes(mount.nodes.ref(node));
  if (!names) co_return reply_error(request, names.error());
  std::string joined;
  for (const std::string& name : *names) joined.append(name).push_back('\0');
  reply_sized(request, joined, room);
}

Task<void> set(Mount& mount, fuse_req_t request, NodeId node, std::string name, std::string value,
               files::AttributeSetMode mode) {
  files::FileRef file = mount.nodes.ref(node);
  if (const auto allowed = mount.access.check(AccessKind::kWrite, file.path); !allowed)
    co_return reply_error(request, allowed.error());
  reply_result(request,
               co_await mount.volume.set_attribute(std::move(file), std::move(name), std::move(value), mode));
}

Task<void> remove(Mount& mount, fuse_req_t request, NodeId node, std::string name) {
  files::FileRef file = mount.nodes.ref(node);
  if (const auto allowed = mount.access.check(AccessKind::kWrite, file.path); !allowed)
    co_return reply_error(request, allowed.error());
  reply_result(request, co_await mount.volume.remove_attribute(std::move(file), std::move(name)));
}

}  // namespace

void add_extended_attribute_operations(fuse_lowlevel_ops& table) {
  table.getxattr = [](fuse_req_t request, fuse_ino_t node, const char* name, std::size_t size) {
    Mount& mount = mount_of(request);
    start(mount, request, get(mount, request, node, name, size));
  };
  table.listxattr = [](fuse_req_t request, fuse_ino_t node, std::size_t size) {
    Mount& mount = mount_of(request);
    start(mount, request, list(mount, request, node, size));
  };
  table.setxattr = [](fuse_req_t request, fuse_ino_t node, const char* name, const char* value,
                      std::size_t size, int flags) {
    Mount& mount = mount_of(request);
    const files::AttributeSetMode mode = (flags & XATTR_CREATE) != 0    ? files::AttributeSetMode::kCreate
                                         : (flags & XATTR_REPLACE) != 0 ? files::AttributeSetMode::kReplace
                                                                        : files::AttributeSetMode::kAny;
    start(mount, request, set(mount, request, node, name, std::string(value, size), mode));
  };
  table.removexattr = [](fuse_req_t request, fuse_ino_t node, const char* name) {
    Mount& mount = mount_of(request);
    start(mount, request, remove(mount, request, node, name));
  };
}

}  // namespace flashstor::fusefs
