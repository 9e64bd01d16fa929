#include "cli/mount_client.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "cli/clock.h"
#include "cli/digest.h"
#include "cli/fuse_device.h"
#include "cli/limits.h"
#include "engine/base/codec.h"
#include "engine/base/hex.h"
#include "engine/base/json.h"

namespace flashstor::cli {
namespace {

Result<Descriptor> connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path)
    return fail(ErrorCode::kInvalidArgument, fmt::format("`{}` cannot be a socket's path", path));
  std::memcpy(address.sun_path, path.data(), path.size());
  Descriptor channel(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!channel.valid()) return std::unexpected(base::errno_error(errno, "make", "socket"));
  timeval patience{60, 0};
  ::setsockopt(channel.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(channel.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (::connect(channel.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return fail(ErrorCode::kNotFound,
                fmt::format("no node serves mounts at {} on this machine ({})", path, std::strerror(errno)));
  return channel;
}

/// All of `text`; the descriptor travels with its first byte.
Result<void> send_with_descriptor(int channel, std::string_view text, int descriptor) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  bool first = true;
  while (!text.empty()) {
    iovec part{const_cast<char*>(text.data()), text.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (first) {
      message.msg_control = control;
      message.msg_controllen = sizeof control;
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(sizeof(int));
      std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
    }
    const ssize_t sent = ::sendmsg(channel, &message, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return std::unexpected(base::errno_error(errno, "send to", "the node"));
    first = false;
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
  return {};
}

Result<std::string> receive(int channel, std::size_t bytes) {
  std::string text(bytes, '\0');
  for (std::size_t done = 0; done < bytes;) {
    const ssize_t got = ::recv(channel, text.data() + done, bytes - done, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::unexpected(base::errno_error(errno, "receive from", "the node"));
    if (got == 0) return fail(ErrorCode::kIo, "the node closed the connection without an answer");
    done += static_cast<std::size_t>(got);
  }
  return text;
}

Result<std::string> read_answer(int channel) {
  const auto head = receive(channel, 4);
  if (!head) return head;
  const std::uint32_t bytes = ByteReader(*head).u32();
  if (bytes > limits::kMaxMountMessageBytes)
    return fail(ErrorCode::kMalformed, "the node's answer is too long");
  const auto text = receive(channel, bytes);
  if (!text) return text;
  return parse_mount_answer(*text);
}

}  // namespace

Result<std::string> parse_mount_answer(std::string_view text) {
  const auto answer = Json::parse(text);
  if (!answer) return std::unexpected(answer.error());
  if (answer->bool_or("ok")) {
    if (const auto id = answer->get("id").as_uint()) return std::to_string(*id);
    return answer->string_or("id");
  }
  const std::string code = answer->string_or("code", "InternalError");
  return fail(
      code.find("Denied") != std::string::npos ? ErrorCode::kAccessDenied : ErrorCode::kInvalidArgument,
      fmt::format("{} ({})", answer->string_or("message", "the node refused"), code));
}

Result<std::map<std::string, std::string>> parse_mount_options(std::string_view text) {
  std::map<std::string, std::string> options;
  while (!text.empty()) {
    const auto comma = text.find(',');
    const std::string_view one = text.substr(0, comma);
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
    const auto equals = one.find('=');
    if (one.empty()) continue;
    if (equals == 0) return fail(ErrorCode::kInvalidArgument, fmt::format("`{}` is no mount option", one));
    options[std::string(one.substr(0, equals))] =
        equals == std::string_view::npos ? std::string() : std::string(one.substr(equals + 1));
  }
  return options;
}

std::string mount_signature(const MountRequest& request, std::string_view date) {
  const std::string key = hmac_sha256("flashstor-mount" + request.secret_key, date);
  std::string lines =
      fmt::format("{}\n{}\n{}\n{}", request.bucket, request.mountpoint, request.access_key, date);
  if (!request.challenge.empty()) lines += '\n' + request.challenge;
  return base::to_hex(hmac_sha256(key, lines));
}

std::string mount_message(const MountRequest& request) {
  const std::string date = iso_basic(request.now);
  Json options = Json::object();
  for (const auto& [name, value] : request.options) options.set(name, value);
  Json message = Json::object({{"version", 1},
                               {"bucket", request.bucket},
                               {"mountpoint", request.mountpoint},
                               {"options", options},
                               {"access_key", request.access_key},
                               {"date", date},
                               {"signature", mount_signature(request, date)}});
  if (!request.challenge.empty()) message.set("challenge", request.challenge);
  return message.dump();
}

Result<std::string> mount_folder(const std::string& folder) {
  std::error_code error;
  std::string path = std::filesystem::canonical(folder, error);
  if (error) return std::unexpected(base::errno_error(error.value(), "mount on", folder));
  if (!std::filesystem::is_directory(path, error))
    return fail(ErrorCode::kNotFound, fmt::format("{} is no folder", path));
  return path;
}

Result<std::string> mount_through_node(const MountRequest& request) {
  MountRequest full = request;
  auto folder = mount_folder(request.mountpoint);
  if (!folder) return folder;
  full.mountpoint = std::move(*folder);
  const std::string message = mount_message(full);
  if (message.size() > limits::kMaxMountMessageBytes)
    return fail(ErrorCode::kInvalidArgument, "the mount options are too long");
  // The node is reached first: a mount that nobody will serve would block whoever looks at it.
  const auto channel = connect_to(full.socket_path);
  if (!channel) return std::unexpected(channel.error());
  auto device = mount_fuse(full.bucket, full.mountpoint, full.options);
  if (!device) return std::unexpected(device.error());
  ByteWriter head;
  head.u32(static_cast<std::uint32_t>(message.size()));
  const auto sent = send_with_descriptor(channel->get(), head.take() + message, device->get());
  auto answer = sent ? read_answer(channel->get()) : std::unexpected(sent.error());
  if (!answer) {
    *device = Descriptor();
    static_cast<void>(unmount_fuse(full.mountpoint, true));  // The refusal is what the caller must hear.
  }
  return answer;
}

Result<void> unmount(const std::string& mountpoint, bool lazy) {
  // Not resolved: a mount whose server is gone cannot be looked at, but it can be unmounted.
  return unmount_fuse(mountpoint, lazy);
}

}  // namespace flashstor::cli
