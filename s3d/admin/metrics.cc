#include "s3d/admin/metrics.h"

#include <sys/resource.h>

#include <fstream>

namespace flashstor::s3d {

Task<Result<void>> MetricsPage::handle(Call& call) {
  if (call.request().method() != "GET" && !call.request().is_head())
    co_return call.refuse(S3Code::kMethodNotAllowed);
  if (!public_) {
    if (call.is_anonymous()) co_return fail(ErrorCode::kAccessDenied);
    const iam::RequestContext context{
        .action = "admin:Prometheus", .resource = "", .now = call.services().runtime.wall_now()};
    if (!call.services().authorizer.decide(call.who, {}, context).allowed) {
      call.services().stats.count_denied(false);
      co_return fail(ErrorCode::kAccessDenied);
    }
  }
  call.response().add_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
  const std::string text = registry_.scrape();
  co_return co_await call.response().send(std::string_view(text));
}

namespace {

void write_heal_metrics(base::MetricsPage& page, const std::string& set, const cluster::HealStatus& heal) {
  const auto count = [&](const char* name, const char* help, std::uint64_t value) {
    page.counter(name, help, {{"set", set}}, static_cast<double>(value));
  };
  const auto gauge = [&](const char* name, const char* help, std::uint64_t value) {
    page.gauge(name, help, {{"set", set}}, static_cast<double>(value));
  };
  count("flashstor_heal_shards_total", "Shards rebuilt.", heal.healed);
  count("flashstor_heal_bytes_total", "Bytes of shards rebuilt.", heal.bytes);
  count("flashstor_heal_failures_total", "Tries to rebuild a shard that failed.", heal.failed);
  gauge("flashstor_heal_bytes_per_second", "How fast shards are rebuilt now.", heal.bytes_per_second);
  gauge("flashstor_heal_seconds_left", "Until the queue is empty at this rate.", heal.left_s);
  count("flashstor_scan_slices_total", "Slices that the scanner looked at.", heal.scanned);
  count("flashstor_scan_found_total", "Slices that the scanner found to lack a shard.", heal.scan_found);
  count("flashstor_scan_passes_total", "Passes of the scanner that came to their end.", heal.scans);
}

}  // namespace

void write_cluster_metrics(base::MetricsPage& page, cluster::ClusterApi& cluster) {
  for (std::uint32_t index = 0; index < cluster.set_count(); ++index) {
    const cluster::SetStatus status = cluster.set_at(index).status();
    const std::string set = std::to_string(index + 1);  // From 1, as in the log.
    page.gauge("flashstor_set_writable", "1 when the set can write.", {{"set", set}},
               status.can_write ? 1 : 0);
    page.gauge("flashstor_set_readable", "1 when the set can read.", {{"set", set}}, status.can_read ? 1 : 0);
    page.gauge("flashstor_set_heal_queue", "Slices that lack a shard.", {{"set", set}},
               static_cast<double>(status.heal_queue));
    write_heal_metrics(page, set, status.heal);
    page.gauge("flashstor_set_undecided", "Versions not yet confirmed.", {{"set", set}},
               static_cast<double>(status.undecided));
    page.counter("flashstor_set_committed_total", "Entries of the set's log.", {{"set", set}},
                 static_cast<double>(status.committed));
    for (const storage::DriveInfo& drive : status.drives) {
      const bool online = drive.state == storage::DriveInfo::State::kOnline;
      page.gauge("flashstor_drive_online", "1 when the drive works.", {{"set", set}, {"drive", drive.path}},
                 online ? 1 : 0);
      page.gauge("flashstor_drive_total_bytes", "Size of the drive.", {{"set", set}, {"drive", drive.path}},
                 static_cast<double>(drive.total_bytes));
      page.gauge("flashstor_drive_free_bytes", "Free on the drive.", {{"set", set}, {"drive", drive.path}},
                 static_cast<double>(drive.free_bytes));
    }
  }
}

void write_loop_metrics(base::MetricsPage& page, std::size_t loop, const async::TurnTimes& turns) {
  const auto counts = turns.counts();
  page.histogram("flashstor_loop_turn_seconds", "Time that an event loop was busy in one turn.",
                 {{"loop", std::to_string(loop)}}, async::TurnTimes::kBounds, counts, turns.seconds());
}

void write_process_metrics(base::MetricsPage& page) {
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    const auto seconds = [](const timeval& time) {
      return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    page.counter("process_cpu_seconds_total", "CPU time of the process.", {},
                 seconds(usage.ru_utime) + seconds(usage.ru_stime));
  }
  std::ifstream statm("/proc/self/statm");
  std::uint64_t pages = 0, resident = 0;
  if (statm >> pages >> resident)
    page.gauge("process_resident_memory_bytes", "Resident memory.", {}, static_cast<double>(resident) * 4096);
}

}  // namespace flashstor::s3d
