#include "cli/fuse_device.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

// Source: Linux Documentation/filesystems/fuse.rst (mount options); fusermount3(1): the helper sends the
// descriptor over the socket whose number stands in _FUSE_COMMFD.
namespace flashstor::cli {
namespace {

using Options = std::map<std::string, std::string>;

Error errno_words(std::string_view operation, std::string_view path) {
  ErrorCode code = ErrorCode::kIo;
  if (errno == EPERM || errno == EACCES) code = ErrorCode::kNotPermitted;
  if (errno == ENOENT || errno == ENODEV) code = ErrorCode::kNotFound;
  if (errno == EBUSY) code = ErrorCode::kBusy;
  if (errno == EINVAL) code = ErrorCode::kInvalidArgument;
  return {code, fmt::format("{} {}: {}", operation, path, std::strerror(errno))};
}

bool has(const Options& options, const std::string& name) { return options.contains(name); }

unsigned long flags_of(const Options& options) {
  unsigned long flags = MS_NOSUID | MS_NODEV;
  if (has(options, "suid")) flags &= ~static_cast<unsigned long>(MS_NOSUID);
  if (has(options, "dev")) flags &= ~static_cast<unsigned long>(MS_NODEV);
  if (has(options, "ro")) flags |= MS_RDONLY;
  if (has(options, "noexec")) flags |= MS_NOEXEC;
  if (has(options, "noatime")) flags |= MS_NOATIME;
  return flags;
}

Result<Descriptor> mount_as_root(const std::string& source, const std::string& mountpoint,
                                 const Options& options) {
  Descriptor device(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
  if (!device.valid()) return std::unexpected(errno_words("open", "/dev/fuse"));
  struct stat status{};
  if (::stat(mountpoint.c_str(), &status) != 0) return std::unexpected(errno_words("stat", mountpoint));
  // Root mounts are for everybody who may pass the file system's own permissions.
  std::string data = fmt::format("fd={},rootmode={:o},user_id=0,group_id=0,default_permissions", device.get(),
                                 status.st_mode & S_IFMT);
  if (!has(options, "noallow_other")) data += ",allow_other";
  if (::mount(source.c_str(), mountpoint.c_str(), "fuse.flashstor", flags_of(options), data.c_str()) != 0)
    return std::unexpected(errno_words("mount on", mountpoint));
  return device;
}

/// Runs fusermount3; `kept` (or -1) is a descriptor that it inherits as its _FUSE_COMMFD. Gives its exit
/// status.
Result<int> run_fusermount(std::vector<std::string> arguments, int kept) {
  std::vector<char*> words;
  arguments.insert(arguments.begin(), "fusermount3");
  for (std::string& argument : arguments) words.push_back(argument.data());
  words.push_back(nullptr);
  std::string channel = fmt::format("_FUSE_COMMFD={}", kept);
  std::vector<char*> environment;
  for (char** entry = ::environ; *entry; ++entry) environment.push_back(*entry);
  if (kept >= 0) environment.push_back(channel.data());
  environment.push_back(nullptr);
  pid_t child = 0;
  const int spawned =
      ::posix_spawnp(&child, "fusermount3", nullptr, nullptr, words.data(), environment.data());
  if (spawned == ENOENT)
    return fail(ErrorCode::kNotFound, "fusermount3 is missing: install the package fuse3");
  if (spawned != 0) return fail(ErrorCode::kIo, fmt::format("fusermount3: {}", std::strerror(spawned)));
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

Result<Descriptor> receive_descriptor(int channel) {
  char byte = 0;
  iovec part{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t got = 0;
  do {
    got = ::recvmsg(channel, &message, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  const cmsghdr* header = got > 0 ? CMSG_FIRSTHDR(&message) : nullptr;
  if (!header || header->cmsg_type != SCM_RIGHTS || header->cmsg_len != CMSG_LEN(sizeof(int)))
    return fail(ErrorCode::kIo, "fusermount3 gave no descriptor");
  int number = -1;
  std::memcpy(&number, CMSG_DATA(header), sizeof number);
  return Descriptor(number);
}

Result<Descriptor> mount_as_user(const std::string& source, const std::string& mountpoint,
                                 const Options& options) {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
    return std::unexpected(errno_words("make", "socket pair"));
  const Descriptor ours(pair[0]);
  Descriptor theirs(pair[1]);
  ::fcntl(theirs.get(), F_SETFD, 0);  // The helper inherits it.
  std::string list = fmt::format("fsname={},subtype=flashstor,nosuid,nodev,default_permissions", source);
  for (const char* name : {"ro", "noexec", "noatime", "allow_other"})
    if (has(options, name)) list += fmt::format(",{}", name);
  const auto status = run_fusermount({"-o", list, "--", mountpoint}, theirs.get());
  theirs = Descriptor();
  if (!status) return std::unexpected(status.error());
  if (*status != 0)
    return fail(ErrorCode::kNotPermitted,
                fmt::format("fusermount3 could not mount on {} (its words are above)", mountpoint));
  return receive_descriptor(ours.get());
}

}  // namespace

Descriptor::~Descriptor() {
  if (number_ >= 0) ::close(number_);
}

Result<Descriptor> mount_fuse(const std::string& source, const std::string& mountpoint,
                              const Options& options) {
  struct stat status{};
  if (::stat("/dev/fuse", &status) != 0)
    return fail(ErrorCode::kNotFound, "/dev/fuse is missing: this system or container cannot mount");
  return ::geteuid() == 0 ? mount_as_root(source, mountpoint, options)
                          : mount_as_user(source, mountpoint, options);
}

Result<void> unmount_fuse(const std::string& mountpoint, bool lazy) {
  if (::geteuid() == 0) {
    if (::umount2(mountpoint.c_str(), lazy ? MNT_DETACH : 0) != 0)
      return std::unexpected(errno_words("unmount", mountpoint));
    return {};
  }
  std::vector<std::string> arguments = {"-u"};
  if (lazy) arguments.emplace_back("-z");
  arguments.emplace_back("--");
  arguments.push_back(mountpoint);
  const auto status = run_fusermount(std::move(arguments), -1);
  if (!status) return std::unexpected(status.error());
  if (*status != 0)
    return fail(ErrorCode::kBusy, fmt::format("fusermount3 could not unmount {}", mountpoint));
  return {};
}

}  // namespace flashstor::cli
