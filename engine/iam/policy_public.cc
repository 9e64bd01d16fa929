#include <algorithm>
#include <array>

#include "engine/iam/condition_value.h"
#include "engine/iam/statement.h"

namespace flashstor::iam {
namespace {

// AWS, "The meaning of 'public'": keys whose fixed values make a statement not public.
constexpr std::array kConfiningKeys = std::to_array<std::string_view>({
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:principalaccount",
    "aws:principalarn",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceowner",
    "aws:sourceorgid",
    "aws:sourceorgpaths",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:userid",
    "aws:username",
    "s3:dataaccesspointaccount",
    "s3:dataaccesspointarn",
    "s3:x-amz-server-side-encryption-aws-kms-key-id",
});

/// Private blocks always confine; else IPv4 must be /8 or narrower and IPv6 /32 or narrower.
bool is_narrow(const AddressBlock& block) {
  if (block.is_v4) return block.bits >= 96 + 8;
  const auto ula = parse_address("fc00::/7");
  return block.bits >= 32 || (ula.has_value() && ula->contains(block));
}

bool confines_addresses(const Condition& condition) {
  return std::ranges::all_of(condition.values, [](const Pattern& value) {
    const auto block = value.has_variables() ? std::nullopt : parse_address(value.text());
    return block.has_value() && is_narrow(*block);
  });
}

/// Whether the condition holds for fixed, known sources only.
bool confines(const Condition& condition) {
  const ConditionOperator& op = condition.op;
  if (op.negated || op.if_exists || op.quantifier == Quantifier::kForAllValues) return false;
  if (op.comparison == Comparison::kAddress)
    return condition.key == "aws:sourceip" && confines_addresses(condition);
  const bool by_text = op.comparison == Comparison::kString || op.comparison == Comparison::kStringFolded ||
                       op.comparison == Comparison::kStringLike || op.comparison == Comparison::kArn;
  return by_text && std::ranges::find(kConfiningKeys, condition.key) != kConfiningKeys.end() &&
         std::ranges::all_of(condition.values, &Pattern::is_fixed);
}

bool names_fixed_principals(const Statement& statement) {
  if (!statement.principals) return true;
  const PrincipalSet& set = *statement.principals;
  return !statement.not_principal && !set.everyone &&
         std::ranges::none_of(set.names, [](const std::string& name) {
           return name.find(kAnyMany) != std::string::npos || name.find(kAnyOne) != std::string::npos;
         });
}

}  // namespace

bool is_public_statement(const Statement& statement) {
  return statement.effect == Effect::kAllow && !names_fixed_principals(statement) &&
         std::ranges::none_of(statement.conditions, confines);
}

}  // namespace flashstor::iam
