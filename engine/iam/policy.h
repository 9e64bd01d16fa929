#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/error.h"
#include "engine/iam/request_context.h"

namespace flashstor::iam {

/// What policies say about one request.
enum class Verdict : std::uint8_t {
  kNoMatch,  ///< Nobody spoke: denied unless somebody else allows.
  kAllow,
  kDeny,  ///< A Deny statement matched: final.
};

enum class PolicyKind : std::uint8_t {
  kIdentity,  ///< Attached to users: no Principal.
  kBucket,    ///< Of one bucket: Principal required, resources in that bucket only.
};

struct Statement;

/// A policy of the AWS policy language, parsed and compiled once. Immutable; safe on all threads.
class Policy {
 public:
  /// Parses a policy document. `bucket` is the bucket that a PolicyKind::kBucket policy is for.
  /// Errors: kMalformed with words as AWS's MalformedPolicy has them ("Missing required field Effect",
  /// "Policy has invalid resource", …); kEntityTooLarge above limits::kMaxPolicyBytes. Never crashes,
  /// whatever the bytes.
  [[nodiscard]] static Result<std::shared_ptr<const Policy>> parse(std::string_view text, PolicyKind kind,
                                                                   std::string_view bucket = {});

  explicit Policy(std::string text, std::vector<Statement> statements);
  Policy(const Policy&) = delete;
  Policy& operator=(const Policy&) = delete;
  ~Policy();

  /// The document, byte for byte as it was given.
  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] const std::vector<Statement>& statements() const { return statements_; }
  /// What this policy alone says.
  [[nodiscard]] Verdict evaluate(const Principal& principal, const RequestContext& request) const;
  /// As AWS defines for GetBucketPolicyStatus: some Allow is not confined to fixed principals or fixed
  /// sources.
  [[nodiscard]] bool is_public() const { return is_public_; }
  /// Whether a condition or variable uses a key that begins with `prefix` (lower-case):
  /// "s3:existingobjecttag/" tells that the tags of the object must be read before a decision.
  [[nodiscard]] bool uses_key(std::string_view prefix) const;
  /// uses_key("s3:existingobjecttag/"), answered once.
  [[nodiscard]] bool uses_object_tags() const { return uses_object_tags_; }

 private:
  std::string text_;
  std::vector<Statement> statements_;
  bool is_public_;
  bool uses_object_tags_;
};

using PolicyRef = std::shared_ptr<const Policy>;

/// Names of the built-in policies: readwrite, readonly, writeonly, ownbuckets, diagnostics, consoleAdmin.
[[nodiscard]] const std::vector<std::string>& builtin_policy_names();
/// The document of a built-in policy, or empty.
[[nodiscard]] std::string_view builtin_policy(std::string_view name);

}  // namespace flashstor::iam
