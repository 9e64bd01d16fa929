#include "s3d/admin/health.h"

#include "engine/base/json.h"

namespace flashstor::s3d {
namespace {

struct SetCounts {
  std::uint32_t all = 0;
  std::uint32_t readable = 0;
  std::uint32_t writable = 0;
  std::uint32_t spares = 0;  ///< Would go on without this node.
};

SetCounts count_sets(cluster::ClusterApi& cluster) {
  SetCounts counts{.all = cluster.set_count()};
  for (std::uint32_t index = 0; index < counts.all; ++index) {
    const cluster::SetStatus status = cluster.set_at(index).status();
    counts.readable += status.can_read ? 1 : 0;
    counts.writable += status.can_write ? 1 : 0;
    counts.spares += status.can_spare_node ? 1 : 0;
  }
  return counts;
}

}  // namespace

Task<Result<void>> HealthPage::handle(Call& call) {
  if (call.request().method() != "GET" && !call.request().is_head())
    co_return call.refuse(S3Code::kMethodNotAllowed);
  const std::string_view what = call.request().path().substr(kHealthPrefix.size());
  Json answer = Json::object();
  bool good = true;
  if (what == "ready" || what == "cluster") {
    const SetCounts sets = count_sets(cluster_);
    good = what == "ready" ? sets.readable == sets.all && !stopping_.load(std::memory_order_relaxed)
                           : (call.has_query("maintenance") ? sets.spares : sets.writable) == sets.all;
    answer.set("sets", sets.all).set("readable", sets.readable).set("writable", sets.writable);
    answer.set("spare_this_node", sets.spares);
  } else if (what != "live") {
    co_return call.refuse(S3Code::kNoSuchKey, "There is no such page.");
  }
  answer.set("status", good ? "ok" : "unavailable");
  call.response().set_status(good ? 200 : 503);
  call.response().add_header("Content-Type", "application/json");
  const std::string text = answer.dump() + "\n";
  co_return co_await call.response().send(std::string_view(text));
}

}  // namespace flashstor::s3d
