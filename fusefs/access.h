#pragma once

#include <cstdint>
#include <string_view>

#include "engine/base/error.h"

namespace flashstor::fusefs {

/// What a mount wants to do to an object, as IAM sees it.
enum class AccessKind : std::uint8_t {
  kRead,    ///< s3:GetObject
  kWrite,   ///< s3:PutObject
  kDelete,  ///< s3:DeleteObject
  kList,    ///< s3:ListBucket
};

/// Decides for the identity that a mount was started with; asked before each operation that reads, changes or
/// lists. Threads: called on the mount's loop; must not block.
class AccessApi {
 public:
  virtual ~AccessApi() = default;
  /// Errors: kAccessDenied.
  virtual Result<void> check(AccessKind kind, std::string_view path) = 0;
};

}  // namespace flashstor::fusefs
