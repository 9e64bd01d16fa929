#pragma once

#include <functional>
#include <string>

#include "cli/files_channel.h"

namespace flashstor::cli {

/// Mounts a bucket of a node on another host and serves it to the end, in this process: opens the channel,
/// mounts (as root with mount(2), else through fusermount3), calls `ready`, and returns once the folder is
/// unmounted. `stop`: readable when it is to be unmounted; -1: nothing asks. Errors: before `ready` of
/// open_files_channel and mount_fuse, nothing stays mounted then; afterwards kIo.
[[nodiscard]] Result<void> serve_remote_mount(RemoteMount mount, int stop,
                                              const std::function<void()>& ready);

/// The same in a process of its own, which goes on after this one: returns once the folder is mounted.
/// SIGTERM unmounts. Errors: of serve_remote_mount, before `ready`. Call with one thread only.
[[nodiscard]] Result<void> start_remote_mount(const RemoteMount& mount);

}  // namespace flashstor::cli
