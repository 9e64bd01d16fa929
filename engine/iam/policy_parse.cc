#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "engine/base/limits.h"
#include "engine/iam/limits.h"
#include "engine/iam/policy.h"
#include "engine/iam/statement.h"

namespace flashstor::iam {
namespace {

std::unexpected<Error> malformed(std::string words) { return fail(ErrorCode::kMalformed, std::move(words)); }

/// Parses one document; what it is for decides which fields it must have.
class PolicyParser {
 public:
  PolicyParser(PolicyKind kind, std::string_view bucket) : kind_(kind), bucket_(bucket) {}

  Result<std::vector<Statement>> parse(const Json& document) {
    for (const JsonMember& member : document.members()) {
      if (member.name != "Version" && member.name != "Id" && member.name != "Statement")
        return malformed(fmt::format("Unknown field {}", member.name.substr(0, 100)));
    }
    if (const Result<void> version = parse_version(document); !version)
      return std::unexpected(version.error());
    if (const Json* id = document.find("Id"); id != nullptr && !id->is_string())
      return malformed("Invalid policy syntax: Id must be a string");
    const Json* statement = document.find("Statement");
    if (statement == nullptr) return malformed("Missing required field Statement");
    return statement->is_array() ? parse_list(*statement) : parse_list(Json(Json::Array{*statement}));
  }

 private:
  Result<void> parse_version(const Json& document) {
    const Json* version = document.find("Version");
    if (version == nullptr) return {};  // As AWS: the old one.
    const std::string* text = version->as_string();
    if (text == nullptr || (*text != "2012-10-17" && *text != "2008-10-17"))
      return malformed("The policy must contain a valid version string");
    variables_ = *text == "2012-10-17";
    return {};
  }

  Result<std::vector<Statement>> parse_list(const Json& list) {
    if (list.size() == 0) return malformed("Missing required field Statement cannot be empty!");
    if (list.size() > limits::kMaxPolicyStatements)
      return malformed(fmt::format("A policy has at most {} statements", limits::kMaxPolicyStatements));
    std::vector<Statement> statements;
    for (const Json& item : list.items()) {
      Result<Statement> statement = parse_statement(item);
      if (!statement) return std::unexpected(std::move(statement).error());
      const auto same_sid = [&](const Statement& other) {
        return !other.sid.empty() && other.sid == statement->sid;
      };
      if (std::ranges::any_of(statements, same_sid))
        return malformed(
            fmt::format("Statement IDs (SID) in a single policy must be unique: {}", statement->sid));
      statements.push_back(std::move(*statement));
    }
    return statements;
  }

  Result<Statement> parse_statement(const Json& json) {
    constexpr std::array<std::string_view, 9> kFields = {"Sid",          "Effect",      "Principal",
                                                         "NotPrincipal", "Action",      "NotAction",
                                                         "Resource",     "NotResource", "Condition"};
    if (!json.is_object()) return malformed("Invalid policy syntax: a Statement must be an object");
    for (const JsonMember& member : json.members()) {
      if (std::ranges::find(kFields, member.name) == kFields.end())
        return malformed(fmt::format("Unknown field {}", member.name.substr(0, 100)));
    }
    Statement statement;
    using Step = Result<void> (PolicyParser::*)(Statement&, const Json&);
    for (const Step step : {&PolicyParser::parse_head, &PolicyParser::parse_who, &PolicyParser::parse_actions,
                            &PolicyParser::parse_resources, &PolicyParser::check_targets}) {
      if (const Result<void> done = (this->*step)(statement, json); !done)
        return std::unexpected(done.error());
    }
    if (const Json* block = json.find("Condition")) {
      Result<std::vector<Condition>> conditions = parse_conditions(*block, variables_);
      if (!conditions) return std::unexpected(std::move(conditions).error());
      statement.conditions = std::move(*conditions);
    }
    return statement;
  }

  Result<void> parse_head(Statement& statement, const Json& json) {
    if (const Json* sid = json.find("Sid")) {
      if (!sid->is_string()) return malformed("Invalid policy syntax: Sid must be a string");
      statement.sid = *sid->as_string();
    }
    const Json* effect = json.find("Effect");
    if (effect == nullptr) return malformed("Missing required field Effect");
    const std::string* text = effect->as_string();
    if (text == nullptr || (*text != "Allow" && *text != "Deny"))
      return malformed(fmt::format("Invalid effect: {}", text == nullptr ? "" : text->substr(0, 100)));
    statement.effect = *text == "Allow" ? Effect::kAllow : Effect::kDeny;
    return {};
  }

  Result<void> parse_who(Statement& statement, const Json& json) {
    const Json* who = json.find("Principal");
    const Json* not_who = json.find("NotPrincipal");
    if (kind_ == PolicyKind::kIdentity) {
      if (who != nullptr || not_who != nullptr)
        return malformed("Policy document should not specify a principal.");
      return {};
    }
    if (who == nullptr && not_who == nullptr) return malformed("Missing required field Principal");
    if (who != nullptr && not_who != nullptr)
      return malformed("Invalid policy syntax: both Principal and NotPrincipal");
    // Everybody but a few, and nobody signed in among them, is never what its writer meant; AWS refuses it
    // too.
    if (not_who != nullptr && statement.effect == Effect::kAllow)
      return malformed("Invalid policy syntax: Allow with NotPrincipal is not supported");
    Result<PrincipalSet> set = parse_principals(who != nullptr ? *who : *not_who);
    if (!set) return std::unexpected(std::move(set).error());
    statement.principals = std::move(*set);
    statement.not_principal = who == nullptr;
    return {};
  }

  /// The value of `name` or of "Not" + `name` as texts; which of the two it was.
  struct Texts {
    std::vector<std::string> list;
    bool negated = false;
    bool missing = false;
  };
  static Result<Texts> texts_of(const Json& json, std::string_view name) {
    const std::string not_name = fmt::format("Not{}", name);
    const Json* plain = json.find(name);
    const Json* negated = json.find(not_name);
    if (plain != nullptr && negated != nullptr)
      return malformed(fmt::format("Invalid policy syntax: both {} and {}", name, not_name));
    if (plain == nullptr && negated == nullptr) return Texts{.missing = true};
    Texts texts{.negated = plain == nullptr};
    const Json& value = plain != nullptr ? *plain : *negated;
    const bool is_list = value.is_array();
    for (std::size_t i = 0; i < (is_list ? value.size() : 1); ++i) {
      const std::string* text = (is_list ? value.at(i) : value).as_string();
      if (text == nullptr)
        return malformed(fmt::format("Invalid policy syntax: {} must be a string or a list", name));
      texts.list.push_back(*text);
    }
    if (texts.list.empty()) return malformed(fmt::format("Missing required field {} cannot be empty!", name));
    return texts;
  }

  Result<void> parse_actions(Statement& statement, const Json& json) {
    Result<Texts> texts = texts_of(json, "Action");
    if (!texts) return std::unexpected(texts.error());
    if (texts->missing) return malformed("Missing required field Action");
    statement.not_action = texts->negated;
    for (const std::string& text : texts->list) {
      if (!is_valid_action(text)) return malformed("Policy has invalid action");
      Result<Pattern> pattern = Pattern::compile(text, {.variables = false, .folded = true});
      if (!pattern) return std::unexpected(pattern.error());
      if (is_s3(text) && !action_targets(pattern->text()).any())
        return malformed("Policy has invalid action");
      statement.actions.push_back(std::move(*pattern));
    }
    return {};
  }

  static bool is_s3(std::string_view action) {
    return action.size() > 3 && wildcard_match_folded("s3:", action.substr(0, 3));
  }

  /// "*", or "service:Name" with wildcards in the name; bucket policies know S3's actions only.
  [[nodiscard]] bool is_valid_action(std::string_view text) const {
    if (text == "*") return true;
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos || colon == 0 || colon + 1 == text.size()) return false;
    if (kind_ == PolicyKind::kBucket && !is_s3(text)) return false;
    const auto is_word = [](char c) {
      const char folded = lower_ascii(c);
      return (folded >= 'a' && folded <= 'z') || (c >= '0' && c <= '9') || c == '-';
    };
    const auto is_part = [&](char c) { return is_word(c) || c == '*' || c == '?'; };
    return std::ranges::all_of(text.substr(0, colon), is_word) &&
           std::ranges::all_of(text.substr(colon + 1), is_part);
  }

  Result<void> parse_resources(Statement& statement, const Json& json) {
    Result<Texts> texts = texts_of(json, "Resource");
    if (!texts) return std::unexpected(texts.error());
    if (texts->missing) {
      // Administrative actions work on no resource, so their statements may leave it out, as MinIO's do.
      if (kind_ == PolicyKind::kBucket || std::ranges::any_of(statement.actions, may_be_s3))
        return malformed("Missing required field Resource");
      texts->list.emplace_back("*");
    }
    statement.not_resource = texts->negated;
    for (const std::string& text : texts->list) {
      const std::optional<std::string> arn = normal_resource(text);
      if (!arn) return malformed("Policy has invalid resource");
      Result<Pattern> pattern = Pattern::compile(*arn, {.variables = variables_});
      if (!pattern) return std::unexpected(pattern.error());
      if (kind_ == PolicyKind::kBucket && !is_in_bucket(*arn))
        return malformed("Policy has invalid resource");
      statement.resources.push_back(std::move(*pattern));
    }
    return {};
  }

  static bool may_be_s3(const Pattern& action) { return action_targets(action.text()).any(); }

  /// "arn:partition:s3:region:account:rest" as "arn:aws:s3:::rest", since there is one region and one account
  /// here; ARNs of other services as they are. Nothing when it is neither "*" nor an ARN.
  static std::optional<std::string> normal_resource(std::string_view text) {
    if (text == "*") return "*";
    if (!text.starts_with("arn:")) return std::nullopt;
    std::array<std::string_view, 5> parts;
    std::string_view rest = text;
    for (std::string_view& part : parts) {
      const std::size_t colon = rest.find(':');
      // "arn:aws:s3*" and the like: wildcards over the parts match as text.
      if (colon == std::string_view::npos)
        return text.find('*') != text.npos ? std::optional(std::string(text)) : std::nullopt;
      part = rest.substr(0, colon);
      rest.remove_prefix(colon + 1);
    }
    if (rest.empty()) return std::nullopt;
    if (parts[2] != "s3") return std::string(text);
    return std::string(kS3ArnPrefix).append(rest);
  }

  /// Whether a resource names this bucket or objects in it, and nothing elsewhere.
  [[nodiscard]] bool is_in_bucket(std::string_view arn) const {
    if (!arn.starts_with(kS3ArnPrefix)) return false;
    const std::string_view rest = arn.substr(kS3ArnPrefix.size());
    if (bucket_.empty()) return true;
    if (!rest.starts_with(bucket_)) {
      // AWS takes wildcards in the bucket's part when they match the bucket.
      const std::string_view name = rest.substr(0, rest.find('/'));
      const Result<Pattern> pattern = Pattern::compile(name, {.variables = false});
      return pattern.has_value() && pattern->has_wildcards() && wildcard_match(pattern->text(), bucket_);
    }
    const std::string_view after = rest.substr(bucket_.size());
    return after.empty() || after.front() == '/' || after.front() == '*' || after.front() == '?';
  }

  /// As AWS: an action of objects needs a resource that can be one, an action of buckets likewise.
  Result<void> check_targets(Statement& statement, const Json&) {
    if (kind_ != PolicyKind::kBucket || statement.not_action || statement.not_resource) return {};
    bool can_be_bucket = false;
    bool can_be_object = false;
    for (const Pattern& resource : statement.resources) {
      const bool has_slash = resource.text().find('/') != std::string::npos;
      can_be_bucket |= !has_slash;
      can_be_object |=
          has_slash || resource.text().find(kAnyMany) != std::string::npos || resource.has_variables();
    }
    for (const Pattern& action : statement.actions) {
      const ActionTargets targets = action_targets(action.text());
      const bool applies =
          (targets.buckets && can_be_bucket) || (targets.objects && can_be_object) || targets.service;
      if (!applies) return malformed("Action does not apply to any resource(s) in statement");
    }
    return {};
  }

  PolicyKind kind_;
  std::string_view bucket_;
  bool variables_ = false;
};

}  // namespace

Result<PolicyRef> Policy::parse(std::string_view text, PolicyKind kind, std::string_view bucket) {
  if (text.size() > limits::kMaxPolicyBytes)
    return fail(ErrorCode::kEntityTooLarge, "Your policy exceeds the maximum allowed document size.");
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  if (start == std::string_view::npos || text[start] != '{')
    return malformed("Policies must be valid JSON and the first byte must be '{'");
  const Result<Json> document =
      Json::parse(text, {.bytes = limits::kMaxPolicyBytes, .depth = limits::kMaxPolicyDepth});
  if (!document) return fail(ErrorCode::kMalformed, "This policy contains invalid Json", document.error());
  Result<std::vector<Statement>> statements = PolicyParser(kind, bucket).parse(*document);
  if (!statements) return std::unexpected(std::move(statements).error());
  return std::make_shared<const Policy>(std::string(text), std::move(*statements));
}

}  // namespace flashstor::iam
