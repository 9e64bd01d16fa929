#include "cli/remote_mount.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>

#include "cli/fuse_device.h"
#include "cli/interrupt.h"
#include "cli/kernel_relay.h"

namespace flashstor::cli {
namespace {

// What the process that serves tells the one that started it: nothing but a newline, or an error.
void tell(int pipe, const Error* error) {
  const std::string text = error == nullptr ? "\n"
                                            : std::to_string(static_cast<int>(error->code())) + ' ' +
                                                  std::string(error->message());
  static_cast<void>(!::write(pipe, text.data(), text.size()));
  ::close(pipe);
}

Result<void> hear(int pipe) {
  std::string text;
  std::array<char, 512> block{};
  while (true) {
    const ssize_t got = ::read(pipe, block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    text.append(block.data(), static_cast<std::size_t>(got));
  }
  if (text == "\n") return {};
  const auto space = text.find(' ');
  if (space == std::string::npos) return fail(ErrorCode::kIo, "the process that was to serve the mount died");
  int code = 0;
  std::from_chars(text.data(), text.data() + space, code);
  return fail(static_cast<ErrorCode>(code), text.substr(space + 1));
}

[[noreturn]] void serve_behind(const RemoteMount& mount, int pipe) {
  ::setsid();
  const int stop = ending_signals();
  bool is_ready = false;
  const auto served = serve_remote_mount(mount, stop, [&is_ready, pipe] {
    is_ready = true;
    static_cast<void>(::chdir("/"));
    const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
      if (nothing >= 0) ::dup2(nothing, standard);
    if (nothing >= 0) ::close(nothing);
    tell(pipe, nullptr);
  });
  if (!served && !is_ready) tell(pipe, &served.error());
  if (!served && is_ready) ::syslog(LOG_ERR, "%s", std::string(served.error().message()).c_str());
  std::_Exit(served ? 0 : 1);
}

}  // namespace

Result<void> serve_remote_mount(RemoteMount mount, int stop, const std::function<void()>& ready) {
  auto folder = mount_folder(mount.request.mountpoint);
  if (!folder) return std::unexpected(folder.error());
  mount.request.mountpoint = *folder;
  auto connection = open_files_channel(mount);
  if (!connection) return std::unexpected(connection.error());
  auto device = mount_fuse(mount.request.bucket, *folder, mount.request.options);
  if (!device) return std::unexpected(device.error());
  ready();
  KernelRelay relay(
      std::move(*device), std::move(*connection), [&mount] { return open_files_channel(mount); }, stop,
      [&folder] {
        if (auto gone = unmount_fuse(*folder, false); !gone) static_cast<void>(unmount_fuse(*folder, true));
      });
  return relay.run();
}

Result<void> start_remote_mount(const RemoteMount& mount) {
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) return std::unexpected(base::errno_error(errno, "make", "pipe"));
  const pid_t child = ::fork();
  if (child < 0) return std::unexpected(base::errno_error(errno, "start", "the mount's process"));
  if (child == 0) {
    ::close(pipe[0]);
    serve_behind(mount, pipe[1]);
  }
  ::close(pipe[1]);
  auto heard = hear(pipe[0]);
  ::close(pipe[0]);
  if (!heard) ::waitpid(child, nullptr, 0);
  return heard;
}

}  // namespace flashstor::cli
