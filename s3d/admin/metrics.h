#pragma once

#include "engine/async/turn_times.h"
#include "engine/base/metrics.h"
#include "s3d/admin/pages.h"

namespace flashstor::s3d {

/// `/flashstor/metrics` in Prometheus' text format: for root, for whoever may `admin:Prometheus`, or for
/// everybody when the operator said so.
class MetricsPage final : public Page {
 public:
  MetricsPage(base::MetricsRegistry& registry, bool is_public) : registry_(registry), public_(is_public) {}
  [[nodiscard]] bool is_open() const override { return public_; }
  Task<Result<void>> handle(Call& call) override;

 private:
  base::MetricsRegistry& registry_;
  bool public_;
};
inline constexpr std::string_view kMetricsPath = "/flashstor/metrics";

/// Adds what drives and sets say of themselves to a page.
void write_cluster_metrics(base::MetricsPage& page, cluster::ClusterApi& cluster);
/// Adds how long a loop was busy in its turns: what came meanwhile had to wait so long at most.
void write_loop_metrics(base::MetricsPage& page, std::size_t loop, const async::TurnTimes& turns);
/// Adds resident memory and CPU time of the process.
void write_process_metrics(base::MetricsPage& page);

}  // namespace flashstor::s3d
