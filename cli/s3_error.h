#pragma once

#include "cli/http.h"
#include "engine/base/error.h"

namespace flashstor::cli {

/// The error that an answer other than 2xx stands for.
[[nodiscard]] Error error_of(const HttpResponse& response);
/// Whether the same request may well succeed a moment later.
[[nodiscard]] bool is_passing(const HttpResponse& response);
[[nodiscard]] bool is_passing(const Error& error);

}  // namespace flashstor::cli
