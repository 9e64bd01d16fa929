#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "engine/base/metrics.h"
#include "engine/base/time.h"
#include "s3d/auth/signature.h"
#include "s3d/http/server.h"
#include "s3d/ops/s3_error.h"

namespace flashstor::s3d {

/// Upper bounds of the latency histogram, in seconds.
inline constexpr std::array<double, 14> kLatencyBounds = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01,
                                                          0.025,  0.05,    0.1,    0.25,  0.5,    1,     5};

/// The counters of one loop. One writer, its loop; a scrape reads them from its own thread.
class RequestStats {
 public:
  RequestStats();

  /// `slot` of the operation, or `unknown_slot()`.
  void count_request(std::size_t slot, int status, Nanoseconds latency, std::uint64_t bytes_in,
                     std::uint64_t bytes_out);
  void count_auth_failure(AuthFailure failure) { auth_failures_[static_cast<std::size_t>(failure)].add(); }
  void count_refusal(Refusal refusal) { refusals_[static_cast<std::size_t>(refusal)].add(); }
  void count_denied(bool anonymous) { (anonymous ? denied_anonymous_ : denied_user_).add(); }
  void count_error(S3Code code) { errors_[static_cast<std::size_t>(code)].add(); }
  void count_dropped_record() { dropped_records_.add(); }
  [[nodiscard]] std::size_t unknown_slot() const { return by_operation_.size() - 1; }

  using Loops = std::span<const std::unique_ptr<RequestStats>>;
  /// Adds up the counters of all loops onto a page.
  static void write(base::MetricsPage& page, Loops loops);

 private:
  struct PerOperation {
    std::array<base::Count, 6> by_class;  ///< 1xx … 5xx; 0 for a connection that broke before an answer.
    std::array<base::Count, kLatencyBounds.size() + 1> latency;
    base::Count latency_ns;
    base::Count bytes_in;
    base::Count bytes_out;
  };
  static void write_operation(base::MetricsPage& page, Loops loops, std::size_t slot, std::string_view name);
  static void write_security(base::MetricsPage& page, Loops loops);

  std::vector<PerOperation> by_operation_;
  std::array<base::Count, kAuthFailures> auth_failures_;
  std::array<base::Count, kRefusals> refusals_;
  std::array<base::Count, kS3Codes> errors_;
  base::Count denied_user_;
  base::Count denied_anonymous_;
  base::Count dropped_records_;
};

}  // namespace flashstor::s3d
