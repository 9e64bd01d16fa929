#pragma once

#include <map>
#include <string>
#include <string_view>

#include "engine/base/error.h"
#include "engine/base/time.h"

namespace flashstor::cli {

/// A bucket to be mounted by a node of this machine, for the identity of an access key.
struct MountRequest {
  std::string socket_path;  ///< The node's Unix socket ("mount_socket" of the admin API's mount).
  std::string bucket;
  std::string mountpoint;  ///< An existing folder.
  std::map<std::string, std::string> options;
  std::string access_key;
  std::string secret_key;
  WallTime now;
  std::string challenge;  ///< What a node on another host wants signed; empty on the node's own socket.
};

/// "ro,allow_other,uid=1000" as names and values; a name alone has the value "". Errors: kInvalidArgument.
[[nodiscard]] Result<std::map<std::string, std::string>> parse_mount_options(std::string_view text);

/// Hexadecimal HMAC that proves to the node that the caller has the secret key: HMAC-SHA256 of
/// `bucket \n mountpoint \n access_key \n date` (and `\n challenge` where there is one) under
/// HMAC-SHA256("flashstor-mount" + secret, date).
[[nodiscard]] std::string mount_signature(const MountRequest& request, std::string_view date);

/// The message that goes with the descriptor, without its length.
[[nodiscard]] std::string mount_message(const MountRequest& request);

/// The id in a node's answer to it. Errors: kMalformed; kAccessDenied or kInvalidArgument with the node's
/// words.
[[nodiscard]] Result<std::string> parse_mount_answer(std::string_view text);

/// The folder as it is called without links. Errors: kNotFound.
[[nodiscard]] Result<std::string> mount_folder(const std::string& folder);

/// Mounts the bucket: opens /dev/fuse (as root with mount(2), else through fusermount3) and hands the
/// descriptor to the node, which serves it from then on. Gives the node's id of the mount. When the node
/// refuses, nothing stays mounted. Errors: kNotFound (no folder, no /dev/fuse, no node at the socket),
/// kNotPermitted, kIo, and kAccessDenied or kInvalidArgument with the node's words.
[[nodiscard]] Result<std::string> mount_through_node(const MountRequest& request);

/// Unmounts a folder; files still open make it fail with kBusy unless `lazy`.
[[nodiscard]] Result<void> unmount(const std::string& mountpoint, bool lazy);

}  // namespace flashstor::cli
