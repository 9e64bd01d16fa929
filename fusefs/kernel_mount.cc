#include "fusefs/kernel_mount.h"

#include <spawn.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <sstream>

namespace flashstor::fusefs {
namespace {

/// mountinfo writes space, tab, line feed and backslash as \ooo.
std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 3 >= text.size()) {
      out.push_back(text[i]);
      continue;
    }
    out.push_back(
        static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0')));
    i += 3;
  }
  return out;
}

Result<void> unmount_as_root(const std::string& mountpoint, bool lazy) {
  if (::umount2(mountpoint.c_str(), UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) == 0) return {};
  if (errno == EBUSY) return fail(ErrorCode::kBusy, "files are open below " + mountpoint);
  if (errno == EPERM) return fail(ErrorCode::kNotPermitted, "may not unmount " + mountpoint);
  return std::unexpected(base::errno_error(errno, "unmount", mountpoint));
}

Result<void> unmount_as_user(const std::string& mountpoint, bool lazy) {
  std::string program = "fusermount3";
  std::string unmount_word = lazy ? "-uz" : "-u";
  std::string quiet = "-q";
  std::string end = "--";
  std::string place = mountpoint;
  std::array<char*, 6> words{program.data(), unmount_word.data(), quiet.data(),
                             end.data(),     place.data(),        nullptr};
  pid_t child = 0;
  if (const int problem = ::posix_spawnp(&child, program.c_str(), nullptr, nullptr, words.data(), ::environ);
      problem != 0)
    return std::unexpected(base::errno_error(problem, "run", program));
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return fail(ErrorCode::kBusy, "fusermount3 could not unmount " + mountpoint);
}

}  // namespace

std::optional<std::string> mounted_device_in(std::string_view mountinfo, std::string_view mountpoint) {
  std::optional<std::string> topmost;  // A later line is mounted over an earlier one.
  std::istringstream lines{std::string(mountinfo)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string id, parent, device, root, place;
    if (!(fields >> id >> parent >> device >> root >> place)) continue;
    if (unescape(place) == mountpoint) topmost = device;
  }
  return topmost;
}

std::optional<std::string> mounted_device(std::string_view mountpoint) {
  std::ifstream file("/proc/self/mountinfo");
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  return mounted_device_in(text, mountpoint);
}

Result<void> unmount(const std::string& mountpoint, const std::string& device, bool lazy) {
  if (const auto now = mounted_device(mountpoint); !now || *now != device)
    return fail(ErrorCode::kNotFound, mountpoint + " is not this mount any more");
  return ::geteuid() == 0 ? unmount_as_root(mountpoint, lazy) : unmount_as_user(mountpoint, lazy);
}

void clear_dead_mount(const std::string& mountpoint) {
  struct stat found{};
  if (::stat(mountpoint.c_str(), &found) == 0 || errno != ENOTCONN) return;
  if (const auto device = mounted_device(mountpoint)) static_cast<void>(unmount(mountpoint, *device, true));
}

Result<void> check_mount_point(const std::string& mountpoint) {
  clear_dead_mount(mountpoint);
  struct stat found{};
  if (::stat(mountpoint.c_str(), &found) != 0 || !S_ISDIR(found.st_mode))
    return fail(ErrorCode::kNotFound, "mount point " + mountpoint + " is not a directory");
  if (::access("/dev/fuse", R_OK | W_OK) != 0)
    return fail(ErrorCode::kNotFound, "cannot mount at " + mountpoint + ": there is no /dev/fuse to use");
  return {};
}

}  // namespace flashstor::fusefs
