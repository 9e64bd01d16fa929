#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/base/error.h"

namespace flashstor::fusefs {

/// What the kernel has mounted at `mountpoint` (the topmost there), as "MAJOR:MINOR" of its device; nothing
/// when nothing is. Reads /proc/self/mountinfo, so it never touches the mounted file system itself.
[[nodiscard]] std::optional<std::string> mounted_device(std::string_view mountpoint);
/// The same from a mountinfo text.  Source: proc_pid_mountinfo(5).
[[nodiscard]] std::optional<std::string> mounted_device_in(std::string_view mountinfo,
                                                           std::string_view mountpoint);

/// Unmounts what `device` names, if it is still the topmost at `mountpoint`: with umount2(2) as root, else
/// through fusermount3(1). With `lazy` also while files are open. The kernel writes dirty pages back first,
/// so whoever serves the mount must go on serving meanwhile: call it on a pool thread.
/// Errors: kBusy (files are open), kNotFound (something else or nothing is mounted there), kNotPermitted,
/// kIo.
[[nodiscard]] Result<void> unmount(const std::string& mountpoint, const std::string& device, bool lazy);

/// A mount point whose server died answers everything with ENOTCONN: takes such a leftover away, so that it
/// can be mounted again. Anything else stays as it is. Blocks.
void clear_dead_mount(const std::string& mountpoint);
/// Whether something can be mounted there, as far as it shows beforehand; clears a dead mount. Blocks.
/// Errors: kNotFound where there is no directory, or no /dev/fuse.
[[nodiscard]] Result<void> check_mount_point(const std::string& mountpoint);

}  // namespace flashstor::fusefs
