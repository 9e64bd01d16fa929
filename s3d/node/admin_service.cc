#include "s3d/node/admin_service.h"

#include <algorithm>

#include "engine/async/gather.h"
#include "engine/cluster/cluster.h"
#include "engine/cluster/peers/peers.h"

namespace flashstor::s3d {
namespace {

// A set without a leader heals nothing: then what this node did itself is told.
Task<cluster::HealStatus> heal_status_of(cluster::Cluster& cluster, std::uint32_t set) {
  if (const auto answer = co_await cluster.set_at(set).query(cluster::kHealQuery, ""))
    if (const auto status = cluster::decode_heal_status(*answer)) co_return *status;
  co_return cluster.erasure_set(set).heal_status();
}

// How every node that answers fills its drives of a set.
Task<std::vector<cluster::FillStatus>> fills_of(cluster::Cluster& cluster, std::uint32_t set) {
  std::vector<cluster::FillStatus> fills;
  if (const cluster::DriveKeeper* keeper = cluster.keeper(set)) fills.push_back(keeper->fill_status());
  cluster::Peers* peers = cluster.peers();
  if (peers == nullptr) co_return fills;
  std::vector<Task<Result<cluster::FillStatus>>> asking;
  for (std::uint32_t node = 0; node < peers->spread().nodes.size(); ++node)
    if (node != peers->spread().self && peers->is_up(node)) asking.push_back(peers->fills(node, set));
  for (const auto& fill : co_await async::gather(std::move(asking)))
    if (fill) fills.push_back(*fill);
  co_return fills;
}

void add_fill(HealFigures& all, const cluster::FillStatus& fill) {
  if (fill.filling) {
    all.fill_percent =
        all.filling == 0 ? fill.percent : std::min<std::uint64_t>(all.fill_percent, fill.percent);
    all.fill_left_s = std::max(all.fill_left_s, fill.left_s);
    all.fill_rows_per_second += fill.rows_per_second;
    ++all.filling;
  }
  all.fill_waiting += fill.waiting;
  all.fill_rows += fill.rows;
}

Task<HealFigures> heal_figures(cluster::Cluster* cluster) {
  HealFigures all;
  for (std::uint32_t i = 0; i < cluster->set_count(); ++i) {
    const cluster::HealStatus one = co_await heal_status_of(*cluster, i);
    all.queued += one.queued;
    all.healed += one.healed;
    all.failed += one.failed;
    all.bytes += one.bytes;
    all.running = all.running || one.running;
    all.bytes_per_second += one.bytes_per_second;
    all.left_s = std::max(all.left_s, one.left_s);
    all.scanned += one.scanned;
    all.scan_found += one.scan_found;
    all.scans += one.scans;
    all.deep_scans += one.deep_scans;
    all.scanning = all.scanning || one.scanning;
    all.deep = all.deep || one.deep;
    for (const cluster::FillStatus& fill : co_await fills_of(*cluster, i)) add_fill(all, fill);
  }
  co_return all;
}

// Every node of a store of several with its drives, as this one sees them.
std::vector<NodeReport> node_reports(cluster::Cluster& cluster) {
  const cluster::Spread& spread = cluster.peers()->spread();
  std::vector<NodeReport> reports(spread.nodes.size());
  for (std::uint32_t node = 0; node < reports.size(); ++node) {
    reports[node].address = spread.nodes[node];
    reports[node].state = cluster.peers()->is_up(node) ? "online" : "offline";
  }
  const auto sets = cluster.status();
  for (std::uint32_t set = 0; set < sets.size(); ++set)
    for (std::uint32_t slot = 0; slot < sets[set].drives.size(); ++slot)
      reports[spread.drive(set, slot).node].drives.push_back(sets[set].drives[slot]);
  return reports;
}

Task<Result<RecoverReport>> recover(cluster::Cluster* cluster, std::uint32_t set, bool accept_loss) {
  cluster::DriveKeeper* keeper = cluster->keeper(set);
  if (keeper == nullptr) co_return fail(ErrorCode::kNotImplemented, "This node recovers no sets.");
  const cluster::RecoverPlan plan = co_await or_return(keeper->recover(accept_loss));
  const std::size_t standing = plan.standbys.size() + 1;
  co_return RecoverReport{.generation = plan.generation,
                          .standing = standing,
                          .lost = cluster->set_at(set).info().drives - standing,
                          .whole = plan.whole};
}

Task<Result<void>> scan(cluster::Cluster* cluster, bool deep) {
  for (std::uint32_t i = 0; i < cluster->set_count(); ++i) {
    const auto begun = co_await cluster->set_at(i).query(cluster::kScanQuery, deep ? "deep" : "");
    if (!begun) co_return std::unexpected(begun.error());
  }
  co_return Result<void>();
}

}  // namespace

Task<Result<void>> AdminService::start(NodeContext& context) {
  AdminFacts facts{.version = std::string(kProductVersion),
                   .address = context.options.address,
                   .started = context.loops.front().runtime.now(),
                   .mount_socket = mount_socket_,
                   .heal = {},
                   .scan = {},
                   .recover = {},
                   .nodes = {}};
  // Only a cluster whose sets are in this process can say how its healing goes.
  if (auto* local = dynamic_cast<cluster::Cluster*>(&context.cluster)) {
    facts.heal = [local] { return heal_figures(local); };
    facts.scan = [local](bool deep) { return scan(local, deep); };
    facts.recover = [local](std::uint32_t set, bool accept_loss) { return recover(local, set, accept_loss); };
    if (local->peers() != nullptr) facts.nodes = [local] { return node_reports(*local); };
  }
  api_ = std::make_unique<AdminApi>(std::move(facts), context.loops.front().runtime, context.identities);
  page_ = std::make_unique<AdminPage>(*api_);
  context.pages.add(std::string(AdminApi::kPrefix), *page_);
  co_return Result<void>();
}

}  // namespace flashstor::s3d
