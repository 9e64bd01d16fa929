#pragma once

#include <memory>
#include <vector>

#include "s3d/node/options.h"
#include "s3d/node/service.h"

namespace flashstor::s3d {

/// Runs a node until SIGTERM or SIGINT: opens the drives, starts the services, serves S3 on every loop,
/// prints one line beginning `ready` on standard output, and stops in the opposite order. Blocks; call it
/// once, on the main thread, after start_log. Errors: why the node could not start, in words for the
/// operator.
Result<void> run_node(NodeOptions options, std::vector<std::unique_ptr<NodeService>> services);

}  // namespace flashstor::s3d
