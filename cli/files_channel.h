#pragma once

#include <string>

#include "cli/mount_client.h"
#include "cli/raw_connection.h"

namespace flashstor::cli {

/// A bucket to be mounted from a node on another host.
struct RemoteMount {
  MountRequest request;  ///< Without the socket's path.
  std::string url;       ///< Of the node, "https://node1:9000".
  HttpOptions http;
};

/// Opens the channel of files and proves who asks: from then on it carries the requests of this machine's
/// kernel to the node and the answers back, as they pass through /dev/fuse. Blocks. Errors: kIo, kTimeout,
/// kNotSupported when nobody there speaks it, kAccessDenied or kInvalidArgument with the node's words.
[[nodiscard]] Result<RawConnection> open_files_channel(const RemoteMount& mount);

}  // namespace flashstor::cli
