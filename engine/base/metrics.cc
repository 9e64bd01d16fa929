#include "engine/base/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <limits>
#include <unordered_map>

namespace flashstor::base {

struct MetricsPage::Families {
  std::vector<prometheus::MetricFamily> all;
  std::unordered_map<std::string, std::size_t> index;

  prometheus::ClientMetric& add(std::string_view name, std::string_view help, prometheus::MetricType type,
                                MetricLabels labels) {
    const auto [at, fresh] = index.try_emplace(std::string(name), all.size());
    if (fresh) all.push_back({std::string(name), std::string(help), type, {}});
    prometheus::ClientMetric& metric = all[at->second].metric.emplace_back();
    for (const auto& [label, value] : labels)
      metric.label.push_back({std::string(label), std::string(value)});
    return metric;
  }
};

MetricsPage::MetricsPage() : families_(std::make_unique<Families>()) {}
MetricsPage::~MetricsPage() = default;

void MetricsPage::counter(std::string_view name, std::string_view help, MetricLabels labels, double value) {
  families_->add(name, help, prometheus::MetricType::Counter, labels).counter.value = value;
}

void MetricsPage::gauge(std::string_view name, std::string_view help, MetricLabels labels, double value) {
  families_->add(name, help, prometheus::MetricType::Gauge, labels).gauge.value = value;
}

void MetricsPage::histogram(std::string_view name, std::string_view help, MetricLabels labels,
                            std::span<const double> bounds, std::span<const std::uint64_t> counts,
                            double sum) {
  auto& metric = families_->add(name, help, prometheus::MetricType::Histogram, labels).histogram;
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    total += counts[i];
    const double bound = i < bounds.size() ? bounds[i] : std::numeric_limits<double>::infinity();
    metric.bucket.push_back({total, bound});
  }
  metric.sample_count = total;
  metric.sample_sum = sum;
}

std::string MetricsPage::text() const { return prometheus::TextSerializer().Serialize(families_->all); }

void MetricsRegistry::add(Source source) {
  const std::lock_guard lock(mutex_);
  sources_.push_back(std::move(source));
}

std::string MetricsRegistry::scrape() {
  MetricsPage page;
  const std::lock_guard lock(mutex_);
  for (Source& source : sources_) source(page);
  return page.text();
}

}  // namespace flashstor::base
