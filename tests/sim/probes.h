#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

/// PROBE("name") marks a branch that schedules take rarely. Every mark registers itself before main, so that
/// a run can tell which were never reached.
namespace flashstor::sim {

struct ProbeSite {
  explicit ProbeSite(std::string_view text) : name(text) { all().push_back(this); }
  static std::vector<ProbeSite*>& all() {
    static std::vector<ProbeSite*> sites;
    return sites;
  }
  std::string_view name;
  std::uint64_t hits = 0;
};

template <std::size_t N>
struct ProbeName {
  constexpr ProbeName(const char (&text)[N]) {
    std::copy_n(text, N, value);
  }  // NOLINT(google-explicit-constructor)
  char value[N]{};
};

template <ProbeName Name>
struct ProbeOf {
  static inline ProbeSite site{std::string_view(Name.value)};
};

}  // namespace flashstor::sim

#define PROBE(name) (++::flashstor::sim::ProbeOf<::flashstor::sim::ProbeName(name)>::site.hits)
