#pragma once

#define FUSE_USE_VERSION 314
#include <fuse3/fuse_lowlevel.h>

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>

#include "engine/async/sync.h"
#include "engine/files/file_store.h"
#include "fusefs/access.h"
#include "fusefs/node_table.h"

namespace flashstor::fusefs {

/// How long the kernel may keep names and attributes without asking: bounds how late a change from another
/// door is seen.
struct CacheTimes {
  double entry_s = 0.9;
  double attribute_s = 0.9;
};

/// What stat shows in place of what is stored.
struct ShownOwner {
  std::optional<std::uint32_t> uid;
  std::optional<std::uint32_t> gid;
  std::uint32_t umask = 0;  ///< Permission bits that are left out.
};

/// A lock that an operation waits for: what an interrupt, or the end of the mount, needs.
struct LockWait {
  struct Mount* mount;
  files::FileRef file;
  bool cancelled = false;
  void cancel();
};

/// Files and directories between open and release; their addresses are the kernel's handles.
struct OpenFile {
  std::unique_ptr<files::OpenFileApi> file;
  NodeId node = 0;
};
struct OpenDirectory {
  std::vector<files::DirectoryEntry> entries;  ///< The page at hand.
  std::uint64_t first = 0;                     ///< Position of entries[0] in the directory.
  std::string cursor;                          ///< Where the page after it begins.
  bool end = false;
  async::Semaphore busy{1};  ///< Reads of one handle come one after another.
};

/// Owns what the kernel holds handles of: when a file system is taken away under its users, it gives none
/// back.
template <class T>
class HandleTable {
 public:
  void keep(std::unique_ptr<T> handle) {
    T* address = handle.get();
    held_.emplace(address, std::move(handle));
  }
  /// The kernel has given it back.
  [[nodiscard]] std::unique_ptr<T> take(T* address) {
    auto node = held_.extract(address);
    return std::move(node.mapped());
  }
  /// Whether `handle`, the number that a kernel has, is one of these.
  [[nodiscard]] bool holds(std::uint64_t handle) const {
    return held_.contains(reinterpret_cast<T*>(handle));
  }

 private:
  std::unordered_map<T*, std::unique_ptr<T>> held_;
};

class StreamKernel;

/// What the operations of one mount share. Lives on one runtime.
struct Mount {
  Mount(Runtime& on, files::VolumeApi& served, AccessApi& checks, files::InodeId root,
        NodeId first_node = kRootNode + 1)
      : runtime(on), volume(served), access(checks), nodes(root, first_node) {}

  Runtime& runtime;
  files::VolumeApi& volume;
  AccessApi& access;
  NodeTable nodes;
  CacheTimes times;
  ShownOwner shown;
  HandleTable<OpenFile> open_files;
  HandleTable<OpenDirectory> open_directories;
  std::set<LockWait*> lock_waits;
  /// Ends all waits for locks with kCancelled: nobody is left to hear of them.
  void cancel_lock_waits();
  async::Gate gate;                ///< Every operation under way.
  std::uint64_t owner_salt = 0;    ///< Makes lock owners of different mounts different.
  StreamKernel* stream = nullptr;  ///< The kernel, when it is another host's.
  fuse_session* session = nullptr;
};

/// The operations, as libfuse wants them; the session's user data is the Mount.
[[nodiscard]] const fuse_lowlevel_ops& operations();

/// Starts an operation: it runs to its end under the mount's gate and answers `request` itself.
void start(Mount& mount, fuse_req_t request, Task<void> operation);
[[nodiscard]] inline Mount& mount_of(fuse_req_t request) {
  return *static_cast<Mount*>(fuse_req_userdata(request));
}
[[nodiscard]] files::Caller caller_of(fuse_req_t request);
void reply_error(fuse_req_t request, const Error& error);
/// Answers 0 or the error.
void reply_result(fuse_req_t request, const Result<void>& result);
[[nodiscard]] struct stat stat_of(const Mount& mount, const files::Attributes& attributes);
/// Makes the kernel ask what a file looks like, where it may have been told of an older one than `now`; where
/// size or time have changed it forgets the file's pages then. Before the answer to an open, or to who gets a
/// lock.
void show_news(Mount& mount, NodeId node, const files::Attributes& now);
[[nodiscard]] fuse_entry_param entry_of(Mount& mount, NodeId node, const files::Attributes& attributes);
/// The stable st_ino of an inode.
[[nodiscard]] std::uint64_t inode_number(const files::InodeId& inode);
[[nodiscard]] std::string join(const std::string& directory, std::string_view name);

// One file each; they fill in their part of the table.
void add_attribute_operations(fuse_lowlevel_ops& table);
void add_name_operations(fuse_lowlevel_ops& table);
void add_directory_operations(fuse_lowlevel_ops& table);
void add_file_operations(fuse_lowlevel_ops& table);
void add_data_operations(fuse_lowlevel_ops& table);
void add_lock_operations(fuse_lowlevel_ops& table);
void add_extended_attribute_operations(fuse_lowlevel_ops& table);

}  // namespace flashstor::fusefs
