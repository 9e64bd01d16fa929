#include "s3d/admin/admin_call.h"
#include "s3d/admin/limits.h"
#include "s3d/ops/xml_writer.h"

// Requests as they are answered, of all loops of the node.
namespace flashstor::s3d {
namespace {

std::int64_t microseconds(Nanoseconds time) { return time.count() / 1000; }

/// Told in the stream itself, so that nobody takes it for complete.
std::string dropped_line(std::uint64_t count, WallTime now) {
  return Json::object({{"time", iso_time(now)}, {"operation", "TraceDropped"}, {"dropped", count}}).dump() +
         "\n";
}

}  // namespace

std::string trace_line(const RequestRecord& record) {
  std::string path = record.path;
  if (!record.query.empty()) path.append("?").append(record.query);
  const Json line =
      Json::object({{"time", iso_time(record.at)},
                    {"operation", record.operation},
                    {"method", record.method},
                    {"path", path},
                    {"status", record.status},
                    {"error_code", record.error},
                    {"bytes_in", record.bytes_in},
                    {"bytes_out", record.bytes_out},
                    {"duration_us", microseconds(record.total())},
                    {"trace_id", record.trace_id},
                    {"access_key", record.access_key},
                    {"peer", record.peer},
                    {"phases", Json::object({{"authenticate_us", microseconds(record.authenticate)},
                                             {"authorise_us", microseconds(record.authorise)},
                                             {"execute_us", microseconds(record.execute)}})}});
  return line.dump() + "\n";
}

Task<Result<void>> admin_trace(AdminCall& call) {
  Services& services = call.call.services();
  const auto subscription = services.trace.subscribe();
  if (subscription == nullptr)
    co_return fail(ErrorCode::kTooManyRequests, "As many traces as there may be are running already.");
  ResponseWriter& response = call.call.response();
  response.add_header("Content-Type", "application/x-ndjson");
  response.start(std::nullopt);
  // An empty line: the reader sees that it is connected before anything happens.
  co_await or_return(response.write(std::string_view("\n")));
  MonotonicTime last = services.runtime.now();
  while (!call.api.stopping()) {
    std::string lines;
    for (const RequestRecord& record : subscription->take()) lines += trace_line(record);
    if (const std::uint64_t lost = subscription->take_dropped(); lost > 0)
      lines += dropped_line(lost, services.runtime.wall_now());
    if (lines.empty() && services.runtime.now() - last >= admin_limits::kTraceSilence) lines = "\n";
    if (!lines.empty()) {
      co_await or_return(response.write(std::string_view(lines)));
      last = services.runtime.now();
    }
    co_await async::sleep_for(services.runtime, admin_limits::kTraceInterval);
  }
  co_return co_await response.finish();
}

}  // namespace flashstor::s3d
