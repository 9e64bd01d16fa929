#include "engine/iam/condition.h"

#include <algorithm>

#include "engine/base/hex.h"
#include "engine/iam/condition_value.h"

namespace flashstor::iam {
namespace {

bool in_order(Order order, auto left, auto right) {
  switch (order) {
    case Order::kEqual:
      return left == right;
    case Order::kLess:
      return left < right;
    case Order::kLessOrEqual:
      return left <= right;
    case Order::kGreater:
      return left > right;
    case Order::kGreaterOrEqual:
      return left >= right;
  }
  return false;
}

bool equal_folded(std::string_view left, std::string_view right) {
  return std::ranges::equal(left, right, {}, lower_ascii, lower_ascii);
}

/// Takes the text up to the next ':' off the front; the sixth part of an ARN takes all that is left.
std::string_view take_arn_part(std::string_view& rest, int part) {
  const std::size_t colon = part < 5 ? rest.find(':') : std::string_view::npos;
  const std::string_view taken = rest.substr(0, colon);
  rest.remove_prefix(colon == std::string_view::npos ? rest.size() : colon + 1);
  return taken;
}

/// ARNs match part by part, so that a '*' does not reach over a ':'.
bool arn_matches(std::string_view pattern, std::string_view arn) {
  if (pattern.size() == 1 && pattern[0] == kAnyMany) return true;
  if (std::ranges::count(arn, ':') < 5 || std::ranges::count(pattern, ':') < 5)
    return wildcard_match(pattern, arn);
  for (int part = 0; part < 6; ++part) {
    const std::string_view pattern_part = take_arn_part(pattern, part);
    if (!wildcard_match(pattern_part, take_arn_part(arn, part))) return false;
  }
  return true;
}

template <class T>
bool both(const std::optional<T>& left, const std::optional<T>& right, Order order = Order::kEqual) {
  return left.has_value() && right.has_value() && in_order(order, *left, *right);
}

bool compare(const ConditionOperator& op, std::string_view value, const std::string& wanted) {
  switch (op.comparison) {
    case Comparison::kString:
      return value == wanted;
    case Comparison::kStringFolded:
      return equal_folded(value, wanted);
    case Comparison::kStringLike:
      return wildcard_match(wanted, value);
    case Comparison::kNumber:
      return both(parse_number(value), parse_number(wanted), op.order);
    case Comparison::kDate:
      return both(parse_date_ms(value), parse_date_ms(wanted), op.order);
    case Comparison::kBool:
      return both(parse_bool(value), parse_bool(wanted));
    case Comparison::kBinary: {
      const Result<std::string> bytes = base::from_base64(wanted);
      return bytes.has_value() && *bytes == value;
    }
    case Comparison::kAddress: {
      const auto address = parse_address(value);
      const auto block = parse_address(wanted);
      return address.has_value() && block.has_value() && block->contains(*address);
    }
    case Comparison::kArn:
      return arn_matches(wanted, value);
    case Comparison::kNull:
      return false;  // Answered by the key's presence alone, in holds().
  }
  return false;
}

}  // namespace

Condition::Match Condition::matches_any(std::string_view value, const RequestKeys& keys) const {
  Match result = Match::kNo;
  std::string scratch;
  for (const Pattern& wanted : values) {
    const std::string* text = wanted.expand(keys, scratch);
    if (text == nullptr) {
      result = Match::kUnknown;
    } else if (compare(op, value, *text)) {
      return Match::kYes;
    }
  }
  return result;
}

bool Condition::passes(std::string_view value, const RequestKeys& keys, Effect effect) const {
  const Match match = matches_any(value, keys);
  if (!op.negated) return match == Match::kYes;
  return match == Match::kNo || (match == Match::kUnknown && effect == Effect::kDeny);
}

bool Condition::holds(const RequestKeys& keys, Effect effect) const {
  ConditionValues found;
  const bool exists = keys.find(key, found);
  if (op.comparison == Comparison::kNull) {
    const auto wants_null = [&](const Pattern& wanted) {
      std::string scratch;
      const std::string* text = wanted.expand(keys, scratch);
      const auto flag = text == nullptr ? std::nullopt : parse_bool(*text);
      return flag.has_value() && *flag == !exists;
    };
    return std::ranges::any_of(values, wants_null);
  }
  const auto one_passes = [&](const std::string& value) { return passes(value, keys, effect); };
  switch (op.quantifier) {
    case Quantifier::kForAllValues:
      return std::ranges::all_of(found, one_passes);
    case Quantifier::kForAnyValue:
      if (found.empty()) return op.if_exists;
      return std::ranges::any_of(found, one_passes);
    case Quantifier::kNone:
      break;
  }
  if (!exists || found.empty()) return op.if_exists || op.negated;
  return op.negated ? std::ranges::all_of(found, one_passes) : std::ranges::any_of(found, one_passes);
}

}  // namespace flashstor::iam
