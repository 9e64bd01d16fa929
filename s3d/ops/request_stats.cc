#include "s3d/ops/request_stats.h"

#include <algorithm>

#include "s3d/ops/dispatch.h"

namespace flashstor::s3d {
namespace {

constexpr std::array<std::string_view, 6> kClasses = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};

template <class Pick>
std::uint64_t sum(std::span<const std::unique_ptr<RequestStats>> loops, Pick pick) {
  std::uint64_t total = 0;
  for (const auto& loop : loops) total += pick(*loop).value();
  return total;
}

}  // namespace

RequestStats::RequestStats() : by_operation_(operations().size() + 1) {}

void RequestStats::count_request(std::size_t slot, int status, Nanoseconds latency, std::uint64_t bytes_in,
                                 std::uint64_t bytes_out) {
  PerOperation& row = by_operation_[slot];
  row.by_class[std::min<std::size_t>(static_cast<std::size_t>(status) / 100, 5)].add();
  const double seconds = std::chrono::duration<double>(latency).count();
  const auto bound = std::ranges::lower_bound(kLatencyBounds, seconds);
  row.latency[static_cast<std::size_t>(bound - kLatencyBounds.begin())].add();
  row.latency_ns.add(static_cast<std::uint64_t>(latency.count()));
  row.bytes_in.add(bytes_in);
  row.bytes_out.add(bytes_out);
}

void RequestStats::write_operation(base::MetricsPage& page, Loops loops, std::size_t slot,
                                   std::string_view name) {
  const auto total = [&](auto pick) {
    return sum(loops, [&](const RequestStats& loop) -> auto& { return pick(loop.by_operation_[slot]); });
  };
  std::uint64_t all = 0;
  for (std::size_t status = 0; status < kClasses.size(); ++status) {
    const auto count = total([&](const PerOperation& row) -> auto& { return row.by_class[status]; });
    all += count;
    if (count > 0)
      page.counter("flashstor_s3_requests_total", "Requests by operation and status class.",
                   {{"operation", name}, {"status", kClasses[status]}}, static_cast<double>(count));
  }
  if (all == 0) return;
  std::array<std::uint64_t, kLatencyBounds.size() + 1> counts{};
  for (std::size_t i = 0; i < counts.size(); ++i)
    counts[i] = total([&](const PerOperation& row) -> auto& { return row.latency[i]; });
  const auto time_ns = total([](const PerOperation& row) -> auto& { return row.latency_ns; });
  page.histogram("flashstor_s3_request_seconds", "From the complete header to the answer's last byte.",
                 {{"operation", name}}, kLatencyBounds, counts, static_cast<double>(time_ns) / 1e9);
  const auto in = total([](const PerOperation& row) -> auto& { return row.bytes_in; });
  const auto out = total([](const PerOperation& row) -> auto& { return row.bytes_out; });
  page.counter("flashstor_s3_received_bytes_total", "Bytes of request bodies.", {{"operation", name}},
               static_cast<double>(in));
  page.counter("flashstor_s3_sent_bytes_total", "Bytes of answers' bodies.", {{"operation", name}},
               static_cast<double>(out));
}

void RequestStats::write_security(base::MetricsPage& page, Loops loops) {
  const auto total = [&](auto pick) { return static_cast<double>(sum(loops, pick)); };
  for (std::size_t i = 0; i < kAuthFailures; ++i)
    page.counter("flashstor_security_signature_failures_total", "Signatures that failed, by cause.",
                 {{"cause", name_of(static_cast<AuthFailure>(i))}},
                 total([&](const RequestStats& loop) -> auto& { return loop.auth_failures_[i]; }));
  for (std::size_t i = 0; i < kRefusals; ++i)
    page.counter("flashstor_security_refused_total", "Connections and requests turned away, by cause.",
                 {{"cause", name_of(static_cast<Refusal>(i))}},
                 total([&](const RequestStats& loop) -> auto& { return loop.refusals_[i]; }));
  for (std::size_t i = 0; i < kS3Codes; ++i) {
    const double count = total([&](const RequestStats& loop) -> auto& { return loop.errors_[i]; });
    if (count > 0)
      page.counter("flashstor_s3_errors_total", "Answers that were errors, by S3's code.",
                   {{"code", shape_of(static_cast<S3Code>(i)).code}}, count);
  }
  constexpr std::string_view kDenied = "Requests that no policy allows, or that one denies.";
  page.counter("flashstor_security_denied_total", kDenied, {{"identity", "user"}},
               total([](const RequestStats& loop) -> auto& { return loop.denied_user_; }));
  page.counter("flashstor_security_denied_total", kDenied, {{"identity", "anonymous"}},
               total([](const RequestStats& loop) -> auto& { return loop.denied_anonymous_; }));
  page.counter("flashstor_log_dropped_records_total", "Access records that the log was too slow for.", {},
               total([](const RequestStats& loop) -> auto& { return loop.dropped_records_; }));
}

void RequestStats::write(base::MetricsPage& page, Loops loops) {
  const auto rows = operations();
  for (std::size_t slot = 0; slot < rows.size(); ++slot) write_operation(page, loops, slot, rows[slot].name);
  write_operation(page, loops, rows.size(), "Unknown");
  write_security(page, loops);
}

}  // namespace flashstor::s3d
