#include "s3d/node/admin_service.h"

#include "engine/cluster/cluster.h"

namespace flashstor::s3d {
namespace {

HealFigures heal_figures(cluster::Cluster& cluster) {
  HealFigures all;
  for (std::uint32_t i = 0; i < cluster.set_count(); ++i) {
    const cluster::HealStatus one = cluster.erasure_set(i).heal_status();
    all.queued += one.queued;
    all.healed += one.healed;
    all.failed += one.failed;
    all.bytes += one.bytes;
    all.running = all.running || one.running;
  }
  return all;
}

}  // namespace

Task<Result<void>> AdminService::start(NodeContext& context) {
  AdminFacts facts{.version = std::string(kProductVersion),
                   .address = context.options.address,
                   .started = context.loops.front().runtime.now(),
                   .mount_socket = mount_socket_,
                   .heal = {},
                   .nodes = {}};
  // Only a cluster whose sets are in this process can say how its healing goes.
  if (auto* local = dynamic_cast<cluster::Cluster*>(&context.cluster))
    facts.heal = [local] { return heal_figures(*local); };
  api_ = std::make_unique<AdminApi>(std::move(facts), context.loops.front().runtime, context.identities);
  page_ = std::make_unique<AdminPage>(*api_);
  context.pages.add(std::string(AdminApi::kPrefix), *page_);
  co_return Result<void>();
}

}  // namespace flashstor::s3d
