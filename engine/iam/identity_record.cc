#include "engine/iam/identity_record.h"

#include <fmt/format.h>

#include <optional>

#include "engine/base/hex.h"
#include "engine/base/json.h"
#include "engine/iam/limits.h"

namespace flashstor::iam {
namespace {

constexpr int kFormat = 1;

std::string escaped(std::string_view prefix, std::string_view name) {
  std::string path(prefix);
  for (const char c : name) {
    const bool is_plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    if (is_plain) {
      path += c;
    } else {
      path += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return path;
}

/// Binds a sealed secret to the user it is for.
std::string box_name(std::string_view access_key) { return std::string("user/").append(access_key); }

Result<Json> parse_record(std::string_view record) {
  Result<Json> json = Json::parse(record, {.bytes = limits::kMaxIdentityRecordBytes, .depth = 8});
  if (!json) return json;
  if (json->int_or("format") != kFormat)
    return fail(ErrorCode::kMalformed,
                "The record has an unknown format; a newer version may have written it");
  return json;
}

}  // namespace

std::string user_path(std::string_view access_key) { return escaped(kUserPrefix, access_key); }
std::string policy_path(std::string_view name) { return escaped(kPolicyPrefix, name); }

Result<std::string> encode_user(const User& user, const SecretBox& box, Random& random) {
  const Result<std::string> sealed = box.seal(user.secret_key, box_name(user.access_key), random);
  if (!sealed) return sealed;
  Json policies = Json::array();
  for (const std::string& name : user.policies) policies.push(name);
  return Json::object({{"format", kFormat},
                       {"access_key", user.access_key},
                       {"secret", base::to_base64(*sealed)},
                       {"status", user.status == UserStatus::kEnabled ? "enabled" : "disabled"},
                       {"policies", std::move(policies)}})
      .dump();
}

Result<User> decode_user(std::string_view record, const SecretBox& box) {
  const Result<Json> json = parse_record(record);
  if (!json) return std::unexpected(json.error());
  User user;
  user.access_key = json->string_or("access_key");
  const std::string status = json->string_or("status");
  if (user.access_key.empty() || (status != "enabled" && status != "disabled"))
    return fail(ErrorCode::kMalformed, "The record is no user");
  user.status = status == "enabled" ? UserStatus::kEnabled : UserStatus::kDisabled;
  for (const Json& name : json->get("policies").items()) {
    if (!name.is_string()) return fail(ErrorCode::kMalformed, "The record names a policy that is no name");
    user.policies.push_back(*name.as_string());
  }
  const Result<std::string> sealed = base::from_base64(json->string_or("secret"));
  if (!sealed) return std::unexpected(sealed.error());
  Result<std::string> secret = box.open(*sealed, box_name(user.access_key));
  if (!secret) return std::unexpected(std::move(secret).error());
  user.secret_key = std::move(*secret);
  return user;
}

std::string encode_policy(std::string_view name, std::string_view text) {
  return Json::object({{"format", kFormat}, {"name", name}, {"document", text}}).dump();
}

Result<StoredPolicy> decode_policy(std::string_view record) {
  const Result<Json> json = parse_record(record);
  if (!json) return std::unexpected(json.error());
  StoredPolicy stored{.name = json->string_or("name"), .policy = nullptr};
  if (stored.name.empty()) return fail(ErrorCode::kMalformed, "The record is no policy");
  Result<PolicyRef> policy = Policy::parse(json->string_or("document"), PolicyKind::kIdentity);
  if (!policy) return std::unexpected(std::move(policy).error());
  stored.policy = std::move(*policy);
  return stored;
}

}  // namespace flashstor::iam
