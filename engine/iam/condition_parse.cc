#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "engine/base/hex.h"
#include "engine/iam/condition.h"
#include "engine/iam/condition_value.h"

namespace flashstor::iam {
namespace {

struct NamedOperator {
  std::string_view name;
  Comparison comparison;
  Order order = Order::kEqual;
  bool negated = false;
};

// AWS: "IAM JSON policy elements: Condition operators".
constexpr std::array kOperators = std::to_array<NamedOperator>({
    {"StringEquals", Comparison::kString},
    {"StringNotEquals", Comparison::kString, Order::kEqual, true},
    {"StringEqualsIgnoreCase", Comparison::kStringFolded},
    {"StringNotEqualsIgnoreCase", Comparison::kStringFolded, Order::kEqual, true},
    {"StringLike", Comparison::kStringLike},
    {"StringNotLike", Comparison::kStringLike, Order::kEqual, true},
    {"NumericEquals", Comparison::kNumber},
    {"NumericNotEquals", Comparison::kNumber, Order::kEqual, true},
    {"NumericLessThan", Comparison::kNumber, Order::kLess},
    {"NumericLessThanEquals", Comparison::kNumber, Order::kLessOrEqual},
    {"NumericGreaterThan", Comparison::kNumber, Order::kGreater},
    {"NumericGreaterThanEquals", Comparison::kNumber, Order::kGreaterOrEqual},
    {"DateEquals", Comparison::kDate},
    {"DateNotEquals", Comparison::kDate, Order::kEqual, true},
    {"DateLessThan", Comparison::kDate, Order::kLess},
    {"DateLessThanEquals", Comparison::kDate, Order::kLessOrEqual},
    {"DateGreaterThan", Comparison::kDate, Order::kGreater},
    {"DateGreaterThanEquals", Comparison::kDate, Order::kGreaterOrEqual},
    {"Bool", Comparison::kBool},
    {"BinaryEquals", Comparison::kBinary},
    {"IpAddress", Comparison::kAddress},
    {"NotIpAddress", Comparison::kAddress, Order::kEqual, true},
    {"ArnEquals", Comparison::kArn},
    {"ArnLike", Comparison::kArn},
    {"ArnNotEquals", Comparison::kArn, Order::kEqual, true},
    {"ArnNotLike", Comparison::kArn, Order::kEqual, true},
    {"Null", Comparison::kNull},
});

bool has_wildcards(Comparison comparison) {
  return comparison == Comparison::kStringLike || comparison == Comparison::kArn;
}

/// Whether a fixed value of a policy is of the operator's type.
bool fits(Comparison comparison, std::string_view text) {
  switch (comparison) {
    case Comparison::kString:
    case Comparison::kStringFolded:
    case Comparison::kStringLike:
    case Comparison::kArn:
      return true;
    case Comparison::kNumber:
      return parse_number(text).has_value();
    case Comparison::kDate:
      return parse_date_ms(text).has_value();
    case Comparison::kBool:
    case Comparison::kNull:
      return parse_bool(text).has_value();
    case Comparison::kBinary:
      return base::from_base64(text).has_value();
    case Comparison::kAddress:
      return parse_address(text).has_value();
  }
  return false;
}

/// Strings, numbers and true or false are all taken as their text.
std::optional<std::string> scalar_text(const Json& value) {
  if (const std::string* text = value.as_string()) return *text;
  if (value.is_bool() || value.is_number()) return value.dump();
  return std::nullopt;
}

Result<Pattern> parse_value(const ConditionOperator& op, std::string_view name, const Json& json,
                            bool variables) {
  const std::optional<std::string> text = scalar_text(json);
  if (!text)
    return fail(ErrorCode::kMalformed, fmt::format("Invalid value in Condition {}: not a string", name));
  Result<Pattern> value =
      Pattern::compile(*text, {.wildcards = has_wildcards(op.comparison), .variables = variables});
  if (!value) return value;
  if (!value->has_variables() && !fits(op.comparison, value->text()))
    return fail(ErrorCode::kMalformed,
                fmt::format("Invalid value in Condition {}: {}", name, text->substr(0, 100)));
  return value;
}

Result<Condition> parse_condition(std::string_view name, ConditionOperator op, const JsonMember& member,
                                  bool variables) {
  Condition condition;
  condition.op = op;
  condition.key = normal_condition_key(member.name);
  if (!is_known_condition_key(condition.key))
    return fail(ErrorCode::kMalformed,
                fmt::format("Policy has an invalid condition key: {}", member.name.substr(0, 100)));
  const bool is_list = member.value.is_array();
  const std::size_t count = is_list ? member.value.size() : 1;
  if (count == 0) return fail(ErrorCode::kMalformed, fmt::format("Condition {} has no values", name));
  for (std::size_t i = 0; i < count; ++i) {
    Result<Pattern> value = parse_value(op, name, is_list ? member.value.at(i) : member.value, variables);
    if (!value) return std::unexpected(std::move(value).error());
    condition.values.push_back(std::move(*value));
  }
  return condition;
}

}  // namespace

Result<ConditionOperator> ConditionOperator::parse(std::string_view name) {
  ConditionOperator op;
  std::string_view rest = name;
  if (rest.starts_with("ForAnyValue:")) {
    op.quantifier = Quantifier::kForAnyValue;
    rest.remove_prefix(12);
  } else if (rest.starts_with("ForAllValues:")) {
    op.quantifier = Quantifier::kForAllValues;
    rest.remove_prefix(13);
  }
  if (rest.ends_with("IfExists")) {
    op.if_exists = true;
    rest.remove_suffix(8);
  }
  const auto* const found = std::ranges::find(kOperators, rest, &NamedOperator::name);
  const bool is_odd_null =
      found != kOperators.end() && found->comparison == Comparison::kNull && rest.size() != name.size();
  if (found == kOperators.end() || is_odd_null)
    return fail(ErrorCode::kMalformed, fmt::format("Invalid Condition type : {}", name.substr(0, 100)));
  op.comparison = found->comparison;
  op.order = found->order;
  op.negated = found->negated;
  return op;
}

Result<std::vector<Condition>> parse_conditions(const Json& block, bool variables) {
  std::vector<Condition> conditions;
  if (!block.is_object())
    return fail(ErrorCode::kMalformed, "Invalid policy syntax: Condition must be an object");
  for (const JsonMember& type : block.members()) {
    const Result<ConditionOperator> op = ConditionOperator::parse(type.name);
    if (!op) return std::unexpected(op.error());
    if (!type.value.is_object())
      return fail(ErrorCode::kMalformed,
                  fmt::format("Invalid policy syntax: Condition {} must be an object", type.name));
    for (const JsonMember& member : type.value.members()) {
      Result<Condition> condition = parse_condition(type.name, *op, member, variables);
      if (!condition) return std::unexpected(std::move(condition).error());
      conditions.push_back(std::move(*condition));
    }
  }
  return conditions;
}

}  // namespace flashstor::iam
