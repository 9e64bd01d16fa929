#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace flashstor::base {

/// A counter of one writer: a plain add that other threads may read. Each loop has its own, a scrape adds
/// them up, so that counting takes no lock and shares no cache line.
class Count {
 public:
  void add(std::uint64_t amount = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

using MetricLabels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

/// All metrics at one moment, as a scrape gathers them.  Source: Prometheus text format 0.0.4.
class MetricsPage {
 public:
  MetricsPage();
  MetricsPage(const MetricsPage&) = delete;
  MetricsPage& operator=(const MetricsPage&) = delete;
  ~MetricsPage();

  void counter(std::string_view name, std::string_view help, MetricLabels labels, double value);
  void gauge(std::string_view name, std::string_view help, MetricLabels labels, double value);
  /// `counts[i]` values were at most `bounds[i]`, and above those before; one more count for the rest.
  void histogram(std::string_view name, std::string_view help, MetricLabels labels,
                 std::span<const double> bounds, std::span<const std::uint64_t> counts, double sum);
  [[nodiscard]] std::string text() const;

 private:
  struct Families;
  std::unique_ptr<Families> families_;
};

/// Who has metrics. Sources are added at start and asked at each scrape, on the scraping thread.
class MetricsRegistry {
 public:
  using Source = std::move_only_function<void(MetricsPage&)>;
  void add(Source source);
  [[nodiscard]] std::string scrape();

 private:
  std::mutex mutex_;
  std::vector<Source> sources_;
};

}  // namespace flashstor::base
