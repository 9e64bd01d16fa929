#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

/// PROBE("name") (SET_PROBE in whole sets, CLIENT_PROBE in their clients, NET_PROBE between nodes) marks a
/// branch that schedules take rarely. Every mark registers itself before main, so that a run can tell which
/// were never reached.
namespace flashstor::sim {

struct ProbeSite {
  ProbeSite(std::string_view text, std::string_view where) : name(text), rung(where) {
    all().push_back(this);
  }
  static std::vector<ProbeSite*>& all() {
    static std::vector<ProbeSite*> sites;
    return sites;
  }
  std::string_view name;
  std::string_view rung;
  std::uint64_t hits = 0;
};

template <std::size_t N>
struct ProbeName {
  constexpr ProbeName(const char (&text)[N]) {
    std::copy_n(text, N, value);
  }  // NOLINT(google-explicit-constructor)
  char value[N]{};
};

template <ProbeName Rung, ProbeName Name>
struct ProbeOf {
  static inline ProbeSite site{std::string_view(Name.value), std::string_view(Rung.value)};
};

}  // namespace flashstor::sim

#define PROBE_OF(rung, name)                                                                               \
  (++::flashstor::sim::ProbeOf<::flashstor::sim::ProbeName(rung), ::flashstor::sim::ProbeName(name)>::site \
         .hits)
#define PROBE(name) PROBE_OF("core", name)
#define SET_PROBE(name) PROBE_OF("set", name)
#define CLIENT_PROBE(name) PROBE_OF("client", name)
#define NET_PROBE(name) PROBE_OF("net", name)
