#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/base/time.h"

namespace flashstor::iam {

/// Who asks, as policies see it. Views live as long as the Identity they come from.
struct Principal {
  enum class Kind { kAnonymous, kUser, kRoot };
  Kind kind = Kind::kAnonymous;
  std::string_view name;          ///< The access key, which is also the user's name; empty when anonymous.
  std::string_view canonical_id;  ///< 64 hexadecimal digits; empty when anonymous.
  [[nodiscard]] bool is_anonymous() const { return kind == Kind::kAnonymous; }
};

/// Values of one condition key of a request.
using ConditionValues = std::vector<std::string>;

/// Where the condition keys of a request come from. Asked only when a policy has a condition or variable that
/// needs the key, so an implementation computes what it is asked for and nothing else. The engine itself
/// answers aws:username, aws:userid, aws:PrincipalArn, aws:PrincipalType, aws:CurrentTime and aws:EpochTime;
/// the front door answers aws:SourceIp, aws:SecureTransport, aws:UserAgent, aws:Referer and s3:…
class ConditionKeysApi {
 public:
  virtual ~ConditionKeysApi() = default;
  /// Appends the values of `key` and returns true, or returns false when the request does not have it.
  /// `key` is lower-case ("s3:x-amz-acl", "s3:versionid"); the part after a '/' ("s3:existingobjecttag/Team")
  /// is as the policy writes it. A key with several values (s3:RequestObjectTagKeys) appends each; one
  /// present but empty appends none.
  virtual bool find(std::string_view key, ConditionValues& values) const = 0;
};

/// Condition keys in a map, for tests and for requests made inside the engine.
class ConditionMap final : public ConditionKeysApi {
 public:
  /// `key` in any case; the part after '/' keeps its case.
  ConditionMap& set(std::string_view key, std::string value);
  ConditionMap& set_all(std::string_view key, ConditionValues values);
  bool find(std::string_view key, ConditionValues& values) const override;

 private:
  std::unordered_map<std::string, ConditionValues> keys_;
};

/// One question: may `action` be done on `resource`? All views are borrowed for the call.
struct RequestContext {
  std::string_view action;  ///< "s3:GetObject", spelled as AWS does.
  std::string_view
      resource;  ///< "arn:aws:s3:::bucket" or "arn:aws:s3:::bucket/key" (see resource_arn), or "" for admin.
  WallTime now{};  ///< When the request came; for aws:CurrentTime and aws:EpochTime.
  const ConditionKeysApi* conditions = nullptr;  ///< nullptr: the request has no condition keys.
};

inline constexpr std::string_view kS3ArnPrefix = "arn:aws:s3:::";

/// The ARN of a bucket (empty `key`) or of an object.
[[nodiscard]] std::string resource_arn(std::string_view bucket, std::string_view key = {});

/// `key` with everything up to the first '/' in lower case, as find() is asked.
[[nodiscard]] std::string normal_condition_key(std::string_view key);

}  // namespace flashstor::iam
