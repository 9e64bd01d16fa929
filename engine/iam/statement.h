#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/iam/condition.h"
#include "engine/iam/pattern.h"

namespace flashstor::iam {

/// The Principal (or NotPrincipal) of a statement.
struct PrincipalSet {
  bool everyone = false;           ///< "*" or {"AWS": "*"}: anonymous requests too.
  bool account = false;            ///< arn:aws:iam::…:root or an account id.
  std::vector<std::string> names;  ///< Compiled patterns of users' names (access keys).
  std::vector<std::string> canonical_ids;
  /// Naming the account allows root alone, as the account's users need a policy of their own; it denies
  /// everyone in it.
  [[nodiscard]] bool holds(const Principal& principal, Effect effect) const;
};

/// One statement, compiled.
struct Statement {
  std::string sid;
  Effect effect = Effect::kDeny;
  std::optional<PrincipalSet> principals;  ///< Absent in identity policies: whoever it is attached to.
  bool not_principal = false;
  std::vector<Pattern> actions;  ///< Folded.
  bool not_action = false;
  std::vector<Pattern> resources;
  bool not_resource = false;
  std::vector<Condition> conditions;

  /// Whether it speaks about this principal doing this action at all. Looks at neither resource nor
  /// conditions.
  [[nodiscard]] bool concerns(const Principal& principal, std::string_view action) const;
  /// About how many of the resources that begin with `prefix` it speaks, if `whole` is false; if true,
  /// whether it speaks about the one resource `prefix`.
  [[nodiscard]] Coverage covers(std::string_view prefix, bool whole) const;
  /// Whether resource and conditions hold. An empty resource (an administrative action) is every statement's.
  [[nodiscard]] bool holds_for(const RequestKeys& keys, std::string_view resource) const;
  [[nodiscard]] bool uses_key(std::string_view prefix) const;
};

/// What the known S3 actions that a compiled pattern takes work on.
struct ActionTargets {
  bool buckets = false;
  bool objects = false;
  bool service = false;  ///< s3:ListAllMyBuckets and the like.
  [[nodiscard]] bool any() const { return buckets || objects || service; }
};
[[nodiscard]] ActionTargets action_targets(std::string_view compiled_pattern);

/// "*", a name, an ARN of a user or of the account, or an account id, from a list under "AWS". Errors:
/// kMalformed.
[[nodiscard]] Result<void> add_aws_principal(PrincipalSet& set, std::string_view text);
/// The whole value of Principal or NotPrincipal. Errors: kMalformed "Invalid principal in policy".
[[nodiscard]] Result<PrincipalSet> parse_principals(const Json& value);

/// Whether an Allow statement lets in more than fixed principals or fixed sources.
[[nodiscard]] bool is_public_statement(const Statement& statement);

}  // namespace flashstor::iam
