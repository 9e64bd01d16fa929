#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace flashstor::cluster {

/// Whether `matches` holds for the value of any name in the ordered map `names` that lies in
/// [lower, upper], begins with `upper`, or is a prefix of `lower`: a name covers all that begin with it.
/// An empty `upper` is the end of all names that share `lower`'s first byte.
template <class Names, class Matches>
bool any_related(const Names& names, std::string_view lower, std::string_view upper, Matches matches) {
  auto at = names.lower_bound(lower);
  for (auto next = at; next != names.end(); ++next) {
    const std::string_view name = next->first;
    const bool inside =
        upper.empty() ? name.substr(0, 1) == lower.substr(0, 1) : name <= upper || name.starts_with(upper);
    if (!inside) break;
    if (matches(next->second)) return true;
  }
  // Prefixes of `lower`: each step back either is one, or tells how much of `lower` is left to look for.
  std::string_view rest = lower;
  while (at != names.begin() && !rest.empty()) {
    --at;
    const std::string_view name = at->first;
    const auto differ = std::mismatch(name.begin(), name.end(), rest.begin(), rest.end());
    const auto common = static_cast<std::size_t>(differ.first - name.begin());
    if (common == name.size()) {
      if (matches(at->second)) return true;
      if (common == 0) break;
      rest = rest.substr(0, common - 1);
    } else {
      rest = rest.substr(0, common);
    }
    at = names.upper_bound(rest);
  }
  return false;
}

}  // namespace flashstor::cluster
