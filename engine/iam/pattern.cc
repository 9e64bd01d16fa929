#include "engine/iam/pattern.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/iam/limits.h"

namespace flashstor::iam {
namespace {

std::string_view trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

bool has_marker(std::string_view text) {
  return text.find(kAnyMany) != std::string_view::npos || text.find(kAnyOne) != std::string_view::npos;
}

}  // namespace

Result<Pattern::Variable> Pattern::parse_variable(std::string_view inside) {
  Variable variable;
  const std::size_t comma = inside.find(',');
  const std::string_view key = trim(inside.substr(0, comma));
  if (key.empty() || key.find(':') == std::string_view::npos ||
      key.find_first_of("${}'\" ") != std::string_view::npos)
    return fail(ErrorCode::kMalformed, fmt::format("Invalid policy variable ${{{}}}", inside));
  variable.key = normal_condition_key(key);
  if (comma != std::string_view::npos) {
    const std::string_view otherwise = trim(inside.substr(comma + 1));
    if (otherwise.size() < 2 || otherwise.front() != '\'' || otherwise.back() != '\'')
      return fail(ErrorCode::kMalformed,
                  fmt::format("Invalid default value in policy variable ${{{}}}", inside));
    variable.otherwise = otherwise.substr(1, otherwise.size() - 2);
    variable.has_default = true;
  }
  return variable;
}

Result<Pattern> Pattern::compile(std::string_view text, Options options) {
  if (text.size() > limits::kMaxPolicyPatternBytes)
    return fail(ErrorCode::kEntityTooLarge, "A value in the policy is longer than 2048 bytes");
  Pattern pattern;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (options.variables && c == '$' && at + 1 < text.size() && text[at + 1] == '{') {
      const std::size_t end = text.find('}', at);
      if (end == std::string_view::npos)
        return fail(ErrorCode::kMalformed, "Policy variable is not closed: missing '}'");
      const std::string_view inside = text.substr(at + 2, end - at - 2);
      if (inside == "*" || inside == "?" || inside == "$") {
        pattern.text_ += inside;
      } else {
        Result<Variable> variable = parse_variable(inside);
        if (!variable) return std::unexpected(std::move(variable).error());
        variable->at = pattern.text_.size();
        pattern.variables_.push_back(std::move(*variable));
      }
      at = end;
    } else if (options.wildcards && (c == '*' || c == '?')) {
      const char marker = c == '*' ? kAnyMany : kAnyOne;
      // "**" takes what "*" takes.
      const bool twice = marker == kAnyMany && !pattern.text_.empty() && pattern.text_.back() == kAnyMany &&
                         (pattern.variables_.empty() || pattern.variables_.back().at != pattern.text_.size());
      if (!twice) pattern.text_ += marker;
      pattern.has_wildcards_ = true;
    } else {
      pattern.text_ += options.folded ? lower_ascii(c) : c;
    }
  }
  return pattern;
}

const std::string* Pattern::expand(const RequestKeys& keys, std::string& scratch) const {
  if (variables_.empty()) return &text_;
  scratch.clear();
  std::size_t from = 0;
  ConditionValues values;
  for (const Variable& variable : variables_) {
    scratch.append(text_, from, variable.at - from);
    from = variable.at;
    values.clear();
    if (keys.find(variable.key, values) && values.size() == 1 && !has_marker(values[0])) {
      scratch += values[0];
    } else if (values.empty() && variable.has_default) {
      scratch += variable.otherwise;
    } else {
      return nullptr;
    }
  }
  scratch.append(text_, from);
  return &scratch;
}

bool Pattern::matches(std::string_view text, const RequestKeys& keys) const {
  if (variables_.empty()) return wildcard_match(text_, text);
  std::string scratch;
  const std::string* expanded = expand(keys, scratch);
  return expanded != nullptr && wildcard_match(*expanded, text);
}

bool Pattern::uses_key(std::string_view prefix) const {
  return std::ranges::any_of(variables_, [&](const Variable& v) { return v.key.starts_with(prefix); });
}

}  // namespace flashstor::iam
