#pragma once

#include <span>

#include "engine/async/sync.h"
#include "engine/async/uv_tls.h"
#include "engine/async/work_pool.h"
#include "s3d/node/loop.h"

/// What a node does beside answering, each until `stop` is set. They run on loop 0 under the node's gate.
namespace flashstor::s3d {

/// Carries access records from the loops' rings to the log, formatting them on `pool`.
Task<void> drain_access_logs(Runtime& runtime, WorkPool& pool, std::span<const std::unique_ptr<Loop>> loops,
                             async::Event& stop);

/// Drops references to shared data that a crash left behind: at once, and every kReferenceSweep.
Task<void> sweep_references(Runtime& runtime, objects::ObjectStore& store, async::Event& stop);

/// Reads certificates again when they changed on disk.
Task<void> watch_certificates(Runtime& runtime, WorkPool& pool, std::shared_ptr<async::TlsContext> tls,
                              async::Event& stop);

}  // namespace flashstor::s3d
