#pragma once

#include <expected>
#include <string>

#include "s3d/auth/signature.h"

namespace flashstor::s3d {

/// The engine's code for a cause.
[[nodiscard]] ErrorCode code_of(AuthFailure failure);

[[nodiscard]] inline std::unexpected<AuthError> auth_fail(AuthFailure cause, std::string words,
                                                          bool presigned = false) {
  return std::unexpected(
      AuthError{.cause = cause, .presigned = presigned, .error = Error(code_of(cause), std::move(words))});
}

}  // namespace flashstor::s3d
