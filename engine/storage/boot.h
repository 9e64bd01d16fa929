#pragma once

#include <string>

#include "engine/base/error.h"
#include "engine/storage/file_io.h"

/// Whether a drive's machine may have lost its power since the drive was used: then what was synced may be
/// gone, if the drive's cache lies. A process that is killed loses nothing of it.
namespace flashstor::storage {

/// What the kernel keeps from its start to its end, and no other one has; empty where it does not say.
/// Source: proc(5), /proc/sys/kernel/random/boot_id.
[[nodiscard]] std::string current_boot();

/// The drive at `path` is to be used in `boot`. Gives whether it is in doubt: it was last used in another
/// boot, which did not end with an orderly stop (`clean`), or it was in doubt before and nobody has trusted
/// it since. Durable on return, so that what it takes in from now on does not hide the doubt from its next
/// start. Never in doubt where `boot` is empty. Errors: kIo, kNoSpace, kReadOnly.
[[nodiscard]] Result<bool> enter_boot(FileIo& io, const std::string& path, const std::string& boot,
                                      bool clean);
/// It is known to hold what it should. Durable on return. Errors: as enter_boot.
Result<void> trust_boot(FileIo& io, const std::string& path, const std::string& boot);

}  // namespace flashstor::storage
