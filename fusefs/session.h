#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/async/uv_runtime.h"
#include "engine/async/work_pool.h"
#include "engine/files/file_store.h"
#include "fusefs/access.h"

namespace flashstor::fusefs {

/// Where a session's /dev/fuse descriptor comes from, and what it serves.
struct SessionOptions {
  std::string bucket;        ///< Shown by mount(8) as the source.
  std::string mountpoint;    ///< Mounted by the session; with `device` only a name.
  int device = -1;           ///< An open /dev/fuse that is mounted already; the session owns it.
  int stream = -1;           ///< Or a connected socket to another host's kernel (stream_kernel.h); owned too.
  bool allow_other = false;  ///< Others than the mounting user may use it (root mounts: usually on).
  bool read_only = false;
  std::optional<std::uint32_t> uid;  ///< Shown as the owner of everything; empty: who owns it.
  std::optional<std::uint32_t> gid;
  std::uint32_t umask = 0;       ///< Permission bits that nothing is shown to have.
  std::uint64_t owner_salt = 0;  ///< Different for each mount of a bucket.
};

/// One mount: the /dev/fuse descriptor, non-blocking and polled by the loop, or a socket to the kernel of
/// another host. Requests are read until there are none and run as coroutines; answers leave from wherever
/// they are ready. Lives on one runtime.
class Session {
 public:
  /// Mounts (or takes over `device`) and serves. On the runtime's thread; what blocks runs on `pool`, which
  /// outlives the session. Closes `device` and `stream` also on error. Errors: kIo with libfuse's words,
  /// kNotPermitted, kNotFound for a missing directory.
  static Task<Result<std::unique_ptr<Session>>> start(async::UvRuntime& runtime, WorkPool& pool,
                                                      files::VolumeApi& volume, AccessApi& access,
                                                      files::InodeId root, SessionOptions options);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  [[nodiscard]] const SessionOptions& options() const;
  /// False once the kernel ended the mount (umount from outside).
  [[nodiscard]] bool mounted() const;
  /// Waits until the kernel ended the mount.
  Task<void> wait_ended();
  /// The same until `deadline`; true when it ended.
  Task<bool> wait_ended_until(MonotonicTime deadline);
  /// Publishes what is dirty, unmounts (also a mount that was handed over; lazily when files are open, which
  /// then answer ENOTCONN), waits for the operations under way and publishes what these wrote. Requests are
  /// answered until the kernel has unmounted. Again after the end is harmless.
  Task<Result<void>> stop();

 private:
  struct State;
  explicit Session(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace flashstor::fusefs
