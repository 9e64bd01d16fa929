#include "s3d/node/background.h"

#include "engine/base/log.h"
#include "s3d/node/limits.h"

namespace flashstor::s3d {
namespace {

/// Everything that waits now, in bounded pieces. On a pool thread: the one reader of every ring.
void drain_all(std::span<const std::unique_ptr<Loop>> loops) {
  for (const auto& loop : loops) {
    AccessRing* ring = loop->access_ring();
    if (ring == nullptr) continue;
    std::size_t count = 0;
    do {
      std::string lines;
      count = ring->drain(node_limits::kAccessDrainRecords,
                          [&lines](const RequestRecord& record) { append_json_line(lines, record); });
      if (count > 0) base::log_records(lines);
    } while (count == node_limits::kAccessDrainRecords);
  }
}

}  // namespace

Task<void> drain_access_logs(Runtime& runtime, WorkPool& pool, std::span<const std::unique_ptr<Loop>> loops,
                             async::Event& stop) {
  bool stopping = false;
  while (!stopping) {
    stopping = co_await stop.wait_until(runtime.now() + node_limits::kAccessDrainInterval);
    co_await async::offload(pool, [loops] { drain_all(loops); });
  }
}

Task<void> sweep_references(Runtime& runtime, objects::ObjectStore& store, async::Event& stop) {
  do {
    const auto swept = co_await store.sweep_references();
    if (!swept) {
      base::log_warning("references to shared data could not be swept: {}", swept.error().describe());
    } else if (*swept > 0) {
      base::log_info("{} references that a crash left behind were dropped", *swept);
    }
  } while (!co_await stop.wait_until(runtime.now() + node_limits::kReferenceSweep));
}

Task<void> watch_certificates(Runtime& runtime, WorkPool& pool, std::shared_ptr<async::TlsContext> tls,
                              async::Event& stop) {
  while (!co_await stop.wait_until(runtime.now() + node_limits::kCertificateInterval)) {
    const auto reloaded = co_await async::offload(pool, [&tls]() -> Result<bool> {
      if (!tls->changed_on_disk()) return false;
      auto loaded = tls->reload();
      if (!loaded) return std::unexpected(loaded.error());
      return true;
    });
    if (!reloaded) {
      base::log_error("certificates were not reloaded: {}", reloaded.error().describe());
    } else if (*reloaded) {
      base::log_info("certificates were reloaded");
    }
  }
}

}  // namespace flashstor::s3d
