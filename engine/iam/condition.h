#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/error.h"
#include "engine/base/json.h"
#include "engine/iam/pattern.h"

namespace flashstor::iam {

enum class Effect : std::uint8_t { kAllow, kDeny };

/// How one value of the request is held against one value of the policy; the negated operators share these.
enum class Comparison : std::uint8_t {
  kString,
  kStringFolded,
  kStringLike,
  kNumber,
  kDate,
  kBool,
  kBinary,
  kAddress,
  kArn,
  kNull,
};

/// For kNumber and kDate: the request's value stands so to the policy's.
enum class Order : std::uint8_t { kEqual, kLess, kLessOrEqual, kGreater, kGreaterOrEqual };

/// A key with several values in the request.
enum class Quantifier : std::uint8_t { kNone, kForAnyValue, kForAllValues };

/// What an operator's name says ("ForAnyValue:StringNotLikeIfExists").
struct ConditionOperator {
  Comparison comparison = Comparison::kString;
  Order order = Order::kEqual;
  Quantifier quantifier = Quantifier::kNone;
  bool negated = false;
  bool if_exists = false;
  /// Errors: kMalformed "Invalid Condition type : …".
  static Result<ConditionOperator> parse(std::string_view name);
};

/// One key of one operator of a Condition block.
struct Condition {
  ConditionOperator op;
  std::string key;  ///< As normal_condition_key gives it.
  std::vector<Pattern> values;

  /// Whether the condition holds. A value of the wrong type in the request matches nothing. A variable
  /// without a value makes the condition fail, except a negated one of a Deny statement, which then holds:
  /// what cannot be known never widens access.
  [[nodiscard]] bool holds(const RequestKeys& keys, Effect effect) const;

 private:
  enum class Match : std::uint8_t { kNo, kYes, kUnknown };
  [[nodiscard]] Match matches_any(std::string_view value, const RequestKeys& keys) const;
  [[nodiscard]] bool passes(std::string_view value, const RequestKeys& keys, Effect effect) const;
};

/// The Condition block of a statement. `variables`: the policy's version has variables.
/// Errors: kMalformed for unknown operators, unknown condition keys and values of the wrong type.
[[nodiscard]] Result<std::vector<Condition>> parse_conditions(const Json& block, bool variables);

/// Whether this condition key exists in the policy language for S3 (or belongs to a service other than aws
/// and s3).
[[nodiscard]] bool is_known_condition_key(std::string_view normal_key);

}  // namespace flashstor::iam
