#pragma once

#include <map>
#include <string>
#include <utility>

#include "engine/base/error.h"

namespace flashstor::cli {

/// A descriptor that closes itself.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor();
  [[nodiscard]] int get() const { return number_; }
  [[nodiscard]] bool valid() const { return number_ >= 0; }

 private:
  int number_ = -1;
};

/// Mounts a FUSE file system that nobody serves yet and gives its /dev/fuse descriptor. `source` is what
/// mount(8) shows; of `options` the kernel's own are used (ro, allow_other, nosuid, …). Errors: kNotFound
/// (/dev/fuse, fusermount3 or the folder is missing), kNotPermitted, kIo.
[[nodiscard]] Result<Descriptor> mount_fuse(const std::string& source, const std::string& mountpoint,
                                            const std::map<std::string, std::string>& options);
/// Errors: kBusy, kInvalidArgument when nothing is mounted there, kNotPermitted, kIo.
[[nodiscard]] Result<void> unmount_fuse(const std::string& mountpoint, bool lazy);

}  // namespace flashstor::cli
