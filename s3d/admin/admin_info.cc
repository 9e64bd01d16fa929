#include <algorithm>
#include <chrono>

#include "engine/cluster/placement.h"
#include "s3d/admin/admin_call.h"
#include "s3d/admin/limits.h"

// What the deployment looks like, and how healing goes.
namespace flashstor::s3d {
namespace {

std::string_view name_of_state(storage::DriveInfo::State state) {
  using enum storage::DriveInfo::State;
  switch (state) {
    case kOnline:
      return "online";
    case kFailed:
      return "failed";
    case kMissing:
      return "missing";
    case kForeign:
      return "foreign";
    case kReadOnly:
      return "read-only";
    case kFull:
      return "full";
    case kFilling:
      return "filling";
  }
  return "unknown";
}

// Sets and drives count from 1, as in the log and in every error.
Json drive_json(const storage::DriveInfo& drive) {
  return Json::object(
      {{"path", drive.path},
       {"uuid", drive.drive_id.to_text()},
       {"state", name_of_state(drive.state)},
       {"set", drive.set + 1},
       {"drive", drive.slot + 1},
       {"total_bytes", drive.total_bytes},
       {"used_bytes", drive.total_bytes < drive.free_bytes ? 0 : drive.total_bytes - drive.free_bytes},
       {"error", drive.error}});
}

Json set_json(const cluster::SetStatus& set) {
  const cluster::SetInfo& info = set.info;
  const auto parity = info.default_parity;
  const Geometry geometry{.data_shards = static_cast<std::uint8_t>(info.drives - parity),
                          .parity_shards = parity};
  bool healthy = set.can_read && set.can_write && set.settled && set.heal_queue == 0;
  for (const storage::DriveInfo& drive : set.drives)
    healthy = healthy && drive.state == storage::DriveInfo::State::kOnline;
  const auto online =
      std::ranges::count(set.drives, storage::DriveInfo::State::kOnline, &storage::DriveInfo::state);
  const bool led = set.leader_slot < set.drives.size();
  const std::string leader_path = led ? set.drives[set.leader_slot].path : std::string();
  return Json::object({{"set", info.index + 1},
                       {"drives", info.drives},
                       {"parity", parity},
                       {"leader", set.leader_slot < info.drives ? Json(set.leader_slot + 1) : Json()},
                       {"write_quorum", cluster::write_quorum(info.drives, geometry)},
                       {"can_read", set.can_read},
                       {"can_write", set.can_write},
                       {"heal_queue", set.heal_queue},
                       {"settled", set.settled},
                       {"leader_path", leader_path},
                       {"online", static_cast<std::uint64_t>(online)},
                       {"can_spare_this_node", set.can_spare_node},
                       {"healthy", healthy}});
}

Task<Result<std::uint64_t>> count_buckets(objects::ObjectStore& store) {
  std::uint64_t count = 0;
  objects::ListBucketsRequest request{.max_buckets = admin_limits::kBucketPage};
  while (true) {
    const auto page = co_await or_return(store.list_buckets(request));
    count += page.buckets.size();
    if (!page.is_truncated) co_return count;
    request.continuation_token = page.next_continuation_token;
  }
}

Json node_json(const NodeReport& node) {
  Json drives = Json::array();
  for (const storage::DriveInfo& drive : node.drives) drives.push(drive_json(drive));
  return Json::object({{"address", node.address}, {"state", node.state}, {"drives", std::move(drives)}});
}

}  // namespace

Task<Result<void>> admin_info(AdminCall& call) {
  const AdminFacts& facts = call.api.facts();
  cluster::ClusterApi& cluster = call.call.store().cluster();
  Json sets = Json::array();
  NodeReport here{.address = facts.address};
  for (std::uint32_t i = 0; i < cluster.set_count(); ++i) {
    const cluster::SetStatus status = cluster.set_at(i).status();
    sets.push(set_json(status));
    here.drives.insert(here.drives.end(), status.drives.begin(), status.drives.end());
  }
  Json nodes = Json::array();
  for (const NodeReport& node : facts.nodes ? facts.nodes() : std::vector<NodeReport>{here})
    nodes.push(node_json(node));
  // A set that cannot be read must not hide what is wrong with it.
  const auto buckets = co_await count_buckets(call.call.store());
  const auto up =
      std::chrono::duration_cast<std::chrono::seconds>(call.call.services().runtime.now() - facts.started);
  co_return co_await call.send(
      Json::object({{"version", facts.version},
                    {"deployment_id", cluster.deployment_id().to_text()},
                    {"uptime_s", up.count()},
                    {"mount_socket", facts.mount_socket ? facts.mount_socket() : std::string()},
                    {"nodes", std::move(nodes)},
                    {"sets", std::move(sets)},
                    {"buckets", buckets ? Json(*buckets) : Json()}}));
}

Task<Result<void>> admin_mount(AdminCall& call) {
  const AdminFacts& facts = call.api.facts();
  co_return co_await call.send(
      Json::object({{"mount_socket", facts.mount_socket ? facts.mount_socket() : std::string()}}));
}

namespace {

Json heal_json(const HealFigures& heal) {
  const bool active = heal.running || heal.queued > 0 || heal.filling > 0 || heal.fill_waiting > 0;
  return Json::object({{"queue", heal.queued},
                       {"healed", heal.healed},
                       {"failed", heal.failed},
                       {"bytes_healed", heal.bytes},
                       {"rate_bytes_s", heal.bytes_per_second},
                       {"eta_s", heal.left_s},
                       {"active", active},
                       {"scanning", heal.scanning},
                       {"scan_deep", heal.scanning && heal.deep},
                       {"scanned", heal.scanned},
                       {"scan_found", heal.scan_found},
                       {"scans", heal.scans},
                       {"deep_scans", heal.deep_scans},
                       {"filling_drives", heal.filling},
                       {"waiting_drives", heal.fill_waiting},
                       {"filled_rows", heal.fill_rows},
                       {"fill_rows_s", heal.fill_rows_per_second},
                       {"fill_percent", heal.fill_percent},
                       {"fill_eta_s", heal.fill_left_s}});
}

}  // namespace

Task<Result<void>> admin_heal(AdminCall& call) {
  const AdminFacts& facts = call.api.facts();
  if (!facts.heal) co_return fail(ErrorCode::kNotImplemented, "This node does not report on healing.");
  co_return co_await call.send(heal_json(co_await facts.heal()));
}

Task<Result<void>> admin_recover(AdminCall& call) {
  const AdminFacts& facts = call.api.facts();
  if (!facts.recover) co_return fail(ErrorCode::kNotImplemented, "This node recovers no sets.");
  const Json body = co_await or_return(call.json_body());
  const std::int64_t set = body.int_or("set", -1);
  if (set < 1 || set > call.call.store().cluster().set_count())
    co_return fail(ErrorCode::kInvalidArgument, "There is no such set.");
  const RecoverReport done =
      co_await or_return(facts.recover(static_cast<std::uint32_t>(set - 1), body.bool_or("accept_loss")));
  co_return co_await call.send(Json::object({{"set", set},
                                             {"generation", done.generation},
                                             {"standing", done.standing},
                                             {"lost", done.lost},
                                             {"whole", done.whole}}));
}

Task<Result<void>> admin_scan(AdminCall& call) {
  const AdminFacts& facts = call.api.facts();
  if (!facts.scan || !facts.heal) co_return fail(ErrorCode::kNotImplemented, "This node does not scan.");
  const Json body = co_await or_return(call.json_body());
  const std::string depth = body.string_or("depth");
  if (depth != "rows" && depth != "deep")
    co_return fail(ErrorCode::kInvalidArgument, "depth is rows (what drives hold) or deep (contents too)");
  co_await or_return(facts.scan(depth == "deep"));
  co_return co_await call.send(heal_json(co_await facts.heal()));
}

}  // namespace flashstor::s3d
