#include "engine/iam/statement.h"

#include <algorithm>

namespace flashstor::iam {

bool PrincipalSet::holds(const Principal& principal, Effect effect) const {
  if (everyone) return true;
  if (principal.is_anonymous()) return false;
  if (account && (principal.kind == Principal::Kind::kRoot || effect == Effect::kDeny)) return true;
  return std::ranges::any_of(names,
                             [&](const std::string& name) { return wildcard_match(name, principal.name); }) ||
         std::ranges::find(canonical_ids, principal.canonical_id) != canonical_ids.end();
}

bool Statement::concerns(const Principal& principal, std::string_view action) const {
  const bool listed = std::ranges::any_of(
      actions, [&](const Pattern& pattern) { return wildcard_match_folded(pattern.text(), action); });
  if (listed == not_action) return false;
  if (!principals) return true;
  // As on AWS, the account in NotPrincipal spares root alone: its users are denied unless they are named too.
  return not_principal ? !principals->holds(principal, Effect::kAllow) : principals->holds(principal, effect);
}

Coverage Statement::covers(std::string_view prefix, bool whole) const {
  Coverage most = Coverage::kNone;
  for (const Pattern& resource : resources) {
    Coverage one = Coverage::kSome;
    if (!resource.has_variables()) {
      one = !whole                                    ? wildcard_coverage(resource.text(), prefix)
            : wildcard_match(resource.text(), prefix) ? Coverage::kAll
                                                      : Coverage::kNone;
    }
    most = std::max(most, one);
  }
  if (!not_resource || most == Coverage::kSome) return most;
  return most == Coverage::kAll ? Coverage::kNone : Coverage::kAll;
}

bool Statement::holds_for(const RequestKeys& keys, std::string_view resource) const {
  if (!resource.empty()) {
    const bool listed = std::ranges::any_of(
        resources, [&](const Pattern& pattern) { return pattern.matches(resource, keys); });
    if (listed == not_resource) return false;
  }
  return std::ranges::all_of(conditions, [&](const Condition& one) { return one.holds(keys, effect); });
}

bool Statement::uses_key(std::string_view prefix) const {
  const auto in_pattern = [&](const Pattern& pattern) { return pattern.uses_key(prefix); };
  if (std::ranges::any_of(resources, in_pattern)) return true;
  return std::ranges::any_of(conditions, [&](const Condition& one) {
    return one.key.starts_with(prefix) || std::ranges::any_of(one.values, in_pattern);
  });
}

}  // namespace flashstor::iam
