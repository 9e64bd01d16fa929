#include <unistd.h>

#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "cli/admin_client.h"
#include "cli/clock.h"
#include "cli/command_set.h"
#include "cli/mount_client.h"
#include "cli/remote_mount.h"

namespace flashstor::cli {
namespace {

struct MountArguments {
  std::string target;
  std::string folder;
  std::string options;
  std::string socket;
  bool lazy = false;
  bool remote = false;
};

Exit mount_command(Session& session, const MountArguments& arguments) {
  const auto target = session.bucket(arguments.target);
  if (!target) return session.usage(target.error().message());
  if (!target->key.empty()) return session.usage("a whole bucket is mounted: ALIAS/BUCKET");
  auto options = parse_mount_options(arguments.options);
  if (!options) return session.usage(options.error().message());
  const auto client = session.client(target->alias);
  if (!client) return session.fail(client.error());
  MountRequest request;
  request.socket_path = arguments.socket;
  bool remote = arguments.remote;
  if (request.socket_path.empty() && !remote) {
    const auto info = admin_call(**client, "GET", "mount");
    if (!info)
      return session.fail(info.error().wrap(info.error().code(), "cannot ask the node for its mount socket"),
                          arguments.target);
    request.socket_path = info->string_or("mount_socket");
    // A node whose socket is not on this machine is another machine's.
    std::error_code error;
    remote = request.socket_path.empty() || !std::filesystem::exists(request.socket_path, error);
  }
  request.bucket = target->bucket;
  request.mountpoint = arguments.folder;
  request.options = std::move(*options);
  // An ordinary user's mount is seen by that user alone: what has no owner of theirs would be of no use to
  // them.
  if (::geteuid() != 0 && !request.options.contains("allow_other")) {
    request.options.try_emplace("uid", std::to_string(::geteuid()));
    request.options.try_emplace("gid", std::to_string(::getegid()));
  }
  request.access_key = (*client)->alias().credentials.access_key;
  request.secret_key = (*client)->alias().credentials.secret_key;
  request.now = wall_now();
  Result<std::string> id;
  if (remote) {
    const auto started = start_remote_mount({.request = request,
                                             .url = (*client)->alias().url.text(),
                                             .http = {.insecure = session.options.insecure}});
    if (!started) id = std::unexpected(started.error());
  } else {
    id = mount_through_node(request);
  }
  if (!id) return session.fail(id.error(), arguments.folder);
  session.output.result(
      fmt::format("ready: {} is mounted on {}", arguments.target, arguments.folder),
      Json::object({{"bucket", request.bucket}, {"mountpoint", arguments.folder}, {"id", *id}}));
  return Exit::kOk;
}

Exit umount_command(Session& session, const MountArguments& arguments) {
  const auto done = unmount(arguments.folder, arguments.lazy);
  if (!done) return session.fail(done.error(), arguments.folder);
  session.output.result(fmt::format("{} is unmounted", arguments.folder),
                        Json::object({{"mountpoint", arguments.folder}}));
  return Exit::kOk;
}

}  // namespace

void add_mount_commands(CommandSet& commands) {
  const auto arguments = std::make_shared<MountArguments>();
  CLI::App* mount = commands.add(
      nullptr, "mount",
      "Mount a bucket as a folder: by the node when it is on this machine, else over the network",
      "  flashctl mount local/photos /mnt/photos\n"
      "  flashctl mount far/photos /mnt/photos --remote\n"
      "  flashctl mount local/photos /mnt/photos -o ro",
      [arguments](Session& session) { return mount_command(session, *arguments); });
  mount->add_option("TARGET", arguments->target, "ALIAS/BUCKET")->required();
  mount->add_option("DIR", arguments->folder, "An existing folder")->required();
  mount->add_option(
      "-o,--options", arguments->options,
      "ro, noexec, noatime, allow_other, uid=N, gid=N (an ordinary user's own, unless given), …");
  mount->add_flag("--remote", arguments->remote, "Over the network, also from a node on this machine");
  mount->add_option("--socket", arguments->socket, "The node's mount socket, when it need not be asked");

  CLI::App* umount =
      commands.add(nullptr, "umount", "Unmount a folder", "  flashctl umount /mnt/photos",
                   [arguments](Session& session) { return umount_command(session, *arguments); });
  umount->add_option("DIR", arguments->folder, "A folder where a bucket is mounted")->required();
  umount->add_flag("-l,--lazy", arguments->lazy, "Even while files are open; they go with their last close");
}

}  // namespace flashstor::cli
