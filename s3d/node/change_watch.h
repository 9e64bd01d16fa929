#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "engine/async/sync.h"
#include "engine/cluster/peers/peers.h"
#include "engine/iam/identities.h"
#include "engine/objects/object_store.h"
#include "engine/objects/system_store.h"
#include "s3d/ops/services.h"

namespace flashstor::s3d {

/// Keeps the identities and buckets that this process has in memory as current as the store. Each node has a
/// document of its own in the system bucket: before it changes a user, policy or bucket it writes there that
/// it is about to, afterwards a new mark. Every node reads all these documents four times a second, at the
/// leader, and at once when another tells it; when one differs, or its writer is still about to, it reads
/// identities anew and drops its buckets. A node that could not read them for a second asks before it allows
/// anything, and refuses if it cannot: so what was revoked is refused everywhere within a second, also behind
/// a cut cable.
/// Threads: made, started and stopped on `home`; changing, changed, is_fresh and confirm on any loop.
class ChangeWatch final : public cluster::SystemWatchApi, public FreshnessApi {
 public:
  ChangeWatch(Runtime& home, cluster::Peers& peers, objects::SystemStore& store,
              objects::BucketEpoch& buckets, iam::Iam& iam, iam::IdentityStore& identities);

  /// Reads once, then keeps reading. Errors: of the read.
  Task<Result<void>> start();
  Task<void> stop();

  Task<Result<void>> changing(std::string_view path) override;
  Task<void> changed() override;
  [[nodiscard]] bool concerns(std::string_view path) const override;
  [[nodiscard]] bool is_fresh(MonotonicTime now) const override;
  Task<Result<void>> confirm() override;

 private:
  Task<void> keep_reading();
  Task<Result<void>> look();
  Task<Result<void>> look_held();
  Task<Result<void>> mark(bool about_to);
  Task<Result<void>> changing_home();
  Task<void> changed_home();

  Runtime& home_;
  cluster::Peers& peers_;
  objects::SystemStore& store_;
  objects::BucketEpoch& buckets_;
  iam::Iam& iam_;
  iam::IdentityStore& identities_;
  std::string own_path_;
  // Home loop only.
  std::size_t under_way_ = 0;
  std::string seen_;
  bool stopping_ = false;
  async::Semaphore looking_{1};
  async::Semaphore marking_{1};
  async::Signal stop_;
  async::Gate gate_;
  std::atomic<std::int64_t> fresh_until_{0};
};

}  // namespace flashstor::s3d
