#include <algorithm>

#include "engine/iam/statement.h"

namespace flashstor::iam {
namespace {

std::unexpected<Error> invalid() { return fail(ErrorCode::kMalformed, "Invalid principal in policy"); }

bool is_account_id(std::string_view text) {
  return text.size() == 12 && text.find_first_not_of("0123456789") == std::string_view::npos;
}

bool is_account_part(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    const char folded = lower_ascii(c);
    return (folded >= 'a' && folded <= 'z') || (c >= '0' && c <= '9') || c == '*' || c == '-' || c == '_';
  });
}

bool is_name(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f && c != ':'; });
}

Result<void> add_name(PrincipalSet& set, std::string_view name) {
  if (!is_name(name)) return invalid();
  Result<Pattern> pattern = Pattern::compile(name, {.wildcards = true, .variables = false});
  if (!pattern) return invalid();
  set.names.push_back(pattern->text());
  return {};
}

/// "arn:aws:iam::ACCOUNT:root" or "…:user/PATH/NAME"; a user's path means nothing here.
Result<void> add_arn(PrincipalSet& set, std::string_view arn) {
  std::string_view rest = arn.substr(4);
  const std::size_t partition = rest.find(':');
  if (partition == std::string_view::npos || !rest.starts_with("aws")) return invalid();
  rest.remove_prefix(partition + 1);
  if (!rest.starts_with("iam::")) return invalid();
  rest.remove_prefix(5);
  const std::size_t account = rest.find(':');
  if (account == std::string_view::npos || !is_account_part(rest.substr(0, account))) return invalid();
  const std::string_view who = rest.substr(account + 1);
  if (who == "root") {
    set.account = true;
    return {};
  }
  if (!who.starts_with("user/")) return invalid();
  return add_name(set, who.substr(who.rfind('/') + 1));
}

Result<void> add_canonical(PrincipalSet& set, std::string_view text) {
  const bool is_hex = std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (lower_ascii(c) >= 'a' && lower_ascii(c) <= 'f');
  });
  if (text.size() != 64 || !is_hex) return invalid();
  std::string id(text);
  std::ranges::transform(id, id.begin(), lower_ascii);
  set.canonical_ids.push_back(std::move(id));
  return {};
}

Result<void> add_member(PrincipalSet& set, std::string_view kind, const std::string& text) {
  if (kind == "AWS") return add_aws_principal(set, text);
  if (kind == "CanonicalUser") return add_canonical(set, text);
  // Services and federated providers of AWS never sign requests here: valid, and nobody.
  if ((kind == "Service" || kind == "Federated") && !text.empty()) return {};
  return invalid();
}

}  // namespace

Result<void> add_aws_principal(PrincipalSet& set, std::string_view text) {
  if (text == "*") {
    set.everyone = true;
    return {};
  }
  if (is_account_id(text)) {
    set.account = true;
    return {};
  }
  return text.starts_with("arn:") ? add_arn(set, text) : add_name(set, text);
}

Result<PrincipalSet> parse_principals(const Json& value) {
  PrincipalSet set;
  if (const std::string* text = value.as_string()) {
    if (*text != "*") return invalid();
    set.everyone = true;
    return set;
  }
  if (!value.is_object() || value.size() == 0) return invalid();
  for (const JsonMember& member : value.members()) {
    const bool is_list = member.value.is_array();
    const std::size_t count = is_list ? member.value.size() : 1;
    if (count == 0) return invalid();
    for (std::size_t i = 0; i < count; ++i) {
      const std::string* text = (is_list ? member.value.at(i) : member.value).as_string();
      if (text == nullptr) return invalid();
      if (const Result<void> added = add_member(set, member.name, *text); !added)
        return std::unexpected(added.error());
    }
  }
  return set;
}

}  // namespace flashstor::iam
