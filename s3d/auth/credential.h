#pragma once

#include <string>
#include <string_view>

#include "engine/async/task.h"

namespace flashstor::s3d {

/// What a request is signed with. `session_token` is empty but for temporary credentials, whose requests must
/// carry it.
struct Credential {
  std::string access_key;
  std::string secret;
  std::string session_token;
};

/// Where secrets live (IAM, the root credential, tests).
class CredentialSource {
 public:
  virtual ~CredentialSource() = default;
  /// The credential of an access key, which must live until the request that asked was answered.
  /// Errors: kInvalidAccessKey when there is none or it is disabled, kExpiredToken, and what its store
  /// reports.
  virtual Task<Result<const Credential*>> find(std::string_view access_key) = 0;
};

}  // namespace flashstor::s3d
