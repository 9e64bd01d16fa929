#pragma once

#include <string>
#include <string_view>

#include "engine/iam/identities.h"

namespace flashstor::iam {

// How users and policies lie in the IdentityBackend (docs/iam.md, Storage): a JSON object a record,
// "format": 1.

inline constexpr std::string_view kUserPrefix = "iam/users/";
inline constexpr std::string_view kPolicyPrefix = "iam/policies/";

/// Names may hold any printable character; paths hold few: the others become %XX.
[[nodiscard]] std::string user_path(std::string_view access_key);
[[nodiscard]] std::string policy_path(std::string_view name);

/// Errors: those of sealing.
[[nodiscard]] Result<std::string> encode_user(const User& user, const SecretBox& box, Random& random);
/// Errors: kMalformed for a record that is none of ours, kCorrupt for a secret that `box` does not open.
[[nodiscard]] Result<User> decode_user(std::string_view record, const SecretBox& box);

[[nodiscard]] std::string encode_policy(std::string_view name, std::string_view text);
struct StoredPolicy {
  std::string name;
  PolicyRef policy;
};
/// Errors: kMalformed.
[[nodiscard]] Result<StoredPolicy> decode_policy(std::string_view record);

}  // namespace flashstor::iam
