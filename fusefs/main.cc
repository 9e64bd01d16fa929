#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <pwd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <optional>

#include "cli/admin_client.h"
#include "cli/clock.h"
#include "cli/fuse_device.h"
#include "cli/interrupt.h"
#include "cli/mount_client.h"
#include "cli/remote_mount.h"
#include "cli/session.h"
#include "fusefs/kernel_mount.h"

// What fstab and systemd start: mount(8) calls it as /sbin/mount.flashstor SOURCE DIR [-sfnv] [-o OPTIONS].
// A node on this machine serves the mount, so this program is done once the bucket is mounted; with
// --foreground it stays until it is unmounted. A node elsewhere serves it through a process that stays.
namespace {

using namespace flashstor;

struct Arguments {
  std::string source;
  std::string folder;
  std::vector<std::string> options;
  bool foreground = false;
  bool fake = false;  ///< mount(8)'s -f: all but the mount itself.
};

/// Takes an option that is for this program out of those for the node.
std::string take(std::map<std::string, std::string>& options, const std::string& name) {
  const auto found = options.find(name);
  if (found == options.end()) return {};
  std::string value = std::move(found->second);
  options.erase(found);
  return value;
}

/// systemd and mount(8) may leave HOME out: then the folder of the user's own aliases comes from passwd.
std::string config_folder() {
  if (std::getenv("HOME") != nullptr || std::getenv("FLASHSTORE_CONFIG_DIR") != nullptr)
    return cli::default_config_folder();
  const passwd* user = ::getpwuid(::getuid());
  return user == nullptr ? cli::default_config_folder() : std::string(user->pw_dir) + "/.config/flashstor";
}

/// Empty when the node's socket is not on this machine.
Result<std::string> mount_socket(cli::S3Client& client) {
  const auto info = cli::admin_call(client, "GET", "mount");
  if (!info)
    return std::unexpected(info.error().wrap(
        info.error().code(), fmt::format("cannot ask the node for its mount socket: {}; name the socket with "
                                         "-o socket=PATH, or mount over the network with -o remote",
                                         info.error().message())));
  std::string path = info->string_or("mount_socket");
  std::error_code error;
  return std::filesystem::exists(path, error) ? path : std::string();
}

/// What is to be served from another host, by this program; nothing when the node serves it.
struct Mounted {
  std::optional<cli::RemoteMount> remote;
};

Result<Mounted> mount(const Arguments& arguments) {
  std::map<std::string, std::string> options;
  for (const std::string& list : arguments.options) {
    auto some = cli::parse_mount_options(list);
    if (!some) return std::unexpected(some.error());
    options.insert(some->begin(), some->end());
  }
  cli::Session session;
  session.options.config_folder = take(options, "config");
  if (session.options.config_folder.empty()) session.options.config_folder = config_folder();
  const bool remote = options.erase("remote") > 0;
  const auto target = session.bucket(arguments.source);
  if (!target) return std::unexpected(target.error());
  if (!target->key.empty())
    return fail(ErrorCode::kInvalidArgument, "a whole bucket is mounted: ALIAS/BUCKET");
  const auto client = session.client(target->alias);
  if (!client) return std::unexpected(client.error());
  cli::MountRequest request{.socket_path = take(options, "socket"),
                            .bucket = target->bucket,
                            .mountpoint = arguments.folder,
                            .options = options,
                            .access_key = (*client)->alias().credentials.access_key,
                            .secret_key = (*client)->alias().credentials.secret_key,
                            .now = cli::wall_now()};
  if (request.socket_path.empty() && !remote) {
    auto path = mount_socket(**client);
    if (!path) return std::unexpected(path.error());
    request.socket_path = std::move(*path);
  }
  fusefs::clear_dead_mount(arguments.folder);  // Of a node that was killed.
  if (arguments.fake) return Mounted();
  if (remote || request.socket_path.empty())
    return Mounted{cli::RemoteMount{.request = request, .url = (*client)->alias().url.text(), .http = {}}};
  const auto id = cli::mount_through_node(request);
  if (!id) return std::unexpected(id.error());
  return Mounted();
}

/// In front: serves to the end and says `ready` itself. Otherwise returns once it is mounted.
Result<void> serve(const cli::RemoteMount& remote, bool foreground, int signals,
                   const std::function<void()>& ready) {
  if (foreground) return cli::serve_remote_mount(remote, signals, ready);
  const auto started = cli::start_remote_mount(remote);
  if (started) ready();
  return started;
}

constexpr int kMountFailed = 32;  // mount(8); what is wrong with the command line is 1.

int give_up(const Error& error, int status = kMountFailed) {
  fmt::print(stderr, "flashstor-fusefs: {}\n", error.message());
  return status;
}

/// Until it is unmounted; a signal unmounts it.
int stay(const std::string& folder, int signals, int mounts) {
  const auto device = fusefs::mounted_device(folder);
  while (device && fusefs::mounted_device(folder) == device) {
    // The kernel tells of each change of the mount table by POLLPRI: proc_pid_mounts(5).
    pollfd watched[] = {{signals, POLLIN, 0}, {mounts, POLLPRI, 0}};
    if (::poll(watched, 2, -1) < 0) continue;
    if ((watched[0].revents & POLLIN) == 0) continue;
    auto gone = cli::unmount(folder, false);
    if (!gone && gone.error().code() == ErrorCode::kBusy) gone = cli::unmount(folder, true);
    return gone ? 0 : give_up(gone.error());
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const bool helper = std::string_view(argv[0]).ends_with("mount.flashstor");
  CLI::App app("Mounts a bucket, of the node on this machine or over the network, for fstab and systemd.",
               "flashstor-fusefs");
  Arguments arguments;
  bool ignored = false;
  std::string ignored_type;
  app.set_version_flag("--version", "flashstor-fusefs 0.1.0");
  app.add_option("SOURCE", arguments.source, "ALIAS/BUCKET, as flashctl alias set it")->required();
  app.add_option("DIR", arguments.folder, "An existing folder")->required();
  app.add_option(
         "-o", arguments.options,
         "ro, allow_other, uid=N, gid=N, umask=N, remote, socket=PATH, config=DIR, and mount(8)'s own")
      ->expected(1)
      ->take_all();
  app.add_flag("--foreground", arguments.foreground, "Stay until it is unmounted; SIGTERM unmounts");
  app.add_flag("-f", helper ? arguments.fake : arguments.foreground,
               "As --foreground; called as mount.flashstor: do all but the mount, as mount(8) means it");
  app.add_flag("-s,-n,-v", ignored, "Taken from mount(8) and passed over");
  app.add_option("-t,-N", ignored_type, "Taken from mount(8) and passed over");
  CLI11_PARSE(app, argc, argv);

  std::error_code error;
  const std::string folder = std::filesystem::absolute(arguments.folder, error).lexically_normal();
  arguments.folder =
      folder.size() > 1 && folder.ends_with('/') ? folder.substr(0, folder.size() - 1) : folder;
  const int signals = arguments.foreground ? cli::ending_signals() : -1;
  const cli::Descriptor mounts(::open("/proc/self/mounts", O_RDONLY | O_CLOEXEC));
  if (!mounts.valid()) return give_up({ErrorCode::kIo, "/proc is not mounted"});
  const auto mounted = mount(arguments);
  if (!mounted) return give_up(mounted.error());
  const auto ready = [&arguments, helper] {
    // mount(8) and systemd want silence from a helper; who starts it by hand or in front wants to know.
    if (helper && !arguments.foreground) return;
    fmt::print("ready {} is mounted on {}\n", arguments.source, arguments.folder);
    std::fflush(stdout);
  };
  if (mounted->remote) {
    const auto served = serve(*mounted->remote, arguments.foreground, signals, ready);
    return served ? 0 : give_up(served.error());
  }
  ready();
  return arguments.foreground ? stay(arguments.folder, signals, mounts.get()) : 0;
}
