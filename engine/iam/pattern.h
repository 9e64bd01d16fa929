#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/base/error.h"
#include "engine/iam/request_context.h"
#include "engine/iam/wildcard.h"

namespace flashstor::iam {

/// The condition keys of one request: those the identity and the clock answer, then those of the front door.
class RequestKeys {
 public:
  RequestKeys(const Principal& principal, const RequestContext& request)
      : principal_(principal), request_(request) {}
  /// As ConditionKeysApi::find.
  bool find(std::string_view key, ConditionValues& values) const;

 private:
  const Principal& principal_;
  const RequestContext& request_;
};

/// A text of a policy, compiled: wildcards (where the place allows them) and ${…} variables.
class Pattern {
 public:
  struct Options {
    bool wildcards = true;  ///< '*' and '?' are wildcards; otherwise they stand for themselves.
    bool variables =
        true;             ///< ${key}, ${key, 'default'}, ${*}, ${?}, ${$}; otherwise "${" stands for itself.
    bool folded = false;  ///< Lower-case, for matching without case.
  };
  /// Errors: kMalformed for a variable that is not closed or has no name; kEntityTooLarge.
  static Result<Pattern> compile(std::string_view text, Options options);

  [[nodiscard]] bool has_variables() const { return !variables_.empty(); }
  [[nodiscard]] bool has_wildcards() const { return has_wildcards_; }
  [[nodiscard]] bool is_fixed() const { return !has_variables() && !has_wildcards(); }
  /// The compiled text when there are no variables (for wildcard_match).
  [[nodiscard]] const std::string& text() const { return text_; }
  /// The compiled text with variables filled in, in `scratch` or in place. nullptr when a variable has no
  /// single value and no default. Values are literal: a '*' in them is no wildcard.
  const std::string* expand(const RequestKeys& keys, std::string& scratch) const;
  /// Whether `text` matches, variables filled in from `keys`.
  [[nodiscard]] bool matches(std::string_view text, const RequestKeys& keys) const;
  [[nodiscard]] bool uses_key(std::string_view prefix) const;

 private:
  struct Variable {
    std::size_t at = 0;  ///< Where in text_ the value goes.
    std::string key;
    std::string otherwise;
    bool has_default = false;
  };
  static Result<Variable> parse_variable(std::string_view inside);

  std::string text_;
  std::vector<Variable> variables_;
  bool has_wildcards_ = false;
};

}  // namespace flashstor::iam
